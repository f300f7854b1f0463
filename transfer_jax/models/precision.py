"""A layered network computed in another precision than that of its parameters."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from transfer_jax.models.layered import Layered, Params, Rngs

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class InPrecision:
    """A Layered network whose layers compute in `dtype`; parameters, gradients and logits stay
    float32.

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

    def init(self, key: Key[Array, ""], x: Float[Array, "batch ..."]) -> Params:
        """Fresh float32 parameters."""
        return self.network.init(key, x)

    def apply(
        self,
        params: Params,
        x: Float[Array, "batch ..."],
        start: int = 0,
        stop: int | None = None,
        *,
        train: bool = False,
        rngs: Rngs | None = None,
    ) -> Float[Array, "batch ..."]:
        """The activation that leaves layer `stop - 1`, in `dtype`; logits in float32."""
        names = self.layer_names[start:stop]
        low = jax.tree.map(
            lambda leaf: leaf.astype(self.dtype), {name: params[name] for name in names}
        )
        out = self.network.apply(low, x.astype(self.dtype), start, stop, train=train, rngs=rngs)
        last = names[-1:] == self.layer_names[-1:]
        return out.astype(jnp.float32) if last else out
