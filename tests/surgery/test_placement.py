"""Arrays that lie elsewhere than on the active device or mesh stay where they are."""

import subprocess
import sys
import textwrap

SETUP = """
    import jax, jax.numpy as jnp, numpy as np, optax
    import transfer_jax as tj
    from contextlib import nullcontext
    from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec as P

    devices = np.array(jax.devices())
    auto, explicit = AxisType.Auto, AxisType.Explicit
    first = Mesh(devices[:4], ("x",), axis_types=(auto,))
    square = Mesh(devices[:4].reshape(2, 2), ("x", "y"), axis_types=(explicit, explicit))
    other = {kind: Mesh(devices[4:], ("x",), axis_types=(kind,)) for kind in (auto, explicit)}
    values = np.arange(32.0, dtype=np.float32).reshape(4, 8)
    PLACES = {
        "a device": devices[5],
        "rows": NamedSharding(other[auto], P("x")),
        "columns": NamedSharding(other[auto], P(None, "x")),
        "explicit rows": NamedSharding(other[explicit], P("x")),
        "explicit columns": NamedSharding(other[explicit], P(None, "x")),
        "one mesh": NamedSharding(first, P(None, "x")),
        "on the host": NamedSharding(other[auto], P("x"), memory_kind="unpinned_host"),
    }
    kinds = {m.kind for m in devices[0].addressable_memories()}
    if "unpinned_host" not in kinds:
        del PLACES["on the host"]
    ACTIVE = {
        "none": nullcontext,
        "a mesh": lambda: jax.set_mesh(first),
        "an explicit mesh": lambda: jax.set_mesh(square),
        "the arrays' devices": lambda: jax.set_mesh(other[explicit]),
        "a device": lambda: jax.default_device(devices[2]),
    }

    def cases():
        for place in PLACES.values():
            tree = {"w": jax.device_put(values, place)}
            keys = jax.random.split(jax.random.key(0), 4)
            if isinstance(place, NamedSharding) and place.spec == P("x"):
                tree["key"] = jax.device_put(keys, place)
            for context in ACTIVE.values():
                with context():
                    yield tree

    def lie_alike(left, right):
        for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
            assert a.sharding.is_equivalent_to(b.sharding, a.ndim), (a.sharding, b.sharding)
            assert a.sharding.memory_kind == b.sharding.memory_kind
            assert a.committed == b.committed
            if isinstance(a.sharding, NamedSharding):  # explicit axes stay explicit
                assert a.sharding.mesh == b.sharding.mesh
"""

GRAFT = """
    for tree in cases():
        donor = jax.tree.map(lambda x: jax.device_put(x, x.sharding), tree)
        for copy in (True, False):
            grafted = tj.graft(tree, donor, "w", copy=copy)
            lie_alike(grafted, tree)
            assert not tj.diff(grafted, tree)
        lie_alike(tj.reinitialise(tree, donor, "w"), tree)
"""

COLUMNS = """
    donor = {"w": jax.device_put(values + 100, devices[7])}
    for tree in cases():
        grafted = tj.graft(tree, donor, "w", columns=(1, 2))
        lie_alike(grafted, tree)
        expected = values.copy()
        expected[1] = values[2] + 100
        assert (np.asarray(grafted["w"]) == expected).all()
"""

STACK = """
    elsewhere = {"w": jax.device_put(-values, devices[7])}
    for tree in cases():
        own = {"w": tree["w"]}
        for trees in ([own], [own, own], [own, elsewhere]):
            whole = tj.stack(trees)["w"]
            expected = np.stack([np.asarray(t["w"]) for t in trees])
            assert (np.asarray(whole) == expected).all()
            assert whole.sharding.device_set == own["w"].sharding.device_set
            home = own["w"].sharding
            if isinstance(home, NamedSharding):
                spec = P(None, *home.spec)
                home = NamedSharding(home.mesh, spec, memory_kind=home.memory_kind)
                assert whole.sharding.mesh == home.mesh
            assert whole.sharding.is_equivalent_to(home, 3), (whole.sharding, home)
        lie_alike(tj.unstack(tj.stack([tree, tree]))[1], tree)
        assert not tj.diff(tj.unstack(tj.stack([tree, tree]))[1], tree)
        rows = tj.unstack(own)
        assert (np.stack([np.asarray(r["w"]) for r in rows]) == values).all()
        assert all(r["w"].sharding.device_set == own["w"].sharding.device_set for r in rows)
"""

UPDATES = """
    for tree in cases():
        own = {"w": tree["w"], "head": jnp.ones(2)}
        frozen = {"w": True, "head": False}
        tx = tj.freeze(optax.adam(0.1), frozen)
        updates, _ = tx.update(own, tx.init(own), own)
        lie_alike({"w": updates["w"]}, {"w": tree["w"]})
        _, grads = tj.value_and_grad(lambda p: p["head"].sum(), frozen)(own)
        lie_alike({"w": grads["w"]}, {"w": tree["w"]})
        fixed, _ = tj.partition(own, frozen)
        assert fixed["w"] is tree["w"]
"""


def run(body: str) -> None:
    script = textwrap.dedent(SETUP) + textwrap.dedent(body)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def environment(monkeypatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=8")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")


def test_a_graft_stays_where_its_leaves_lie(monkeypatch):
    environment(monkeypatch)
    run(GRAFT)


def test_a_column_goes_to_where_the_recipient_lies(monkeypatch):
    environment(monkeypatch)
    run(COLUMNS)


def test_a_stack_lies_where_its_first_tree_lies(monkeypatch):
    environment(monkeypatch)
    run(STACK)


def test_updates_and_gradients_of_frozen_leaves_lie_where_these_lie(monkeypatch):
    environment(monkeypatch)
    run(UPDATES)
