"""A layered network computed in another precision than that of its parameters."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from transfer_jax.models.layered import (
    INFERENCE,
    Layered,
    Modes,
    Rngs,
    Statistics,
    Variables,
    join,
    params_of,
    statistics_of,
)

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class InPrecision:
    """A Layered network whose layers compute in `dtype`; parameters, statistics, gradients and
    logits stay float32.

    Attributes:
      network: the network.
      dtype: name of the dtype of activations and products.
    """

    network: Layered
    dtype: str

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers, in depth order."""
        return self.network.layer_names

    def init(self, key: Key[Array, ""], x: Float[Array, "batch ..."]) -> Variables:
        """Fresh float32 variables."""
        return self.network.init(key, x)

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
        """The activation that leaves layer `stop - 1`, in `dtype`; logits in float32."""
        names = self.layer_names[start:stop]
        own = {name: variables[name] for name in names}
        low = jax.tree.map(lambda leaf: leaf.astype(self.dtype), params_of(own))
        low = join(low, statistics_of(own))
        x = x.astype(self.dtype)
        out, changed = self.network.apply(low, x, start, stop, mode=mode, rngs=rngs)
        last = names[-1:] == self.layer_names[-1:]
        return (out.astype(jnp.float32) if last else out), changed
