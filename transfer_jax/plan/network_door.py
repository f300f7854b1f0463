"""A network by its name, with the weights of a file: `transfer_jax.network`."""

import os
from dataclasses import replace
from numbers import Integral
from typing import cast

import jax
import jax.numpy as jnp

from transfer_jax.models.layered import Variables
from transfer_jax.models.stack import Stack
from transfer_jax.models.weights.detection import classes_of, shapes_and_head
from transfer_jax.models.weights.reading import read_weights
from transfer_jax.plan.network_fields import NetworkFields, make_network, network_kind

# Those of ImageNet, which most files of weights have.
CLASSES = 1000
Shape = tuple[int, int, int]


def network(
    name: str,
    weights: str | os.PathLike[str] | None = None,
    num_outputs: int | None = None,
    *,
    image_shape: Shape | None = None,
) -> tuple[Stack, Variables]:
    """A network and its variables, fresh or from a file of weights.

    Args:
      name: as timm writes it, such as `resnet18` or `vit_small_patch16_224`; or one's own, as
        `package.module:function`.
      weights: a file or folder, `.safetensors` or of PyTorch, in the names of timm, torchvision,
        transformers or lukemelas, or in ours.
      num_outputs: number of logits, by a fresh head of zeros; None keeps the file's own head, or
        gives a fresh one of 1000 where there is no file.
      image_shape: height, width and channels of images, where the network does not say what it
        wants to see.

    Returns:
      (network, variables): `network.logits(variables, images)` runs it in inference.

    Raises:
      ValueError: there is no such network, or the file is not one of its weights.

    Example:
      >>> made, variables = network("resnet18", num_outputs=10)
      >>> made.layer_names[:3], made.preprocessing.size
      (('stem', 'layer1.0', 'layer1.1'), 224)
      >>> made.logits(variables, jnp.zeros((1, 64, 64, 3))).shape
      (1, 10)
    """
    if not isinstance(name, str):
        raise ValueError(f"name is {name!r}; allowed: text, such as 'resnet18' or 'mine:layers'")
    is_number = isinstance(num_outputs, Integral) and not isinstance(num_outputs, bool)
    if num_outputs is not None and not (is_number and num_outputs > 0):
        raise ValueError(f"num_outputs is {num_outputs!r}; allowed: whole numbers from 1, or None")
    fields = replace(network_kind(name)(), weights=str(weights or ""))
    made = _made(fields, num_outputs or CLASSES)
    x = jnp.zeros((1, *(image_shape or _seen(name, made))))
    init = jax.jit(lambda: made.init(jax.random.key(0), x))
    if weights is None:
        return made, init()
    wider = _made(fields, (num_outputs or CLASSES) + 1)
    like, head = shapes_and_head(made, wider, x)
    held = read_weights(weights, name, like, own_head=num_outputs is None, head=head)
    return _made(fields, classes_of(held, head)), jax.tree.map(jnp.asarray, held)


def _made(fields: NetworkFields, num_outputs: int) -> Stack:
    return cast(Stack, make_network(fields, num_outputs))


def _seen(name: str, made: Stack) -> Shape:
    seen = made.preprocessing
    if seen is None:
        raise ValueError(
            f"{name} does not say what it wants to see; give image_shape, as in "
            "image_shape=(28, 28, 1)"
        )
    return seen.size, seen.size, seen.channels
