"""A folder of class folders: `cats/1.jpg`, or `train/cats/1.jpg` and `test/cats/2.jpg`."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from transfer_jax.data.image_set import TRAIN
from transfer_jax.data.originals.layout import subset_folders
from transfer_jax.data.originals.listing import Found, entries, files_below, folders
from transfer_jax.data.originals.part import Original, Originals, OriginalsError, readable

FILES_A_PART = 1000


class Labelled(NamedTuple):
    """A file and its class."""

    file: Found
    label: int


@dataclass(frozen=True)
class Files:
    """Some image files."""

    folder: Path
    files: tuple[Labelled, ...]
    subset: int

    @property
    def inputs(self) -> list[Found]:
        """Names, sizes and times; the first folder of a name is the class."""
        return [own.file for own in self.files]

    def read(self) -> Iterator[Original]:
        """The images, in the order of their names."""
        for file, label in self.files:
            yield Original(file.name, label, (self.folder / file.name).read_bytes())


def class_folders(folder: Path) -> Originals:
    """A dataset whose folders are its classes.

    Args:
      folder: holds a folder a class; or folders for training, validation and test, under their
        usual names, which hold one each.

    Returns:
      Parts of up to 1000 files. A class without files is left out.

    Raises:
      OriginalsError: there is no such folder, what its folders are for cannot be told, or there
        are fewer than two classes.
    """
    if not folder.is_dir():
        raise OriginalsError(f"{folder} is no folder")
    left_out: Counter[str] = Counter()
    roots = subset_folders(folder, left_out)
    training = _by_class(roots[TRAIN], left_out)
    paths = [path for path, files in training.items() if files]
    names = _names(roots[TRAIN], paths)
    for path in training.keys() - set(paths):
        left_out[f"class {readable(path)}: no file in its folder"] += 1
    parts: list[Files] = []
    for subset, root in roots.items():
        found = training if subset == TRAIN else _by_class(root, left_out)
        if odd := sorted(path for path, files in found.items() if files and path not in paths):
            raise OriginalsError(
                f"{readable(str(root))} holds {readable(odd[0])}, which has no training images; "
                f"move it away, or put such images into {readable(str(roots[TRAIN] / odd[0]))}"
            )
        labelled = [
            [Labelled(file, label) for file in found.get(path, ())]
            for label, path in enumerate(paths)
        ]
        parts += [Files(root, own, subset) for own in _in_parts(labelled)]
    place = os.path.realpath(folder)
    return Originals(tuple(parts), names, {}, place=place, left_out=dict(left_out))


def _by_class(root: Path, left_out: Counter[str]) -> dict[str, list[Found]]:
    """The files of each class folder."""
    beside = sum(Path(entry.path).is_file() for entry in entries(root, Counter()))
    if beside:
        left_out["beside the class folders"] += beside
    return {path: files_below(root, path, left_out) for path in folders(root, left_out)}


def _names(root: Path, paths: list[str]) -> tuple[str, ...]:
    """The names of the classes: of their folders, as they can be printed."""
    names = [readable(path) for path in paths]
    if len(names) < 2:
        found = f"images of {names[0]} alone" if names else "no image"
        raise OriginalsError(
            f"{readable(str(root))} holds {found}; a dataset needs two class folders or more"
        )
    real = [os.path.realpath(root / path) for path in paths]
    for same in (names, real):
        count = Counter(same)
        if twins := [name for name, own in zip(names, same, strict=True) if count[own] > 1]:
            raise OriginalsError(f"{readable(str(root))}: {' and '.join(twins)} are one class")
    return tuple(names)


def _in_parts(classes: list[list[Labelled]]) -> Iterator[tuple[Labelled, ...]]:
    """Up to 1000 files each, of one class if it has as many: a new image changes one part."""
    part: list[Labelled] = []
    for files in classes:
        for start in range(0, len(files), FILES_A_PART):
            piece = files[start : start + FILES_A_PART]
            if part and len(part) + len(piece) > FILES_A_PART:
                yield tuple(part)
                part = []
            part = part + piece
    if part:
        yield tuple(part)
