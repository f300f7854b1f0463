"""Training on activations that are kept is training to the bit, and computes less."""

from dataclasses import replace
from itertools import repeat

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from transfer_jax.data.order import KeptTrunk
from transfer_jax.engine.apart import apart
from transfer_jax.engine.columns import ColumnStart, column_inputs, column_order, initial_networks
from transfer_jax.engine.cost import multiply_adds
from transfer_jax.engine.feeds import ResidentFeed
from transfer_jax.engine.kept_trunk import TrunkPass
from transfer_jax.engine.loop import CompiledProgram
from transfer_jax.engine.mesh import column_mesh, replicate
from transfer_jax.engine.step import ColumnProgram
from transfer_jax.engine.trunk import COMPUTED, ROUNDED
from transfer_jax.grid.conditions import Column
from transfer_jax.grid.pretrained import frozen_first, full
from transfer_jax.models.convnet import ConvNet
from transfer_jax.models.linen_layers import from_linen
from transfer_jax.models.zoo.modules import Conv, PooledLogits, batch_norm

from .test_step import TX


class Residual(nn.Module):
    """As in a ResNet: what enters is added, and a ReLU comes last."""

    features: int
    stride: int = 1

    @nn.compact
    def __call__(self, x, *, train):
        y = batch_norm(train, "bn")(Conv(self.features, 3, self.stride, name="conv")(x))
        if x.shape != y.shape:
            x = Conv(self.features, 1, self.stride, name="side")(x)
        return nn.relu(x + y)


class Depthwise(nn.Module):
    """As in an EfficientNet: wider, depthwise, narrower, and no ReLU at the end."""

    features: int

    @nn.compact
    def __call__(self, x, *, train):
        wide = 2 * x.shape[-1]
        y = nn.relu6(batch_norm(train, "bn1")(Conv(wide, 1, name="expand")(x)))
        y = nn.relu6(batch_norm(train, "bn2")(Conv(wide, 3, depthwise=True, name="deep")(y)))
        return batch_norm(train, "bn3")(Conv(self.features, 1, name="project")(y))


def layered(block):
    widths = {"stem": Conv(32, 3, 2), "b1": block(32), "b2": block(64), "b3": block(64)}
    return from_linen([*widths.items(), ("head", PooledLogits(3, "fc"))])


NETWORKS = {
    "depthwise": layered(Depthwise),
    "residual": layered(Residual),
    "convnet": ConvNet(3, widths=(4, 6, 6, 6), dense_widths=(8,)),
}


class Setting:
    """A network as if pretrained, and a column that freezes it in the middle, and but its head."""

    def __init__(self, network, split, recipe, images, *, keeps=COMPUTED, side=12, **options):
        self.network, self.recipe = network, recipe
        init = jax.jit(lambda key: network.init(key, jnp.zeros((1, side, side, 1))))
        self.base = jax.tree_util.tree_map_with_path(as_trained, init(jax.random.key(3)))
        layers = len(network.layer_names)
        self.depths = (2, layers - 1)
        self.cuts = (*full(self.depths, layers), *frozen_first(self.depths, layers))
        self.program = ColumnProgram(network, self.cuts, TX, mirror=True, keeps=keeps, **options)
        self.mesh = column_mesh(1)
        column = Column(split.name, 0, "A", "B", self.cuts)
        networks = initial_networks(column, network.layer_names, init, self.base)
        inputs = column_inputs(column, split, recipe)
        self.order = column_order(column, split, recipe)
        self.start = ColumnStart(networks, self.base, inputs, self.order)
        self.images = replicate(images, self.mesh)
        self.compiled = CompiledProgram(self.program, self.mesh)

    def kept(self, depths, size=None) -> KeptTrunk:
        over = TrunkPass(self.program.trunk(depths), self.mesh, size or self.recipe.batch_size)

        def fed(batches):
            return repeat(self.images, batches.shape[1])

        return over.over(self.base, fed, self.start.inputs, np.sort(self.order.examples))

    def trained(self, trunk=None, start=None):
        feed = ResidentFeed(self.images, trunk and replicate(trunk, self.mesh))
        steps = self.recipe.steps
        (outcome,) = self.compiled.run([start or self.start], feed, steps, lambda *_: None)
        return outcome


def as_trained(path, leaf):
    """Statistics and norms are none of a fresh network."""
    if path[-1].key == "kernel":
        return leaf
    return leaf + 0.3 * jax.random.uniform(jax.random.key(len(str(path))), leaf.shape)


def same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a.networks, b.networks)
    for field in ("test", "loss", "scores"):
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field))


@pytest.fixture(scope="module", params=NETWORKS)
def setting(request, split, recipe, device_images):
    return Setting(NETWORKS[request.param], split, recipe, device_images)


@pytest.fixture(scope="module")
def plain(setting):
    return setting.trained()


