import jax
import jax.numpy as jnp
import numpy as np
import pytest

from transfer_jax.models.caffenet import CaffeNet

# Parameters a layer and shapes a layer, from the authors' prototxt files.
PARAMETERS = (34_944, 307_456, 885_120, 663_936, 442_624, 37_752_832, 16_781_312, 4_097_000)
SHAPES = ((27, 27, 96), (13, 13, 256), (13, 13, 384), (13, 13, 384), (6, 6, 256))


def test_parameters_and_shapes_are_the_papers():
    net = CaffeNet()
    x = jax.ShapeDtypeStruct((1, 227, 227, 3), jnp.float32)
    params = jax.eval_shape(net.init, jax.random.key(0), x)
    sizes = [sum(leaf.size for leaf in jax.tree.leaves(params[n])) for n in net.layer_names]
    assert tuple(sizes) == PARAMETERS
    assert sum(sizes) == 60_965_224
    for layer, expected in enumerate((*SHAPES, (4096,), (4096,), (1000,))):
        x, _ = jax.eval_shape(lambda p, x, n=layer: net.apply(p, x, n, n + 1), params, x)
        assert x.shape[1:] == expected


@pytest.mark.slow
def test_initial_parameters_have_the_papers_deviations_and_biases():
    net = CaffeNet(width=0.25)
    params = net.init(jax.random.key(0), jnp.zeros((1, 67, 67, 3)))
    biases = [float(params[name]["params"]["bias"][0]) for name in net.layer_names]
    assert biases == [0, 1, 0, 1, 1, 1, 1, 0]
    for name in net.layer_names:
        deviation = 0.005 if name in ("fc6", "fc7") else 0.01
        assert np.std(params[name]["params"]["kernel"]) == pytest.approx(deviation, rel=0.05)


def test_a_width_that_leaves_half_a_feature_is_refused():
    with pytest.raises(ValueError, match=r"width 0.01 leaves 0.96 of 96 features"):
        CaffeNet(width=0.01)
