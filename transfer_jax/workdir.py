"""The folder of a run: its config, its finished columns, its results."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from etils import epath

from transfer_jax.checkpoints import digest
from transfer_jax.conditions import Column, Condition
from transfer_jax.config import SWEEP, read_config
from transfer_jax.data.identity import identity, identity_differences
from transfer_jax.data.image_set import ImageSet
from transfer_jax.fields import Affects, flat, plain
from transfer_jax.places import place
from transfer_jax.schema import Config
from transfer_jax.versions import versions
from transfer_jax.whole_file import read_json, write_whole


class WorkdirError(ValueError):
    """A folder that cannot be written, or that holds another run."""


@dataclass(frozen=True)
class Workdir:
    """Where a run keeps what it makes."""

    path: epath.Path

    @property
    def results(self) -> epath.Path:
        """The table of results, written when all columns are done."""
        return self.path / "results.csv"

    @property
    def config(self) -> epath.Path:
        """The exact config of the run."""
        return self.path / "config.json"

    @property
    def data(self) -> epath.Path:
        """Which images the run is about: their digest, classes and numbers."""
        return self.path / "data.json"

    @property
    def plan(self) -> epath.Path:
        """How many networks the run has when it is finished."""
        return self.path / "plan.json"

    def column(self, column: Column) -> epath.Path:
        """The results of one finished column."""
        return self.path / "columns" / f"{column.name}.csv"

    def curves(self, column: Column) -> epath.Path:
        """The learning curves of one finished column."""
        return self.path / "curves" / f"{column.name}.csv"

    def correct(self, column: Column) -> epath.Path:
        """Which test examples one finished column's networks classify right."""
        return self.path / "correct" / f"{column.name}.npz"

    def validated(self, column: Column) -> epath.Path:
        """Which validation examples one finished column's networks classify right."""
        return self.path / "validated" / f"{column.name}.npz"

    def filters(self, column: Column) -> epath.Path:
        """The first layers that one finished column's conditions trained."""
        return self.path / "filters" / f"{column.name}.npz"

    def controls(self, column: Column) -> epath.Path:
        """What was measured of one finished column's networks beside their accuracy."""
        return self.path / "controls" / f"{column.name}.csv"

    @property
    def split_images(self) -> epath.Path:
        """An image of each class of each split."""
        return self.path / "split_images.npz"

    def metrics(self, column: Column) -> epath.Path:
        """Loss and accuracy of one column's conditions as it was trained, a line each."""
        return self.path / "metrics" / f"{column.name}.jsonl"

    def networks(self, column: Column) -> epath.Path:
        """The layers that one finished column's conditions trained."""
        return self.path / "networks" / column.name

    def checkpoints(self, column: Column) -> epath.Path:
        """The last checkpoints of a column in training."""
        return self.checkpoints_folder / column.name

    @property
    def checkpoints_folder(self) -> epath.Path:
        """The checkpoints of all columns."""
        return self.path / "checkpoints"

    @property
    def lock(self) -> epath.Path:
        """Says which process trains in this folder."""
        return self.path / "lock.json"

    @property
    def progress(self) -> epath.Path:
        """Says how far a run is."""
        return self.path / "progress.json"

    def base_network(self, base: Condition) -> epath.Path:
        """The trained parameters of a base network."""
        first = "" if base.examples is None else f".first{base.examples}"
        return self.path / "bases" / f"{base.split}.seed{base.seed}.{base.target}{first}"

    def claim(self, config: Config, images: ImageSet) -> None:
        """Make the folder this run's, or check that it is.

        Args:
          config: the run's config.
          images: the run's images.

        Raises:
          WorkdirError: the folder cannot be written, is no run's, or is another config's or of
            other images; what differs is named.
        """
        if self.config.exists():
            if odd := differences(self.read_config(), config):
                raise WorkdirError(
                    f"{self.path} holds another run: {'; '.join(odd)}; choose another --workdir"
                )
            if odd := identity_differences(self.read_data(), identity(images)):
                raise WorkdirError(
                    f"{self.path} holds a run on other images: {'; '.join(odd)}; choose another "
                    "--workdir"
                )
            return
        try:
            for folder in ("columns", "curves", "bases", "metrics"):
                (self.path / folder).mkdir(parents=True, exist_ok=True)
            write_json(self.path / "versions.json", versions())
            write_json(self.data, identity(images))
            # Last: a folder that holds it is this run's, and says of which images.
            write_json(self.config, as_json(config))
        except OSError as error:
            raise WorkdirError(f"{self.path} cannot be written: {error.strerror}") from None

    def open(self) -> None:
        """Make the folder, or check that it may be this run's, before anything is in it.

        Raises:
          WorkdirError: the folder cannot be made, or holds something else than a run.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # In a bucket, a folder is there only when something is in it.
            inside = self.path.iterdir() if self.path.exists() else ()
            held = [path.name for path in inside if not path.name.startswith(".")]
        except OSError as error:
            reason = error.strerror or error
            raise WorkdirError(f"{self.path} cannot be written: {reason}") from None
        if held and not set(held) & {self.config.name, self.lock.name, "versions.json", SWEEP}:
            raise WorkdirError(f"{self.path} is not empty and holds no run; choose another workdir")

    def read_config(self) -> Config:
        """The config of the run that the folder holds.

        Returns:
          The config; a field that is newer than the run has its default.

        Raises:
          WorkdirError: there is none, or it is damaged.
        """
        try:
            return read_config(json.loads(self.config.read_text()))
        except (OSError, ValueError, RecursionError) as error:
            raise WorkdirError(f"{self.config} cannot be read: {error}") from None

    def read_data(self) -> dict[str, Any]:
        """What the run's images are, as `identity` tells it; empty where that is not known."""
        return read_json(self.data)

    def began_with(self) -> str:
        """What the run was begun with, where it is not what it goes on with.

        Returns:
          A line; empty where nothing differs.
        """
        try:
            held = json.loads((self.path / "versions.json").read_text())
            pairs = [(n, held[n], v) for n, v in versions().items() if held.get(n, v) != v]
        except (OSError, ValueError, AttributeError):
            return ""
        return ", ".join(f"{name} {old}, now {new}" for name, old, new in pairs)


