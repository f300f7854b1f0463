"""Which network of the zoo a file of weights is most like."""

import functools

import jax
import jax.numpy as jnp

from transfer_jax.models.backend import PLAIN, made_for
from transfer_jax.models.layered import Variables
from transfer_jax.models.weights.detection import Shapes, asked_shapes, detect, head_keys
from transfer_jax.models.weights.fit import share
from transfer_jax.models.weights.leaf_names import Keys


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
        asked = asked_shapes(like, known[1], found, zoo_head(other))
        if (own := share(asked, found)) > most:
            best, most = other, own
    return best


def zoo_head(network: str) -> list[Keys]:
    """Where the leaves of a network's logits stand.

    Args:
      network: one of the zoo.

    Returns:
      Their keys.

    Example:
      >>> zoo_head("resnet18")
      [('head', 'params', 'fc', 'bias'), ('head', 'params', 'fc', 'kernel')]
    """
    from transfer_jax.models.zoo import ZOO

    last = ZOO[network](1).layer_names[-1]
    return head_keys(zoo_shapes(network), zoo_shapes(network, 2), last)


@functools.cache
def zoo_shapes(network: str, outputs: int = 1) -> Variables:
    """The shapes of a network's variables at the size that it was pretrained with.

    Args:
      network: one of the zoo.
      outputs: number of its logits.

    Returns:
      The variables, without numbers.

    Example:
      >>> zoo_shapes("resnet18")["head"]["params"]["fc"]["kernel"].shape
      (512, 1)
    """
    from transfer_jax.models.zoo import ZOO

    made = ZOO[network](outputs)
    seen = made.preprocessing
    assert seen is not None
    x = jnp.zeros((1, seen.size, seen.size, seen.channels))
    with made_for(PLAIN):
        found: Variables = jax.eval_shape(lambda: made.init(jax.random.key(0), x))
    return found
