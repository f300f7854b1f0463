"""The kind of device that programs are made for: this machine's, or another that compiles here."""

from contextlib import AbstractContextManager

import jax

# A kind for which convolutions are traced as they are, which is the quickest.
PLAIN = "tpu"
# Part of the keys by which JAX keeps what it traced: nothing made for one kind serves another.
_made_for = jax.make_user_context(None)


def target_backend() -> str:
    """The kind of device that programs are made for.

    Returns:
      "cpu", "gpu" or "tpu"; that of this process's devices, but inside of `made_for`.

    Example:
      >>> target_backend() == jax.default_backend()
      True
    """
    return _made_for.value or jax.default_backend()


def made_for(kind: str) -> AbstractContextManager[None]:
    """Programs that are made inside of this are for another kind of device than this machine's.

    It changes what is traced, and no device: a program is compiled for the devices on which its
    arguments lie.

    Args:
      kind: "cpu", "gpu" or "tpu".

    Returns:
      A context.

    Example:
      >>> with made_for("tpu"):
      ...     target_backend()
      'tpu'
    """
    return _made_for(kind)
