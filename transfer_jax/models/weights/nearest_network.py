"""Which network of the zoo a file of weights is most like."""

import functools

import jax
import jax.numpy as jnp

from transfer_jax.models.layered import Variables
from transfer_jax.models.weights.detection import Shapes, asked_shapes, detect, head_keys
from transfer_jax.models.weights.fit import share

# The last layer of each.
HEAD = "head"


def nearest_network(network: str, found: Shapes, least: float) -> str | None:
    """The network of the zoo that a file is most like.

    Args:
      network: the one that it was taken for.
      found: the shapes of its arrays, by name.
      least: the share of names and shapes that they have in common, which another must surpass.

    Returns:
      Its name; None where no other is more like it.
    """
    from transfer_jax.models.zoo import ZOO

    best, most = None, least
    for other in ZOO:
        like = zoo_shapes(other)
        known = detect(other, like, found) if other != network else None
        if known is None:
            continue
        asked = asked_shapes(like, known[1], found, head_keys(like, HEAD))
        if (own := share(asked, found)) > most:
            best, most = other, own
    return best


@functools.cache
def zoo_shapes(network: str) -> Variables:
    """The shapes of a network's variables at the size that it was pretrained with.

    Args:
      network: one of the zoo, which gets one logit.

    Returns:
      The variables, without numbers.

    Example:
      >>> zoo_shapes("resnet18")["head"]["params"]["fc"]["kernel"].shape
      (512, 1)
    """
    from transfer_jax.models.zoo import ZOO

    made = ZOO[network](1)
    seen = made.preprocessing
    assert seen is not None
    x = jnp.zeros((1, seen.size, seen.size, seen.channels))
    found: Variables = jax.eval_shape(lambda: made.init(jax.random.key(0), x))
    return found
