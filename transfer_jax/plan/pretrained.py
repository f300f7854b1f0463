"""A pretrained network: its weights file, read, checked, and told from any other."""

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp

from transfer_jax.engine.columns import Normalisation, Recipe
from transfer_jax.folder.places import local
from transfer_jax.models.layered import Layered, Variables
from transfer_jax.plan.fields import ConfigError
from transfer_jax.plan.own_weights import read_own_weights
from transfer_jax.plan.schema import Config
from transfer_jax.surgery.sharded_files import INDEX

FIELD = "network.weights"


@dataclass(frozen=True, eq=False)
class PretrainedBase:
    """A base network whose weights lie in a file, the same for every split and seed.

    Attributes:
      network: all of its variables; the last layer is the file's, of whatever classes.
    """

    network: Variables

    classes = None

    def variables(self, seed: int) -> Variables:
        """The whole network."""
        return self.network

    def mean(self, recipe: Recipe) -> Normalisation | None:
        """What it saw is said by the network's own preprocessing, which all of a run share."""
        return None


def pretrained_base(config: Config, network: Layered, recipe: Recipe) -> PretrainedBase:
    """The network in the file that a config names.

    Args:
      config: names the network and its file.
      network: the layered network, with the outputs of the run's tasks.
      recipe: says what it sees.

    Returns:
      The base network.

    Raises:
      ConfigError: there is no such file, or it is damaged or another network's.
    """
    path, x = local(config.network.weights, FIELD), jnp.zeros((1, *recipe.network_shape))
    like = jax.eval_shape(lambda: network.init(jax.random.key(0), x))
    try:
        return PretrainedBase(read_own_weights(path, like))
    except ValueError as error:
        raise ConfigError(f"{FIELD}: {error}") from None


def weights_digest(config: Config) -> str:
    """What tells the weights that a config names from others, wherever they lie.

    Returns:
      SHA-256 of the file in hexadecimal, of several files that of the list of theirs; empty where
      no file is named, or there is none.

    Raises:
      ConfigError: the path is an address, or a file cannot be read.
    """
    if not config.network.weights:
        return ""
    try:
        files = _files(local(config.network.weights, FIELD))
        if len(files) == 1:
            return _digest(files[0], files[0].stat().st_mtime_ns)
        lines = [f"{_digest(file, file.stat().st_mtime_ns)}  {file.name}\n" for file in files]
    except (OSError, ValueError) as error:
        raise ConfigError(f"{FIELD} is '{config.network.weights}': {error}") from None
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _files(path: Path) -> list[Path]:
    """The file; of a folder all below it, of an index that and those that it names."""
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    if not path.name.endswith(INDEX):
        return [path]
    named = json.loads(path.read_bytes())["weight_map"].values()
    return [path, *(path.with_name(name) for name in sorted(set(named)))]


@functools.lru_cache(maxsize=64)
def _digest(file: Path, written: int) -> str:
    """A file is read again where it was written again."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