@pytest.mark.slow_but_first
def test_training_on_what_is_kept_is_training_to_the_bit(setting, plain):
    trunk = setting.kept(setting.depths)
    assert tuple(sorted(trunk.activations)) == setting.depths
    same(plain, setting.trained(trunk))
    last = setting.network.layer_names[-1]
    begun, trained = (tree["2+ freeze"][last] for tree in (setting.start.networks, plain.networks))
    moved = jax.tree.map(lambda a, b: bool((np.asarray(a) != b).any()), begun, trained)
    assert any(jax.tree.leaves(moved))


@pytest.mark.slow
def test_what_lies_between_is_computed_from_the_nearest_below(setting, plain):
    same(plain, setting.trained(setting.kept((1, 3))))


@pytest.mark.slow
def test_a_step_computes_only_what_is_above(setting):
    """Multiply-adds of `train` are those of `learn`, and of the layers that are not kept."""
    program, start, images = setting.program, setting.start, setting.images
    state, base = program.init(start.networks), setting.base

    def adds(trunk):
        given = images._replace(trunk=trunk)
        return multiply_adds(program.train, state, base, given, start.inputs)

    x = jnp.zeros((setting.recipe.batch_size, 12, 12, 1))
    layers = []
    for n in range(1, setting.depths[-1] + 1):
        apply = lambda v, x, n=n: setting.network.apply(v, x, n - 1, n)[0]  # noqa: E731
        layers.append(multiply_adds(apply, base, x))
        x = apply(base, x)
    assert adds(None) - adds(setting.kept(setting.depths)) == sum(layers)
    # What leaves the second layer is wanted all the same.
    assert adds(None) - adds(setting.kept((3,))) == layers[2]


@pytest.mark.slow
@pytest.mark.parametrize("how", [{"crop": 10}, {"shift": 2}, {"crop": 9, "shift": 1}])
def test_images_that_are_seen_at_a_few_places(how, split, recipe, device_images):
    size = how.get("crop", 12)
    setting = Setting(NETWORKS["convnet"], split, recipe, device_images, side=size, views=3, **how)
    trunk = setting.kept(setting.depths)
    assert {own.shape[0] for own in trunk.activations.values()} == {6}
    same(setting.trained(), setting.trained(trunk))


class ByPlace(nn.Module):
    """What it gives depends on an image's place in the batch, in the last digits."""

    @nn.compact
    def __call__(self, x):
        places = jnp.arange(len(x)).reshape(-1, 1, 1, 1)
        return nn.Conv(4, (3, 3))(x) * jnp.where(places % 16 < 15, 1.0, 1.0 + 1e-6)


def test_what_depends_on_the_place_in_a_batch_is_not_kept(split, recipe, device_images):
    network = from_linen(
        [("a", nn.Conv(4, (3, 3), 2)), ("odd", ByPlace()), ("b", nn.Conv(4, (3, 3))),
         ("head", PooledLogits(3, "fc"))]
    )  # fmt: skip
    setting = Setting(network, split, recipe, device_images)
    trunk = setting.kept((1, 2, 3))
    assert sorted(trunk.activations) == [1]
    same(setting.trained(), setting.trained(trunk))


@pytest.mark.slow
def test_rounded_activations_are_the_same_whichever_are_kept(split, recipe, device_images):
    setting = Setting(NETWORKS["residual"], split, recipe, device_images, keeps=ROUNDED)
    rounded = setting.trained()
    trunk = setting.kept((2, 4))
    assert {own.dtype for own in trunk.activations.values()} == {jnp.bfloat16.dtype}
    same(rounded, setting.trained(trunk))
    same(rounded, setting.trained(setting.kept((4,))))
    exact = Setting(NETWORKS["residual"], split, recipe, device_images).trained()
    kernels = {
        label: [own.networks[label]["head"]["params"]["fc"]["kernel"] for own in (exact, rounded)]
        for label in ("0+ full", "4+ freeze")
    }
    np.testing.assert_array_equal(*kernels["0+ full"])
    assert (kernels["4+ freeze"][0] != kernels["4+ freeze"][1]).any()


def test_apart_changes_no_bit():
    odd = jnp.array([0.0, -0.0, jnp.inf, jnp.nan, 1e-45, -3.5])
    for x in (odd, odd.astype(jnp.bfloat16)):
        found = jax.jit(apart)(x, jnp.int32(7))
        assert np.asarray(found).tobytes() == np.asarray(x).tobytes()


def test_a_phase_takes_no_more_than_it_wants(split, recipe, device_images):
    """A trunk that is kept deeper than a program's own is left alone."""
    setting = Setting(NETWORKS["residual"], split, recipe, device_images)
    trunk = setting.kept((1, 4))
    program = replace(setting.program, cuts=setting.cuts[:2])
    compiled = CompiledProgram(program, setting.mesh)
    own = {cut.label: setting.start.networks[cut.label] for cut in program.cuts}
    start = setting.start._replace(networks=own)
    found = [
        compiled.run([start], ResidentFeed(setting.images, kept), 3, lambda *_: None)[0]
        for kept in (None, replicate(trunk, setting.mesh))
    ]
    same(*found)
