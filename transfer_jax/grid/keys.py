"""Every random number comes from a key that its purpose names."""

import zlib

import jax
from jaxtyping import Array, Key


def key_for(seed: int, *purpose: str | int) -> Key[Array, ""]:
    """The key of one purpose, whatever else is drawn and in whatever order.

    Args:
      seed: the run's seed.
      purpose: names that say what is drawn, such as "init", the split and the condition.

    Returns:
      A scalar key.

    Example:
      >>> bool(key_for(0, "init", "A3B") == key_for(0, "init", "A3B"))
      True
      >>> bool(key_for(0, "init", "A3B") == key_for(0, "init", "A4B"))
      False
    """
    key = jax.random.key(seed)
    for name in purpose:
        key = fold_in_name(key, name)
    return key


def fold_in_name(key: Key[Array, ""], name: str | int) -> Key[Array, ""]:
    """A key of its own for a name, from the key of the whole.

    Args:
      key: a scalar key.
      name: any name; the same name gives the same key on every machine.

    Returns:
      A scalar key.

    Example:
      >>> key = jax.random.key(0)
      >>> bool(fold_in_name(key, "conv1") == fold_in_name(key, "conv2"))
      False
    """
    return jax.random.fold_in(key, zlib.crc32(str(name).encode()))
