"""What a run runs on: packages, devices, code of one's own."""

import hashlib
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

import jax

from transfer_jax.grid.registry import source_file
from transfer_jax.plan.schema import Config

PACKAGES = ("transfer_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def versions() -> dict[str, str]:
    """What the run runs on: packages, Python, platform and device.

    Returns:
      Name to version.

    Example:
      >>> versions()["jax"] == jax.__version__
      True
    """
    found = {**package_versions(), "platform": platform.platform()}
    device = jax.devices()[0]
    return found | {"device": f"{len(jax.devices())} x {device.device_kind} ({device.platform})"}


def package_versions() -> dict[str, str]:
    """The versions of Python and of the packages that compute.

    Returns:
      Name to version.

    Example:
      >>> package_versions()["jax"] == jax.__version__
      True
    """
    found = {"python": sys.version.split()[0]}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def own_code(config: Config) -> dict[str, str]:
    """The files of the functions of one's own that a config names.

    Args:
      config: the config.

    Returns:
      `code of NAME` to the first digits of a digest of the file.

    Example:
      >>> own_code(Config())
      {}
    """
    names = (config.network.name, config.optimizer.name, config.data.source)
    files = {name: file for name in names if (file := source_file(name))}
    return {
        f"code of {name}": hashlib.sha256(file.read_bytes()).hexdigest()[:12]
        for name, file in files.items()
    }
