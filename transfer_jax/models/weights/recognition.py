"""Which network of the zoo a file of weights is of, by its names and shapes alone."""

import os

from transfer_jax.models.weights.detection import asked_shapes, detect
from transfer_jax.models.weights.fit import share
from transfer_jax.models.weights.nearest_network import zoo_head, zoo_shapes
from transfer_jax.models.weights.weight_files import WeightsError, read_arrays
from transfer_jax.surgery.tree_file_error import few

# A body without its head, or with other things beside it, has most of a network's names.
LEAST = 0.5


def recognised(path: str | os.PathLike[str]) -> list[str]:
    """The networks that a file of weights may be of.

    Args:
      path: a file as `transfer_jax.network` takes it; nothing in it is executed.

    Returns:
      Their names, as timm gives them; several where nothing in the file tells them apart.

    Raises:
      WeightsError: the file cannot be read, or is of none of the zoo.

    Example:
      >>> from tempfile import mkdtemp
      >>> from transfer_jax.models.weights.nearest_network import zoo_shapes
      >>> import numpy as np, jax, transfer_jax as tj
      >>> path = mkdtemp() + "/mine.safetensors"
      >>> tj.save_tree(path, {"stem": {"params": {"conv9": np.zeros(2, np.float32)}}})
      >>> recognised(path)  # doctest: +ELLIPSIS
      Traceback (most recent call last):
      ...
      transfer_jax.models.weights.weight_files.WeightsError: weights of a network: ... holds \
stem/params/conv9, which is none of ...
    """
    from transfer_jax.models.zoo import ZOO

    arrays = read_arrays(path, "a network")
    found = {name: array.shape for name, array in arrays.items()}
    shares: dict[str, float] = {}
    for name in ZOO:
        like = zoo_shapes(name)
        if (known := detect(name, like, found)) is not None:
            shares[name] = share(asked_shapes(like, known[1], found, zoo_head(name)), found)
    most = max(shares.values(), default=0.0)
    if most < LEAST:
        raise WeightsError(
            f"weights of a network: {path} holds {few(list(found))}, which is none of "
            f"{', '.join(ZOO)}; one of your own is --network=PACKAGE.MODULE:FUNCTION"
        )
    return [name for name, own in shares.items() if own == most]
