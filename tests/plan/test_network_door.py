"""`transfer_jax.network`: a network by its name, fresh or from a file."""

import jax
import numpy as np
import pytest

import transfer_jax as tj
from tests.models.weights import transformers_shapes
from tests.models.weights.drawn import drawn, images
from tests.running.named import NAME, as_pytorch_names_them, weights
from transfer_jax.plan.network_fields import make_network, network_kind
from transfer_jax.surgery.safetensors_files import write_safetensors


@pytest.fixture
def file(tmp_path):
    write_safetensors(tmp_path / "net.safetensors", as_pytorch_names_them(), {})
    return tmp_path / "net.safetensors"


def test_without_a_number_of_outputs_the_files_head_is_kept(file):
    network, variables = tj.network(NAME, file)
    assert network.layer_names == ("stem", "blocks.0", "blocks.1", "head")
    jax.tree.map(np.testing.assert_array_equal, variables, weights())
    assert network.logits(variables, np.zeros((2, 28, 28, 1), np.float32)).shape == (2, 7)


def test_with_one_the_head_is_new_and_zero_and_all_else_the_files(file):
    network, variables = tj.network(NAME, file, num_outputs=3)
    assert not np.any(network.logits(variables, np.ones((2, 28, 28, 1), np.float32)))
    assert variables["head"]["params"]["head.fc"]["kernel"].shape == (8, 3)
    body = {name: own for name, own in weights().items() if name != "head"}
    jax.tree.map(np.testing.assert_array_equal, {n: variables[n] for n in body}, body)


def test_without_a_file_it_is_fresh():
    network, variables = tj.network(NAME)
    assert network.logits(variables, np.zeros((1, 28, 28, 1), np.float32)).shape == (1, 1000)


def test_logits_are_those_of_inference(file):
    """Statistics are the file's, whatever the batch."""
    network, variables = tj.network(NAME, file)
    batch = np.random.default_rng(0).standard_normal((4, 28, 28, 1)).astype(np.float32)
    one, all_of_them = (np.asarray(network.logits(variables, x)) for x in (batch[:1], batch))
    np.testing.assert_allclose(one[0], all_of_them[0], atol=1e-6)


def test_who_trained_the_weights_decides_what_the_network_sees(tmp_path):
    write_safetensors(tmp_path / "a.safetensors", drawn(transformers_shapes.mobilenetv2_100(3)), {})
    theirs, _ = tj.network("mobilenetv2_100", tmp_path / "a.safetensors", num_outputs=2)
    assert theirs.preprocessing.mean == (0.5, 0.5, 0.5)
    ours, _ = tj.network("mobilenetv2_100", num_outputs=2)
    assert ours.preprocessing.mean == (0.485, 0.456, 0.406)
    # Who says in a config that they are another's is told; so is a name that is nobody's.
    for origin in ("torchvision", "torchvison"):
        fields = network_kind("mobilenetv2_100")(
            weights=str(tmp_path / "a.safetensors"), origin=origin
        )
        with pytest.raises(ValueError, match=f"^origin is '{origin}', but .* names of 'hf'"):
            make_network(fields, 2)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (np.zeros((1, 1, 28, 28), np.float32), "the images have the shape 1x1x28x28; allowed: b"),
        (np.zeros((28, 28, 1), np.float32), "the images have the shape 28x28x1; allowed: batch"),
        (np.zeros((1, 28, 28, 1), np.uint8), "the images are uint8; allowed: floats, normalised"),
    ],
)
def test_images_that_are_none_are_told(images, said, file):
    network, variables = tj.network(NAME, file)
    with pytest.raises(ValueError, match=said):
        network.logits(variables, images)


def test_images_smaller_than_the_stride_are_told():
    network, variables = tj.network("resnet18", num_outputs=2)
    with pytest.raises(ValueError, match="allowed: images of at least 32x32"):
        network.logits(variables, images(16))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": "resnet81"}, r"nearest: resnet18"),
        ({"name": "resnet18", "weights": "none.safetensors"}, r"none\.safetensors does not exist"),
        ({"name": "resnet18", "num_outputs": 0}, r"num_outputs is 0; allowed: whole numbers from"),
        ({"name": "resnet18", "num_outputs": "5"}, r"num_outputs is '5'; allowed: whole numbers"),
        ({"name": "resnet18", "num_outputs": True}, r"num_outputs is True; allowed: whole"),
        ({"name": "resnet18", "num_outputs": 2.0}, r"num_outputs is 2.0; allowed: whole"),
        ({"name": None}, r"name is None; allowed: text, such as 'resnet18'"),
        ({"name": "resnet18", "weights": "none"}, r"none does not exist"),
        ({"name": "convnet"}, r"convnet does not say what it wants to see; give image_shape"),
    ],
)
def test_what_is_asked_wrongly_is_told_in_a_line(arguments, said):
    with pytest.raises(ValueError, match=said) as caught:
        tj.network(**arguments)
    assert "\n" not in str(caught.value)


def test_a_network_that_does_not_say_what_it_sees_is_told_it():
    network, variables = tj.network("convnet", num_outputs=4, image_shape=(28, 28, 1))
    assert network.logits(variables, np.zeros((2, 28, 28, 1), np.float32)).shape == (2, 4)
