"""Whose a folder is: one dataset's, in one form, made from one place."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from etils import epath

from transfer_jax.data.decoding import BILINEAR
from transfer_jax.data.made_from import difference, read_all, recorded
from transfer_jax.data.manifest import MANIFEST, VERSION, Manifest, RecordsError, check_version
from transfer_jax.data.originals.part import Originals, readable
from transfer_jax.data.prepared_part import Preparation, finished, stamp_of, stem_of
from transfer_jax.folder.places import real
from transfer_jax.folder.whole_file import read_json, write_whole

SETTINGS = "preparation.json"
OTHERWISE = "choose another data.folder, or delete this one"


def claim(
    folder: Path, settings: Preparation, originals: Originals, workers: int | None = None
) -> bool:
    """Make a folder this dataset's, or check that it is.

    A dataset is the same one where its originals are at the same place and still have a class in
    common with it, whatever else changed there; or at another place, image for image the same.

    Args:
      settings: what images become.
      originals: the dataset as it is found.
      workers: processes that compare images; None for one a core.

    Returns:
      Whether there may be something to prepare.

    Raises:
      RecordsError: the folder holds something else; the difference is named.
    """
    path = folder / SETTINGS
    # What is prepared would be found among the classes.
    if not originals.fixed_classes and Path(originals.place) in real(folder).parents:
        raise RecordsError(
            f"{folder} is within {readable(originals.place)}, the originals; type the command in "
            "another folder, or choose a data.folder outside of it"
        )
    if not path.exists():
        _check_empty(folder)
    else:
        held = read_json(epath.Path(path))
        if not held:
            raise RecordsError(f"{path} is damaged; {OTHERWISE}")
        check_version(folder, held.get("version", 1))
        _check_settings(folder, held, settings)
        if held.get("place") == originals.place:
            _check_classes(folder, originals)
        elif not _same_parts(folder, settings, originals):
            _check_images(folder, str(held.get("place")), originals, workers)
            return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(epath.Path(path), json.dumps(_record(settings, originals.place)))
    except OSError as error:
        raise RecordsError(f"{folder} cannot be written: {error.strerror}") from None
    return True


def place_of(folder: Path) -> str:
    """Where the originals of a prepared dataset were.

    Returns:
      The place; empty where it is not known.
    """
    return str(read_json(epath.Path(folder / SETTINGS)).get("place", ""))


def _record(settings: Preparation, place: str) -> dict[str, Any]:
    return json.loads(json.dumps({"version": VERSION, **asdict(settings), "place": place}))


def _check_empty(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise RecordsError(f"{folder} is a file; choose another data.folder")
    if folder.exists() and any(folder.iterdir()):
        raise RecordsError(
            f"{folder} is not empty and holds no dataset; choose another data.folder"
        )


def _check_settings(folder: Path, held: dict[str, Any], settings: Preparation) -> None:
    wanted = _record(settings, "")
    odd = [
        f"{name} is {there} there, {here} here"
        for (name, there), (_, here) in zip(
            _fields(held, wanted), _fields(wanted, wanted), strict=True
        )
        if there != here
    ]
    if odd:
        raise RecordsError(f"{folder} holds another dataset: {'; '.join(odd)}; {OTHERWISE}")


def _fields(record: dict[str, Any], like: dict[str, Any]) -> list[tuple[str, Any]]:
    form = record.get("form") if isinstance(record.get("form"), dict) else {}
    names = [("data.source", record.get("source")), ("encoding", record.get("encoding"))]
    # What was prepared before there was a choice was scaled so.
    held = {"interpolation": BILINEAR, **(form or {})}
    return [*names, *((name, held.get(name)) for name in like["form"])]


def _check_classes(folder: Path, originals: Originals) -> None:
    """The same place with other classes throughout is another dataset."""
    try:
        held = Manifest.read(folder, whole=False).class_names
    except RecordsError:
        # There is none, or it is damaged: it will be made anew.
        return
    if set(held).isdisjoint(originals.class_names):
        raise RecordsError(
            f"{folder} holds another dataset: none of its classes, {held[0]} to {held[-1]}, is in "
            f"{readable(originals.place)} any more; {OTHERWISE}"
        )


def _same_parts(folder: Path, settings: Preparation, originals: Originals) -> bool:
    """Whether every part that is there is one of these, by names, sizes and times."""
    stamps = {
        stem_of(p, stamp): stamp for p in originals.parts for stamp in [stamp_of(p, settings)]
    }
    there = {path.stem for path in folder.glob("*-*.json")}
    return all(stem in stamps and finished(folder, stem, stamps[stem]) for stem in there)


def _check_images(folder: Path, place: str, originals: Originals, workers: int | None) -> None:
    if not (folder / MANIFEST).exists():
        raise RecordsError(
            f"{folder} was begun with the images of {readable(place)}, others than those of "
            f"{readable(originals.place)}; {OTHERWISE}"
        )
    if odd := difference(recorded(folder), read_all(originals, workers)):
        raise RecordsError(
            f"{folder} holds the images of {readable(place)}; those of "
            f"{readable(originals.place)} are others: {odd}; {OTHERWISE}"
        )
