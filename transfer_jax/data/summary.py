"""What a prepared dataset holds, for people: classes and their counts, and what was odd."""

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from jaxtyping import Int
from rich.cells import cell_len, set_cell_size

from transfer_jax.data.image_set import SUBSETS, ImageSet
from transfer_jax.data.manifest import MANIFEST, Manifest
from transfer_jax.data.originals.part import readable

WIDTH, NUMBER = 80, 12
# More classes than this are summed up: the smallest, the largest and all.
CLASSES_SHOWN, NAMES_SHOWN, EXAMPLES_SHOWN = 40, 8, 3


def note_lines(manifest: Manifest, folder: str) -> list[str]:
    """What was skipped, converted and left out, counted by reason.

    Args:
      manifest: what the dataset holds.
      folder: where it is.

    Returns:
      Lines to print.
    """
    lines = []
    for word in ("skipped", "converted"):
        found = [note for shard in manifest.shards for note in getattr(shard, word)]
        if found:
            all_of = "it" if len(found) == 1 else "them all"
            lines += [f"{_images(len(found))} {word}; {folder}/{MANIFEST} names {all_of}:"]
            lines += _by_reason(found)
    if manifest.left_out:
        lines += ["Not read:"]
        lines += [f"  {count:,} {why}" for why, count in sorted(manifest.left_out.items())]
    return lines


def class_lines(images: ImageSet) -> list[str]:
    """How many images each class has for training, validation and test, as a table.

    Args:
      images: the dataset.

    Returns:
      Lines of at most 80 characters; then those that name classes with too few images, and say
      what to do.

    Example:
      >>> grey = np.zeros((3, 2, 2, 1), np.uint8)
      >>> found = ImageSet(grey, np.array([0, 1, 1]), np.array([0, 0, 2]), ("cat", "dog"))
      >>> print("\\n".join(class_lines(found)[:2]))
      class                                              train  validation        test
      cat                                                    1           0           0
    """
    counts = np.stack(
        [
            np.bincount(images.labels[images.subset == subset], minlength=len(images.class_names))
            for subset in range(len(SUBSETS))
        ],
        axis=1,
    )
    rows = list(zip(images.class_names, counts.tolist(), strict=True))
    if len(rows) > CLASSES_SHOWN:
        sizes = counts.sum(axis=1)
        small, large = int(sizes.argmin()), int(sizes.argmax())
        rows = [(f"smallest: {rows[small][0]}", rows[small][1]),
                (f"largest: {rows[large][0]}", rows[large][1])]  # fmt: skip
    total = (f"all {len(counts):,} classes", counts.sum(axis=0).tolist())
    table = [_row("class", SUBSETS), *(_row(name, numbers) for name, numbers in [*rows, total])]
    return [*table, *_too_few(images.class_names, counts)]


def _row(name: str, cells: Sequence[str | int]) -> str:
    room = WIDTH - NUMBER * len(cells)
    # A character of some scripts is two columns wide.
    fits = cell_len(name) < room
    shown = set_cell_size(name, room) if fits else f"{set_cell_size(name, room - 4)}... "
    numbers = [cell if isinstance(cell, str) else f"{cell:,}" for cell in cells]
    return shown + "".join(f"{number:>{NUMBER}}" for number in numbers)


def _too_few(names: Sequence[str], counts: Int[np.ndarray, "class subset"]) -> Iterator[str]:
    train, validation, test = counts.T
    mend = "add some, or take it out" if test.any() else "data.test_share holds some out"
    several = (counts.sum(axis=1) > 1) & (train > 0)
    for wrong, said in (
        (train == 0, "without training images, so in no task; add images"),
        ((counts.sum(axis=1) == 1) & (train == 1), "of one image, so not to be tested; add images"),
        (several & (test == 0), f"without test images; {mend}"),
        (several & (test > 0) & (validation == 0) & validation.any(), "without validation images"),
    ):
        if wrong.any():
            own = [name for name, odd in zip(names, wrong, strict=True) if odd]
            more = f" and {len(own) - NAMES_SHOWN:,} more" if len(own) > NAMES_SHOWN else ""
            classes = "class" if len(own) == 1 else f"{len(own):,} classes"
            yield f"{classes} {said}: {', '.join(own[:NAMES_SHOWN])}{more}"


def _by_reason(notes: Iterable[Sequence[str]]) -> Iterator[str]:
    """A line a reason, the commonest first; numbers within a reason make no other one."""
    groups: dict[str, list[Sequence[str]]] = {}
    for note in notes:
        groups.setdefault(re.sub(r"\d+", "0", note[1]), []).append(note)
    for group in sorted(groups.values(), key=len, reverse=True):
        names = ", ".join(readable(name) for name, _ in group[:EXAMPLES_SHOWN])
        why = readable(group[0][1])
        more = ", ..." if len(group) > EXAMPLES_SHOWN else ""
        yield f"  {_images(len(group))}: {why} ({names}{more})"


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"
