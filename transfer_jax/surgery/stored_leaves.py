"""Leaves as the arrays that a safetensors file can hold, and back to the bit.

The format has names for most kinds of numbers. The others are stored as plain numbers with the
same bits, and a word beside them in the file's metadata says what they are: `int4`, `complex128`,
or `key<threefry2x32>` for the data of random keys of JAX.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from transfer_jax.surgery.tree_file_error import TreeFileError, brief

# The format's names for kinds of numbers, and NumPy's.
DTYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32",
    "I32": "int32", "U64": "uint64", "I64": "int64", "F16": "float16", "BF16": "bfloat16",
    "F32": "float32", "F64": "float64", "C64": "complex64", "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2", "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E8M0": "float8_e8m0fnu",
}  # fmt: skip
NAMES = {dtype: name for name, dtype in DTYPES.items()}

# Kinds that the format does not name: stored as these.
CARRIERS = {
    "int1": "U8", "uint1": "U8", "int2": "U8", "uint2": "U8", "int4": "U8", "uint4": "U8",
    "float4_e2m1fn": "U8", "float6_e2m3fn": "U8", "float6_e3m2fn": "U8", "float8_e3m4": "U8",
    "float8_e4m3": "U8", "float8_e4m3b11fnuz": "U8", "complex32": "U32", "bcomplex32": "U32",
    "complex128": "F64",
}  # fmt: skip


def to_stored(leaf: Any) -> tuple[np.ndarray, str | None]:
    """A leaf as an array that the format can hold.

    Args:
      leaf: an array, a number or a random key of JAX.

    Returns:
      (array, word): little-endian and contiguous, of a dtype in `DTYPES`; the word for what it
      is where the dtype does not say so, else None.

    Raises:
      TreeFileError: the leaf is no array of numbers, or is not on this machine.

    Example:
      >>> to_stored(1 + 2j)
      (array([1., 2.]), 'complex128')
    """
    try:
        if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return np.asarray(jax.random.key_data(leaf)), f"key<{jax.random.key_impl(leaf)}>"
        array = np.asarray(leaf)
    except Exception as error:  # a tracer, a deleted array, one of other machines, any object
        raise TreeFileError(f"it cannot be read: {brief(error)}") from None
    dtype = array.dtype.newbyteorder("<")
    array = np.asarray(array, dtype=dtype, order="C")
    if dtype.name in NAMES:
        return array, None
    if dtype.name in CARRIERS:
        return _as(array, DTYPES[CARRIERS[dtype.name]]), dtype.name
    raise TreeFileError(f"{type(leaf).__name__} of {dtype} is no array of numbers")


def from_stored(array: np.ndarray, word: str | None) -> Any:
    """The leaf that `to_stored` made an array of.

    Args:
      array: what a file holds.
      word: what its metadata says of it.

    Returns:
      The leaf, an array of NumPy or random keys of JAX.

    Raises:
      TreeFileError: the word is unknown or does not fit the array.

    Example:
      >>> from_stored(np.array([1.0, 2.0]), "complex128").item()
      (1+2j)
    """
    if word is None:
        return array
    if word.startswith("key<") and word.endswith(">"):
        try:
            return jax.random.wrap_key_data(jnp.asarray(array), impl=word[4:-1])
        except Exception as error:  # of whatever kind the implementation of the keys raises
            raise TreeFileError(f"it is no {brief(word)}: {brief(error)}") from None
    wide = word == "complex128"
    carrier = DTYPES.get(CARRIERS.get(word, ""))
    if array.dtype != carrier or (wide and array.shape[-1:] != (2,)):
        raise TreeFileError(f"it is no {brief(word)}, but {array.dtype}{list(array.shape)}")
    return _as(array, word)


def _as(array: np.ndarray, dtype: str) -> np.ndarray:
    """The same bits under another dtype; a last axis where an element becomes two."""
    new = np.dtype(dtype)
    flat = array.reshape(-1).view(new)
    if new.itemsize == array.dtype.itemsize:
        return flat.reshape(array.shape)
    halved = new.itemsize < array.dtype.itemsize
    return flat.reshape((*array.shape, 2) if halved else array.shape[:-1])