def workdir_at(path: epath.PathLike) -> Workdir:
    """The folder of a run by its path.

    Args:
      path: the path.

    Returns:
      The folder; nothing is made or read.

    Raises:
      PlaceError: the path is no place of a folder.

    Example:
      >>> workdir_at("runs/a").results
      PosixGPath('runs/a/results.csv')
    """
    return Workdir(place(path, "workdir"))


def differences(
    there: Config, here: Config, ignored: Collection[Affects] = (Affects.RUNNING,)
) -> list[str]:
    """The fields in which two configs differ.

    Args:
      there: a config.
      here: another.
      ignored: fields that affect one of these are not compared; by default those that change no
        number.

    Returns:
      A phrase for each, sorted by name.

    Example:
      >>> differences(Config(steps=5, bases="a"), Config(steps=6))
      ['steps is 5 there, 6 here']
    """
    held, asked = (
        {field.name: field.value for field in flat(config) if field.affects not in ignored}
        for config in (there, here)
    )
    return [
        f"{name} is {held.get(name, 'absent')} there, {asked.get(name, 'absent')} here"
        for name in sorted(held.keys() | asked.keys())
        if held.get(name) != asked.get(name)
    ]


def fingerprint(config: Config, images: ImageSet) -> str:
    """What tells the numbers of one run from those of another.

    Args:
      config: the config.
      images: the dataset.

    Returns:
      A digest of all fields that change a number, and of the images.
    """
    fields = {f.name: f.value for f in flat(config) if f.affects is not Affects.RUNNING}
    return digest({"config": fields, "data": identity(images)})


def as_json(config: Config) -> dict[str, Any]:
    """A config as it reads back from JSON.

    Args:
      config: the config.

    Returns:
      Plain dicts, lists and scalars.

    Example:
      >>> as_json(Config(cuts=(1, 2)))["cuts"]
      [1, 2]
    """
    return json.loads(json.dumps(plain(config)))


def write_json(path: epath.Path, content: dict[str, Any]) -> None:
    """Write JSON, all of it or nothing.

    Args:
      path: the file.
      content: what to write.
    """
    write_whole(path, json.dumps(content, indent=2) + "\n")
