"""Networks of the zoo: their layers, where they can be cut, what they see."""

import time

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from transfer_jax.models.backend import made_for
from transfer_jax.models.layered import TRAINING, Mode
from transfer_jax.models.linen_layers import LayerStack
from transfer_jax.models.weights.leaf_names import leaves_of
from transfer_jax.models.zoo import ZOO
from transfer_jax.models.zoo.fresh import DRAWN

# Stages, layers and parameters with a thousand outputs: the papers' numbers, and timm's names.
EXPECTED = {
    "resnet18": ("stem layer1.1 layer2.1 layer3.1 layer4.1", 10, 11_689_512),
    "resnet34": ("stem layer1.2 layer2.3 layer3.5 layer4.2", 18, 21_797_672),
    "resnet50": ("stem layer1.2 layer2.3 layer3.5 layer4.2", 18, 25_557_032),
    "vit_tiny_patch16_224": ("stem blocks.2 blocks.5 blocks.8 blocks.11", 14, 5_717_416),
    "vit_small_patch16_224": ("stem blocks.2 blocks.5 blocks.8 blocks.11", 14, 22_050_664),
    "vit_base_patch16_224": ("stem blocks.2 blocks.5 blocks.8 blocks.11", 14, 86_567_656),
    "convnext_tiny": (
        "stem stages.0.blocks.2 stages.1.blocks.2 stages.2.blocks.8 stages.3.blocks.2",
        23,
        28_589_128,
    ),
    **dict.fromkeys(
        ["efficientnet_lite0", "tf_efficientnet_lite0"],
        (
            "stem blocks.0.0 blocks.1.1 blocks.2.1 blocks.3.2 blocks.4.2 blocks.5.3 blocks.6.0 "
            "conv_head",
            19,
            4_652_008,
        ),
    ),
    "mobilenetv2_100": (
        "stem blocks.0.0 blocks.1.1 blocks.2.2 blocks.3.3 blocks.4.2 blocks.5.2 blocks.6.0 "
        "conv_head",
        20,
        3_504_872,
    ),
}
# One of each family by default.
SMALL = ["resnet18", "vit_tiny_patch16_224", "mobilenetv2_100"]
CUT = [*SMALL, *(pytest.param(n, marks=pytest.mark.slow) for n in ZOO if n not in SMALL)]
GREY = ((0.5,) * 3, (0.5,) * 3)


@pytest.mark.parametrize("name", ZOO)
def test_layers_stages_and_parameters(name):
    net = ZOO[name](1000)
    stages, layers, parameters = EXPECTED[name]
    assert net.stages == tuple(stages.split())
    assert set(net.stages) < set(net.layer_names[:-1])
    assert len(net.layer_names) == layers and net.layer_names[-1] == "head"
    shapes = jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((1, 224, 224, 3)))
    own = [leaf for layer in shapes.values() for leaf in jax.tree.leaves(layer["params"])]
    assert sum(leaf.size for leaf in own) == parameters


@pytest.mark.parametrize("name", CUT)
def test_every_cut_gives_the_logits_of_the_whole(name):
    net = ZOO[name](5)
    x = jax.random.normal(jax.random.key(0), (2, 32, 32, 3))
    start = time.perf_counter()
    variables = jax.block_until_ready(net.init(jax.random.key(1), x))
    assert time.perf_counter() - start < 60
    entered = jax.eval_shape(lambda: net.apply(variables, x, 0, -1)[0])
    (dense,) = net.head_leaves(variables, entered)
    head = variables["head"]["params"][dense]
    assert not head["kernel"].any() and not head["bias"].any()
    head["kernel"] = jax.random.normal(jax.random.key(2), head["kernel"].shape)
    expected = jax.jit(net.apply)(variables, x)[0]
    assert np.ptp(expected) > 0.1
    largest = np.abs(expected).max()
    activation = x
    for cut in range(1, len(net.layer_names) + 1):
        one = jax.jit(lambda own, x, cut=cut: net.apply(own, x, cut - 1, cut)[0])
        activation = one(variables, activation)
    assert np.abs(activation - expected).max() < 1e-5 * largest


def test_fresh_numbers_have_the_deviation_that_they_should():
    net = ZOO["resnet18"](5)
    init = jax.jit(net.init)
    one, other = (init(jax.random.key(n), jnp.zeros((1, 32, 32, 3))) for n in (0, 1))
    kernel = one["layer3.1"]["params"]["conv2"]["kernel"]
    assert kernel.std() == pytest.approx((2 / (9 * 256)) ** 0.5, rel=0.01)
    assert abs(kernel.mean()) < 1e-3
    assert (kernel != other["layer3.1"]["params"]["conv2"]["kernel"]).all()
    assert (kernel != one["layer3.1"]["params"]["conv1"]["kernel"]).all()
    assert (one["stem"]["params"]["bn1"]["scale"] == 1).all()
    assert (one["stem"]["batch_stats"]["bn1"]["var"] == 1).all()
    # Fresh weights keep the size of what passes through.
    x = jax.random.normal(jax.random.key(2), (4, 32, 32, 3))
    assert 0.3 < jax.jit(net.apply, static_argnums=(2, 3))(one, x, 0, 3)[0].std() < 5


