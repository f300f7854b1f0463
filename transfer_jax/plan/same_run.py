"""What all processes of a run must have in common: its config, the code and its packages, data."""

import hashlib
from pathlib import Path

import jax

from transfer_jax.data.identity import identity
from transfer_jax.data.image_set import ImageSet
from transfer_jax.engine.sameness import check_same
from transfer_jax.plan.fields import flat
from transfer_jax.plan.pretrained import FIELD, weights_digest
from transfer_jax.plan.schema import Config
from transfer_jax.plan.versions import own_code, package_versions

# What JAX computes with; another setting is another program, or other numbers.
SETTINGS = (
    "jax_platforms", "jax_enable_x64", "jax_default_matmul_precision", "jax_default_prng_impl",
    "jax_threefry_partitionable",
)  # fmt: skip


def check_same_run(config: Config, task: str) -> None:
    """Refuse to work together with a process of another config, code or packages.

    Args:
      config: the config of this process.
      task: the command, and what it varies.

    Raises:
      ClusterError: processes differ; the fields are named.
    """
    fields = {field.name: field.value for field in flat(config)}
    # How a machine reads is its own matter, and where.
    own = ("reading.", FIELD)
    alike = {name: value for name, value in fields.items() if not name.startswith(own)}
    settings = {name: jax.config.values.get(name) for name in SETTINGS}  # pyright: ignore
    code = {"the command": task, **alike, "the code": code_digest(), **package_versions()}
    check_same(code | own_code(config) | settings)


def check_same_inputs(images: ImageSet, config: Config) -> None:
    """Refuse to work together with a process that has other images, or other weights.

    Args:
      images: those of this process.
      config: names its weights, which lie where they lie on its machine.

    Raises:
      ClusterError: processes differ; in what is said.
    """
    weights = {FIELD: weights_digest(config)}
    check_same({f"data: {k}": v for k, v in identity(images).items()} | weights)


def code_digest() -> str:
    """What tells this package's code from another version of it.

    Returns:
      The first digits of a digest of its files.

    Example:
      >>> len(code_digest())
      12
    """
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for file in sorted(root.rglob("*.py")):
        digest.update(f"{file.relative_to(root).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
