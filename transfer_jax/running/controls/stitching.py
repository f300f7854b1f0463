"""Two networks joined by a linear layer that is trained: does a cut lose information or fit?"""

from collections.abc import Mapping
from dataclasses import replace

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from transfer_jax.engine.step import ColumnProgram
from transfer_jax.grid.conditions import Cut
from transfer_jax.grid.variants import Variant
from transfer_jax.models.layered import (
    INFERENCE,
    Layered,
    Modes,
    Rngs,
    Statistics,
    Variables,
)

STITCH = "stitch"


class Stitched:
    """A network with a linear layer over channels, from the identity on, after its n-th layer.

    Over an image's places it is a convolution of size 1.

    Args:
      n: number of layers below the stitch.
    """

    def __init__(self, network: Layered, n: int) -> None:
        self.network, self.n = network, n

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers, in depth order."""
        names = self.network.layer_names
        return (*names[: self.n], STITCH, *names[self.n :])

    def init(self, key: Key[Array, ""], x: Float[Array, "batch ..."]) -> Variables:
        """Fresh variables; the stitch is the identity."""
        variables = self.network.init(key, x)
        below, _ = self.network.apply(variables, x, 0, self.n)
        return self.join(variables, variables, below.shape[-1])

    def join(self, below: Variables, above: Variables, channels: int) -> Variables:
        """The layers of two networks, with the identity between them.

        Args:
          below: the network whose first n layers are taken.
          above: the network whose other layers are taken.
          channels: features that leave the n-th layer.

        Returns:
          The stitched network's variables.
        """
        names = self.network.layer_names
        stitch = {"params": {"kernel": jnp.eye(channels), "bias": jnp.zeros(channels)}}
        first = {name: below[name] for name in names[: self.n]}
        return {**first, STITCH: stitch, **{name: above[name] for name in names[self.n :]}}

    def apply(
        self,
        variables: Variables,
        x: Float[Array, "batch ..."],
        start: int = 0,
        stop: int | None = None,
        *,
        mode: Modes = INFERENCE,
        rngs: Rngs | None = None,
    ) -> tuple[Float[Array, "batch ..."], Statistics]:
        """The activation that leaves layer `stop - 1`."""
        changed: Statistics = {}
        for layer in range(*slice(start, stop).indices(len(self.layer_names))):
            if layer == self.n:
                x = nn.Dense(x.shape[-1]).apply(variables[STITCH], x)  # pyright: ignore
            else:
                own = layer - (layer > self.n)
                x, new = self.network.apply(variables, x, own, own + 1, mode=mode, rngs=rngs)
                changed |= new
        return x, changed


def stitched_program(program: ColumnProgram, n: int) -> ColumnProgram:
    """The computation that trains the stitch alone.

    Args:
      program: that of the networks which are joined.
      n: number of layers below the stitch.

    Returns:
      A program of one condition, which owns the stitch and nothing else.

    Source: Lenc and Vedaldi (2015), Understanding image representations by measuring their
    equivariance and equivalence; Bansal, Nakkiran and Barak (2021), Revisiting model stitching.
    """
    network = Stitched(program.network, n)
    others = tuple(i for i in range(len(network.layer_names)) if i != n)
    cut = Cut(n, False, Variant(STITCH, copied=others, frozen=others))
    return replace(program, network=network, cuts=(cut,), packing="unroll")


def stitched_networks(
    program: ColumnProgram, below: Variables, above: Variables, x: Float[Array, "batch ..."]
) -> Mapping[str, Variables]:
    """What a stitched program starts from.

    Args:
      program: the stitched program.
      below: the network whose first layers are taken.
      above: the network whose last layers are taken.
      x: a batch of the shape that the network takes.

    Returns:
      The label of its condition to its parameters.
    """
    network, (cut,) = program.network, program.cuts
    assert isinstance(network, Stitched)
    shape = jax.eval_shape(lambda: network.network.apply(below, x, 0, network.n)[0]).shape
    return {cut.label: network.join(below, above, shape[-1])}