@pytest.mark.parametrize("name", ["mobilenetv2_100", "vit_tiny_patch16_224"])
def test_fresh_variables_are_flaxs_and_no_layer_is_computed_for_them(name):
    net, x = ZOO[name](5), jnp.zeros((1, 32, 32, 3))
    # Which asks Flax for variables alone, and for what leaves a layer apart.
    plain = jax.jit(LayerStack(net.layers, preprocessing=net.preprocessing).init)
    found, expected = (init(jax.random.key(0), x) for init in (net.init, plain))
    kinds = [jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), own) for own in (found, expected)]
    assert kinds[0] == kinds[1]
    for keys, leaf in jax.tree_util.tree_leaves_with_path(expected):
        if keys[-1].key not in DRAWN:
            np.testing.assert_array_equal(leaf, leaves_of(found)[tuple(k.key for k in keys)])
    program = jax.jit(net.init).lower(jax.random.key(0), x).as_text()
    assert "stablehlo.convolution" not in program and "stablehlo.dot" not in program


def test_equal_layers_are_traced_once():
    """Flax is not entered again for a layer that was traced, in whichever network it stands."""
    x = jax.ShapeDtypeStruct((3, 40, 56, 3), jnp.float32)

    def entered(name, mode):
        net, found = ZOO[name](7), []

        def note(run, args, kwargs, context):
            found.extend([context.method_name] if context.method_name == "__call__" else [])
            return run(*args, **kwargs)

        variables = jax.eval_shape(net.init, jax.random.key(0), x)
        with nn.intercept_methods(note):
            jax.eval_shape(lambda v, x: net.apply(v, x, mode=mode)[0], variables, x)
        return len(found)

    assert entered("resnet18", TRAINING)
    assert not entered("resnet18", TRAINING)
    # A deeper network has the same blocks, and more of those that are alike.
    assert not entered("resnet34", TRAINING)
    assert entered("resnet18", Mode(statistics=True))
    with made_for("tpu"):
        assert entered("resnet18", TRAINING)


def test_layers_that_are_traced_once_compute_the_same():
    net = ZOO["resnet18"](7)
    plain = LayerStack(net.layers, preprocessing=net.preprocessing)
    variables = net.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    x = jax.random.normal(jax.random.key(1), (4, 8, 8, 64))

    def step(net):
        def loss(params):
            both = {name: {**variables[name], "params": own} for name, own in params.items()}
            out, changed = net.apply(both, x, 1, 3, mode=TRAINING)
            return jnp.square(out).sum(), changed

        params = {name: variables[name]["params"] for name in ("layer1.0", "layer1.1")}
        return jax.jit(jax.value_and_grad(loss, has_aux=True))(params)

    jax.tree.map(np.testing.assert_array_equal, step(net), step(plain))


@pytest.mark.parametrize(
    ("name", "origin", "pixels", "crop", "how"),
    [
        ("resnet50", "timm", None, 0.95, "bicubic"),
        ("resnet18", "torchvision", None, 0.875, "bilinear"),
        ("vit_base_patch16_224", "timm", GREY, 0.9, "bicubic"),
        ("vit_small_patch16_224", "deit", None, 0.9, "bicubic"),
        ("vit_base_patch16_224", "torchvision", None, 0.875, "bilinear"),
        ("convnext_tiny", "timm", None, 0.95, "bicubic"),
        ("efficientnet_lite0", "timm", None, 0.875, "bicubic"),
        ("efficientnet_lite0", "lukemelas", GREY, 0.875, "bicubic"),
        ("tf_efficientnet_lite0", "timm", GREY, 0.875, "bicubic"),
        ("mobilenetv2_100", "timm", None, 0.875, "bicubic"),
        ("mobilenetv2_100", "hf", GREY, 0.875, "bilinear"),
    ],
)
def test_what_a_network_sees_is_its_trainers(name, origin, pixels, crop, how):
    seen = ZOO[name](5, origin).preprocessing
    imagenet = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert (seen.mean, seen.deviation) == (pixels or imagenet)
    assert (seen.size, seen.crop_fraction, seen.interpolation) == (224, crop, how)
    assert seen.any_size == ("vit" not in name)


@pytest.mark.parametrize("name", ZOO)
def test_images_smaller_than_the_stride_are_refused(name):
    least = 16 if "vit" in name else 32
    said = f"{least - 1}x40 pixels.* stride is {least}; allowed: images of at least {least}x{least}"
    with pytest.raises(ValueError, match=said):
        ZOO[name](5).init(jax.random.key(0), jnp.zeros((1, least - 1, 40, 3)))


@pytest.mark.parametrize("name", ZOO)
def test_an_origin_that_is_none_is_named(name):
    with pytest.raises(ValueError, match=f"origin of {name} is 'tim'; allowed: timm.*: timm"):
        ZOO[name](5, "tim")
