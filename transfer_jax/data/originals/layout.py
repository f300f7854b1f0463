"""Which folder holds what: class folders alone, or some each for training, validation and test."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from transfer_jax.data.image_set import SUBSETS, TEST, TRAIN, VALIDATION
from transfer_jax.data.originals.listing import entries, folders
from transfer_jax.data.originals.part import OriginalsError, readable

# The usual names, in any case.
NAMES = {
    TRAIN: ("train", "training"),
    VALIDATION: ("val", "valid", "validation", "dev"),
    TEST: ("test", "testing", "eval", "evaluation"),
}
SAYING = (
    "call them train, validation and test; if they are classes, put them into a folder called "
    "train (links will do)"
)
SHOWN = 4
ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm")


def subset_called(name: str) -> int | None:
    """What is in a folder, or a split, by its name.

    Args:
      name: the name, in any case.

    Returns:
      `TRAIN`, `VALIDATION` or `TEST`; None for another name.

    Example:
      >>> SUBSETS[subset_called("Valid")], subset_called("cats")
      ('validation', None)
    """
    return next((subset for subset, names in NAMES.items() if name.lower() in names), None)


def subsets_by_name(names: Iterable[str], where: str) -> dict[int, str]:
    """Which of some folders or splits is for training, which for validation, which for the test.

    One beside the training images is the test, whatever it is called: a validation part is held
    out of training then. Other names are none of them.

    Args:
      names: what they are called.
      where: where they are, for the error.

    Returns:
      Subset to name.

    Raises:
      OriginalsError: two say the same.

    Example:
      >>> subsets_by_name(["train", "valid"], "here") == {TRAIN: "train", TEST: "valid"}
      True
    """
    found: dict[int, str] = {}
    for name in names:
        subset = subset_called(name)
        if subset in found:
            raise OriginalsError(
                f"{where} holds {readable(found[subset])} and {readable(name)}, both for "
                f"{SUBSETS[subset]}; rename or remove one"
            )
        if subset is not None:
            found[subset] = name
    if set(found) == {TRAIN, VALIDATION}:
        found[TEST] = found.pop(VALIDATION)
    return found


def subset_folders(root: Path, left_out: Counter[str]) -> dict[int, Path]:
    """The folders that hold the class folders of each subset.

    Args:
      root: the folder of a dataset.
      left_out: what is not read is counted here, by reason.

    Returns:
      Subset to folder; the root itself, for training, where class folders are all it holds.

    Raises:
      OriginalsError: what the folders are for cannot be told; how to say it is said.
    """
    beside: Counter[str] = Counter()
    inside = {name: folders(root / name, Counter()) for name in folders(root, beside)}
    named = [name for name in inside if subset_called(name) is not None]
    with_classes = [name for name in named if inside[name]]
    if not with_classes:
        return {TRAIN: _of_classes(root, inside, named)}
    left_out.update(beside)
    found = subsets_by_name(with_classes, readable(str(root)))
    if TRAIN not in found:
        seen = ", ".join(map(readable, with_classes))
        raise OriginalsError(f"{readable(str(root))} holds {seen} but no folder called train")
    for name in sorted(inside.keys() - set(with_classes)):
        if name not in named and (
            _alike([inside[name], inside[found[TRAIN]]]) or _images(root, name)
        ):
            raise OriginalsError(
                f"{readable(str(root))} holds {readable(name)} beside {found[TRAIN]}; what it is "
                "for cannot be told: call it validation or test, or move it away"
            )
        why = "without class folders, so without labels" if name in named else "no part by its name"
        left_out[f"folder {readable(name)}: {why}"] += 1
    return {subset: root / found[subset] for subset in sorted(found)}


def _of_classes(root: Path, inside: dict[str, list[str]], named: list[str]) -> Path:
    """The root, if its folders are classes."""
    if len(named) > 1 or (named and len(inside) == 1):
        seen = " and ".join(map(readable, named))
        raise OriginalsError(
            f"{readable(str(root))} holds {seen}, without a folder a class in them; put each image "
            "into a folder named after its class"
        )
    if len(inside) > 1 and _alike(list(inside.values())):
        raise OriginalsError(
            f"{_seen(root, list(inside), inside)}; what they are for cannot be told: {SAYING}"
        )
    if len(inside) < 2:
        seen = ", ".join(map(readable, inside)) or "no folder"
        within = [readable(str(root / name)) for name, own in inside.items() if len(own) > 1]
        hint = f"; or give {within[0]}" if within else ""
        if not inside and any(Path(entry.path).is_file() for entry in entries(root, Counter())):
            hint = ": put each image into a folder named after its class"
        raise OriginalsError(
            f"{readable(str(root))} holds {seen}; a dataset needs two class folders or more{hint}"
        )
    return root


def _images(root: Path, name: str) -> bool:
    """Whether a folder holds files with the names of images."""
    return any(file.name.lower().endswith(ENDINGS) for file in entries(root / name, Counter()))


def _alike(groups: list[list[str]]) -> bool:
    """Whether folders hold two folders or more of the same names, and half of them at least."""
    shared = set.intersection(*map(set, groups))
    return len(shared) > 1 and 2 * len(shared) >= max(len(group) for group in groups)


def _seen(root: Path, names: list[str], inside: dict[str, list[str]]) -> str:
    shared = sorted(set.intersection(*(set(inside[name]) for name in names)))
    more = ", ..." if len(shared) > SHOWN else ""
    folders_ = ", ".join(map(readable, names[:SHOWN])) + (", ..." if len(names) > SHOWN else "")
    return (
        f"{readable(str(root))} holds {folders_}, each with folders "
        f"{', '.join(map(readable, shared[:SHOWN]))}{more}"
    )
