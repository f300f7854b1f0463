"""Packages that only some features need: each belongs to an extra, and may be missing."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

# What a run also writes where these extras are installed, and the packages that it takes.
ADDITIONS = {
    "tensorboard": ("events for TensorBoard", ("tensorboardX",)),
    "tables": ("tables as Parquet", ("pandas", "pyarrow")),
}


class ExtraError(ImportError, ValueError):
    """A feature needs packages that are not installed; the message says how to install them."""


@contextmanager
def needs(extra: str, feature: str) -> Iterator[None]:
    """Import what only one feature needs; where it is missing, say how it is installed.

    Args:
      extra: that the packages belong to.
      feature: what needs it, as the beginning of a sentence.

    Returns:
      A context, in which the packages are imported.

    Raises:
      ExtraError: one is missing.

    Example:
      >>> with needs("tables", "A table of pandas"):
      ...     import no_such_package
      Traceback (most recent call last):
      ...
      transfer_jax.folder.extras.ExtraError: A table of pandas needs: \
pip install 'transfer_jax[tables]' (No module named 'no_such_package')
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ExtraError(f"{feature} needs: {_install(extra)} ({error})") from None


def is_installed(addition: str) -> bool:
    """Whether the packages of an addition are there; none is imported.

    Args:
      addition: one of `ADDITIONS`.
    """
    return all(find_spec(package) is not None for package in ADDITIONS[addition][1])


def left_out(*additions: str) -> str:
    """What is not written because its packages are not installed, and how they are.

    Args:
      additions: some of `ADDITIONS`.

    Returns:
      A line; empty where nothing is left out.
    """
    missing = [addition for addition in additions if not is_installed(addition)]
    what = " and ".join(ADDITIONS[addition][0] for addition in missing)
    return f"Not written: {what}; to have them: {_install(','.join(missing))}" if missing else ""


def _install(extra: str) -> str:
    return f"pip install 'transfer_jax[{extra}]'"
