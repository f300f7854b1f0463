"""A pretrained network: its weights file, read, checked, and told from any other."""

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp

from transfer_jax.engine.normalisation import Normalisation
from transfer_jax.engine.recipe import Recipe
from transfer_jax.folder.places import local
from transfer_jax.folder.workdir import Workdir
from transfer_jax.grid.conditions import Column
from transfer_jax.grid.pretrained import LP_FT
from transfer_jax.models.heads import head_path
from transfer_jax.models.layered import Layered, Variables
from transfer_jax.models.weights.detection import shapes_and_head
from transfer_jax.models.weights.packages import in_package
from transfer_jax.models.weights.reading import read_weights
from transfer_jax.models.zoo import ZOO
from transfer_jax.plan.beginnings import pretrained_networks
from transfer_jax.plan.components import build_network, num_outputs
from transfer_jax.plan.fields import ConfigError
from transfer_jax.plan.network_fields import make_network
from transfer_jax.plan.schema import Config
from transfer_jax.surgery.sharded_files import INDEX

FIELD = "network.weights"
# Images that every network of the zoo takes.
USUAL = (224, 224, 3)


@dataclass(frozen=True, eq=False)
class PretrainedBase:
    """A base network whose weights lie in a file, the same for every split and seed.

    Attributes:
      network: all of its variables; the logits are new ones, zeros.
      head: the keys that lead to the dense layer of the logits in the last layer's parameters;
        None where it ends in none.
    """

    network: Variables
    head: tuple[str, ...] | None

    classes = None

    @property
    def parameters(self) -> dict[str, int]:
        """How many numbers each layer has that training may change."""
        return {
            name: sum(leaf.size for leaf in jax.tree.leaves(layer.get("params", {})))
            for name, layer in self.network.items()
        }

    def variables(self, seed: int) -> Variables:
        """The whole network."""
        return self.network

    def mean(self, recipe: Recipe) -> Normalisation | None:
        """What it saw is said by the network's own preprocessing, which all of a run share."""
        return None

    def begun(
        self, network: Layered, column: Column, networks: dict[str, Variables], heads: Workdir
    ) -> dict[str, Variables]:
        """With the file's last layer, but for the logits: zeros, or a solved head."""
        return pretrained_networks(network, column, networks, self.network, self.head, heads)


def pretrained_base(
    config: Config, network: Layered, wider: Layered, recipe: Recipe
) -> PretrainedBase:
    """The network in the file that a config names.

    Args:
      config: names the network and its file.
      network: the layered network, with the outputs of the run's tasks.
      wider: the same with one output more, which tells what of it is its head.
      recipe: says what it sees.

    Returns:
      The base network.

    Raises:
      ConfigError: there is no such file, or it is damaged or another network's.
    """
    like, found = _read(config, network, wider, recipe.network_shape)
    return PretrainedBase(found, _head(config, network, like, recipe))


def check_fits(config: Config) -> None:
    """Check that the weights are those of the network that a config names, whatever the images.

    Networks of one's own are not checked: which images they take is theirs to say.

    Raises:
      ConfigError: there is no such file, or it is damaged or another network's.
    """
    if config.network.name in ZOO:
        network = build_network(config, 1)
        wider = make_network(config.network, num_outputs(config, 1) + 1)
        _read(config, network, wider, USUAL)


def _read(
    config: Config, network: Layered, wider: Layered, shape: tuple[int, int, int]
) -> tuple[Variables, Variables]:
    """The shapes of a network, and what its file holds."""
    path, x = local(config.network.weights, FIELD), jnp.zeros((1, *shape))
    try:
        like, head = shapes_and_head(network, wider, x)
    except ValueError as error:
        raise ConfigError(f"network.name is '{config.network.name}': {error}") from None
    try:
        return like, read_weights(path, config.network.name, like, own_head=False, head=head)
    except ValueError as error:
        raise ConfigError(f"{FIELD}: {error}") from None


def _head(
    config: Config, network: Layered, like: Variables, recipe: Recipe
) -> tuple[str, ...] | None:
    try:
        return head_path(network, like, recipe.network_shape)
    except ValueError as error:
        if LP_FT in config.families:
            raise ConfigError(f"families holds '{LP_FT}', but {error}") from None
        return None


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
        files = _files(in_package(local(config.network.weights, FIELD)))
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
