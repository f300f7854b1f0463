"""Weights of timm and torchvision: read, run and written back; needs the extra `bench`."""

import numpy as np
import pytest

import transfer_jax as tj
from tests.models.weights.drawn import drawn, images
from transfer_jax.models.weights.nearest_network import zoo_head, zoo_shapes
from transfer_jax.models.weights.reading import read_styled
from transfer_jax.models.weights.recognition import recognised
from transfer_jax.models.weights.writing import write_weights
from transfer_jax.models.zoo import ZOO

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
models = pytest.importorskip("torchvision.models")
load_file = pytest.importorskip("safetensors.torch").load_file

# What torchvision calls networks, to what timm does, and its style of names.
OF_TORCHVISION = {
    "resnet18": ("resnet18", "timm"),
    "resnet34": ("resnet34", "timm"),
    "resnet50": ("resnet50", "timm"),
    "vit_b_16": ("vit_base_patch16_224", "torchvision"),
    "convnext_tiny": ("convnext_tiny", "torchvision"),
    "mobilenet_v2": ("mobilenetv2_100", "torchvision"),
}
SMALL = {"resnet18", "efficientnet_lite0", "tf_efficientnet_lite0", "mobilenetv2_100"}


def with_drawn(model):
    """Weights and statistics that names decide; the count of batches is another than it was."""
    state = model.state_dict()
    leaves = {n: tuple(leaf.shape) for n, leaf in state.items() if leaf.is_floating_point()}
    state |= {n: torch.tensor(leaf) for n, leaf in drawn(leaves).items()}
    model.load_state_dict(state, strict=True)
    return model.eval()


def read_and_write(model, name, folder):
    """A network read from a model's file; what is written of it, as PyTorch loads it."""
    torch.save(model.state_dict(), folder / "net.pth")
    variables, style = read_styled(folder / "net.pth", name, zoo_shapes(name), head=zoo_head(name))
    write_weights(variables, name, style, folder / "out.safetensors")
    back = load_file(folder / "out.safetensors")
    model.load_state_dict(back, strict=True)
    return style, back


def assert_same_logits(model, name, folder, size):
    network, variables = tj.network(name, folder / "out.safetensors")
    found = np.asarray(network.logits(variables, images(size)))
    with torch.no_grad():
        expected = model(torch.tensor(images(size)).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("name", ZOO)
def test_a_file_of_timm_is_recognised(name, tmp_path):
    """But for the two whose paddings differ, which are nowhere in a file."""
    torch.save(timm.create_model(name, num_classes=11).state_dict(), tmp_path / "net.pth")
    found = recognised(tmp_path / "net.pth")
    assert name in found
    assert len(found) == 1 + ("efficientnet" in name)


@pytest.mark.parametrize("theirs", OF_TORCHVISION)
def test_a_file_of_torchvision_is_recognised(theirs, tmp_path):
    torch.save(getattr(models, theirs)().state_dict(), tmp_path / "net.pth")
    assert recognised(tmp_path / "net.pth") == [OF_TORCHVISION[theirs][0]]


@pytest.mark.parametrize("name", ZOO)
def test_a_file_of_timm_is_read_and_written_to_the_bit_and_loads_strictly(name, tmp_path):
    model = with_drawn(timm.create_model(name, num_classes=11))
    before = {n: leaf.clone() for n, leaf in model.state_dict().items()}
    style, back = read_and_write(model, name, tmp_path)
    assert style.name == "timm"
    assert all(torch.equal(back[n], leaf) for n, leaf in before.items())
    if name in SMALL:
        assert_same_logits(model, name, tmp_path, 64)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "convnext_tiny"])
def test_the_logits_are_those_of_timm(name, tmp_path):
    model = with_drawn(timm.create_model(name, num_classes=11))
    read_and_write(model, name, tmp_path)
    assert_same_logits(model, name, tmp_path, 224 if name.startswith("vit") else 64)


@pytest.mark.parametrize("theirs", OF_TORCHVISION)
def test_a_file_of_torchvision_too(theirs, tmp_path):
    name, style = OF_TORCHVISION[theirs]
    model = with_drawn(getattr(models, theirs)(num_classes=11))
    before = {n: leaf.clone() for n, leaf in model.state_dict().items()}
    found, back = read_and_write(model, name, tmp_path)
    assert found.name == style
    assert all(torch.equal(back[n], leaf) for n, leaf in before.items())
    if theirs in ("convnext_tiny", "mobilenet_v2", "vit_b_16"):
        assert_same_logits(model, name, tmp_path, 224 if theirs == "vit_b_16" else 64)


def test_the_older_names_of_torchvisions_transformers(tmp_path):
    """Files that are offered to this day have them, and torchvision itself takes them."""
    model, name = with_drawn(models.vit_b_16(num_classes=11)), "vit_base_patch16_224"
    older = {
        n.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."): leaf.clone()
        for n, leaf in model.state_dict().items()
    }
    torch.save(older, tmp_path / "net.pth")
    variables, style = read_styled(
        tmp_path / "net.pth", name, zoo_shapes(name), head=zoo_head(name)
    )
    write_weights(variables, name, style, tmp_path / "out.safetensors")
    back = load_file(tmp_path / "out.safetensors")
    assert set(back) == set(older)
    assert all(torch.equal(back[n], leaf) for n, leaf in older.items())
    model.load_state_dict(back, strict=True)
