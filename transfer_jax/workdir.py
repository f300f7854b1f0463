"""The folder of a run: its config, its finished columns, its results."""

import json
import platform
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import jax
from etils import epath
from ml_collections import ConfigDict

from transfer_jax.conditions import Column, Condition
from transfer_jax.config import Config, flat_fields
from transfer_jax.whole_file import write_whole

PACKAGES = ("transfer_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


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

    def column(self, column: Column) -> epath.Path:
        """The results of one finished column."""
        return self.path / "columns" / f"{column.name}.csv"

    def curves(self, column: Column) -> epath.Path:
        """The learning curves of one finished column."""
        return self.path / "curves" / f"{column.name}.csv"

    def base_network(self, base: Condition) -> epath.Path:
        """The trained parameters of a base network."""
        first = "" if base.examples is None else f".first{base.examples}"
        return self.path / "bases" / f"{base.split}.seed{base.seed}.{base.target}{first}"

    def claim(self, config: Config) -> None:
        """Make the folder this run's, or check that it is.

        Args:
          config: the run's config.

        Raises:
          WorkdirError: the folder cannot be written, is no run's, or is another config's; the
            fields that differ are named.
        """
        wanted = as_json(config)
        if self.config.exists():
            self._check_config(wanted)
            return
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise WorkdirError(f"{self.path} is not empty and holds no run; choose another workdir")
        try:
            for folder in ("columns", "curves", "bases"):
                (self.path / folder).mkdir(parents=True, exist_ok=True)
            write_json(self.path / "versions.json", versions())
            write_json(self.config, wanted)
        except OSError as error:
            raise WorkdirError(f"{self.path} cannot be written: {error.strerror}") from None

    def _check_config(self, wanted: dict[str, Any]) -> None:
        try:
            found = json.loads(self.config.read_text())
            held = dict(flat_fields(ConfigDict(found)))
        except (OSError, ValueError, AttributeError) as error:
            raise WorkdirError(f"{self.config} cannot be read: {error}") from None
        if found == wanted:
            return
        asked = dict(flat_fields(ConfigDict(wanted)))
        differences = [
            f"{name} is {held.get(name, 'absent')} there, {asked.get(name, 'absent')} here"
            for name in sorted(held.keys() | asked.keys())
            if held.get(name) != asked.get(name)
        ]
        raise WorkdirError(
            f"{self.path} holds another run: {'; '.join(differences)}; choose another --workdir"
        )


def as_json(config: Config) -> dict[str, Any]:
    """A config as it reads back from JSON.

    Args:
      config: the config.

    Returns:
      Plain dicts, lists and scalars.

    Example:
      >>> as_json(ConfigDict({"cuts": (1, 2)}))
      {'cuts': [1, 2]}
    """
    return json.loads(json.dumps(config.to_dict()))


def write_json(path: epath.Path, content: dict[str, Any]) -> None:
    """Write JSON, all of it or nothing.

    Args:
      path: the file.
      content: what to write.
    """
    write_whole(path, json.dumps(content, indent=2) + "\n")


def versions() -> dict[str, str]:
    """What the run runs on: packages, Python, platform and device.

    Returns:
      Name to version.

    Example:
      >>> versions()["jax"] == jax.__version__
      True
    """
    found = {"python": sys.version.split()[0], "platform": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    device = jax.devices()[0]
    return found | {"device": f"{len(jax.devices())} x {device.device_kind} ({device.platform})"}
