"""What a run runs on."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

import jax

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
