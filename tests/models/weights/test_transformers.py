"""Weights in the names of the library transformers, which is not needed for it."""

import jax
import numpy as np
import pytest

import transfer_jax as tj
from tests.models.weights import transformers_shapes
from tests.models.weights.drawn import drawn, images
from transfer_jax.models.weights.nearest_network import zoo_head, zoo_shapes
from transfer_jax.models.weights.reading import read_styled
from transfer_jax.models.weights.writing import write_weights
from transfer_jax.surgery.safetensors_files import read_safetensors, write_safetensors

# What transformers 5.24 gives for the images of `drawn`, with the weights of `drawn`.
LOGITS = {
    "resnet18": (64, [[0.05320949, 1.362717, 0.4449466], [0.1203609, 1.277427, 0.4749344]]),
    "vit_tiny_patch16_224": (
        224,
        [[-0.2517221, 0.09018955, 0.05793719], [-0.1845855, -0.3136122, 0.1133035]],
    ),
    "convnext_tiny": (64, [[0.7688416, 0.7706517, -0.6458459], [-1.688992, 1.322168, -0.4841913]]),
    "mobilenetv2_100": (
        64,
        [[0.0539619, 0.3499855, 0.3764901], [0.05466132, 0.3504096, 0.3761689]],
    ),
}


def write(path, arrays):
    write_safetensors(path, arrays, {"format": "pt"})
    return path


@pytest.mark.slow_but_first
@pytest.mark.parametrize("name", LOGITS)
def test_the_logits_are_those_of_transformers(name, tmp_path):
    arrays = drawn(getattr(transformers_shapes, name)(3))
    file = write(tmp_path / "model.safetensors", arrays)
    size, expected = LOGITS[name]
    network, variables = tj.network(name, file)
    found = np.asarray(network.logits(variables, images(size)))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("name", LOGITS)
def test_what_is_read_is_written_to_the_bit_under_its_names(name, tmp_path):
    arrays = drawn(getattr(transformers_shapes, name)(3))
    file = write(tmp_path / "model.safetensors", arrays)
    variables, style = read_styled(file, name, zoo_shapes(name), head=zoo_head(name))
    assert (style.name, style.origin) == ("transformers", "hf")
    write_weights(variables, name, style, tmp_path / "out.safetensors")
    back = read_safetensors(tmp_path / "out.safetensors")
    counters = {n: back.pop(n) for n in list(back) if n.endswith("num_batches_tracked")}
    assert list(map(str, sorted(back))) == sorted(arrays)
    assert all(np.array_equal(back[n], arrays[n]) for n in arrays)
    # One a normalisation that has statistics, as PyTorch has them.
    assert len(counters) == sum(n.endswith("running_mean") for n in arrays)
    assert all(c.shape == () and c.dtype == np.int64 and c == 0 for c in counters.values())


@pytest.mark.parametrize("name", LOGITS)
def test_a_body_alone_gets_a_head_of_zeros_and_is_written_with_it(name, tmp_path):
    shapes = getattr(transformers_shapes, name)(3)
    whole = drawn(shapes)
    body = {
        n.partition(".")[2]: array for n, array in whole.items() if not n.startswith("classifier")
    }
    if name.startswith("vit"):  # The library's body has a head of its own kind.
        body["pooler.dense.weight"] = np.zeros((192, 192), np.float32)
    file = write(tmp_path / "model.safetensors", body)
    with pytest.raises(ValueError, match=r"missing: classifier\.\S*bias, classifier\.\S*weight"):
        read_styled(file, name, zoo_shapes(name), head=zoo_head(name))
    variables, style = read_styled(
        file, name, zoo_shapes(name), own_head=False, head=zoo_head(name)
    )
    write_weights(variables, name, style, tmp_path / "out.safetensors")
    back = read_safetensors(tmp_path / "out.safetensors")
    assert {n for n in back if not n.endswith("num_batches_tracked")} == set(whole)
    for n, array in whole.items():
        zero = n.startswith("classifier")
        assert not back[n].any() if zero else np.array_equal(back[n], array)


def test_queries_keys_and_values_are_one_leaf_in_this_order(tmp_path):
    arrays = drawn(transformers_shapes.vit_tiny_patch16_224(3))
    file = write(tmp_path / "model.safetensors", arrays)
    variables, _ = read_styled(
        file,
        "vit_tiny_patch16_224",
        zoo_shapes("vit_tiny_patch16_224"),
        head=zoo_head("vit_tiny_patch16_224"),
    )
    kernel = variables["blocks.3"]["params"]["attn.qkv"]["kernel"]
    front = "vit.encoder.layer.3.attention.attention"
    for i, part in enumerate(("query", "key", "value")):
        own = kernel[:, 192 * i : 192 * (i + 1)]
        assert np.array_equal(own, arrays[f"{front}.{part}.weight"].T)


def test_the_names_of_its_fifth_version_in_memory_are_read_too(tmp_path):
    old = drawn(transformers_shapes.vit_tiny_patch16_224(3))
    new = {
        "attention.attention.query": "attention.q_proj",
        "attention.attention.key": "attention.k_proj",
        "attention.attention.value": "attention.v_proj",
        "attention.output.dense": "attention.o_proj",
        "intermediate.dense": "mlp.fc1",
        "output.dense": "mlp.fc2",
        "encoder.layer": "layers",
    }

    def renamed(name):
        for before, after in new.items():
            name = name.replace(f".{before}.", f".{after}.")
        return name

    files = [
        write(tmp_path / "old.safetensors", old),
        write(tmp_path / "new.safetensors", {renamed(n): array for n, array in old.items()}),
    ]
    name = "vit_tiny_patch16_224"
    like, head = zoo_shapes(name), zoo_head(name)
    first, second = (read_styled(file, name, like, head=head) for file in files)
    assert second.style.name == "transformers 5 in memory"
    jax.tree.map(np.testing.assert_array_equal, first.variables, second.variables)
