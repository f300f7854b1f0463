"""A folder of class folders: `cats/1.jpg`, or `train/cats/1.jpg` and `test/cats/2.jpg`."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from transfer_jax.data.originals.part import TEST, TRAIN, Original, Originals, OriginalsError

TEST_FOLDERS = ("test", "val", "validation")
HELD_OUT = 10
FILES_A_PART = 1000


@dataclass(frozen=True)
class Files:
    """Some image files."""

    folder: Path
    files: tuple[tuple[str, int], ...]
    split: str

    def read(self) -> Iterator[Original]:
        """The images, in the order of their names."""
        for name, label in self.files:
            yield Original(name, label, (self.folder / name).read_bytes())


def class_folders(folder: Path) -> Originals:
    """A dataset whose folders are its classes.

    Without folders of their own for training and test, every tenth image of each class, in the
    order of the names, is held out for testing.

    Args:
      folder: holds a folder a class; or `train` and one of `test`, `val` and `validation`, which
        hold one each.

    Returns:
      Parts of up to 1000 files.

    Raises:
      OriginalsError: there is no such folder, or there are fewer than two classes.
    """
    if not folder.is_dir():
        raise OriginalsError(f"{folder} is no folder")
    test = next((folder / name for name in TEST_FOLDERS if (folder / name).is_dir()), None)
    if test is not None and (folder / "train").is_dir():
        names = _class_names(folder / "train")
        found = {TRAIN: _files(folder / "train", names), TEST: _files(test, names)}
        roots = {TRAIN: folder / "train", TEST: test}
    else:
        names = _class_names(folder)
        found = _hold_out(_files(folder, names))
        roots = {TRAIN: folder, TEST: folder}
    parts = [
        Files(roots[split], tuple(files[start : start + FILES_A_PART]), split)
        for split, files in found.items()
        for start in range(0, len(files), FILES_A_PART)
    ]
    return Originals(tuple(parts), names, {})


def _hold_out(files: list[tuple[str, int]]) -> dict[str, list[tuple[str, int]]]:
    """Every tenth file of each class for testing, the others for training."""
    found: dict[str, list[tuple[str, int]]] = {TRAIN: [], TEST: []}
    seen: Counter[int] = Counter()
    for file in files:
        seen[file[1]] += 1
        found[TEST if seen[file[1]] % HELD_OUT == 0 else TRAIN].append(file)
    return found


def _class_names(root: Path) -> tuple[str, ...]:
    names = sorted(path.name for path in root.iterdir() if _is_class(path))
    if len(names) < 2:
        found = ", ".join(names) or "no folder"
        raise OriginalsError(f"{root} holds {found}; a dataset needs two class folders or more")
    return tuple(names)


def _is_class(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _files(root: Path, names: tuple[str, ...]) -> list[tuple[str, int]]:
    """(name within the root, class) of every file."""
    if odd := sorted({p.name for p in root.iterdir() if _is_class(p)} - set(names)):
        raise OriginalsError(f"{root} holds {odd[0]}, which has no training images")
    return [
        (str(path.relative_to(root)), label)
        for label, name in enumerate(names)
        for path in sorted((root / name).rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    ]
