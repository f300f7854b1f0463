"""Sharded arrays are grafted where they lie."""

import subprocess
import sys
import textwrap

SCRIPT = textwrap.dedent(
    """
    import jax, jax.numpy as jnp, numpy as np
    import transfer_jax as tj
    from jax.sharding import Mesh, NamedSharding, PartitionSpec as P

    sharding = NamedSharding(Mesh(np.array(jax.devices()), ("x",)), P("x"))
    put = lambda value: {"a": jax.device_put(jnp.full((8, 2), value), sharding)}
    fresh, donor = put(0.0), put(1.0)
    with jax.transfer_guard("disallow"):
        grafted = tj.graft(fresh, donor, "a")
    assert grafted["a"].sharding == sharding
    assert {s.data.shape for s in grafted["a"].addressable_shards} == {(2, 2)}
    inside = jax.jit(lambda r, d: tj.graft(r, d, "a"))
    text = inside.lower(fresh, donor).compile().as_text()
    assert "all-gather" not in text
    jax.jit(lambda t: jax.tree.map(jnp.sin, t), donate_argnums=0)(grafted)
    assert grafted["a"].is_deleted() and not donor["a"].is_deleted()
    """
)


def test_a_graft_gathers_nothing(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=4")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
