"""A network of two layers, its gradients and masks."""

import jax
import jax.numpy as jnp

from transfer_jax import first_layers

PARAMS = {"conv1": {"kernel": jnp.ones(3)}, "fc2": {"kernel": jnp.ones(3)}}
GRADS = {"conv1": {"kernel": jnp.full(3, 100.0)}, "fc2": {"kernel": jnp.ones(3)}}
FROZEN = first_layers(PARAMS, 1)
NOTHING = jax.tree.map(lambda _: False, PARAMS)
