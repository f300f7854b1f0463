"""Weights are read by name, whatever wraps them; what does not fit is told at once, in a line."""

import json
import pickle

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import transfer_jax as tj
from tests.models.weights import transformers_shapes
from tests.models.weights.drawn import drawn
from tests.running.named import as_pytorch_names_them, network, weights
from transfer_jax.models.linen_layers import from_linen
from transfer_jax.models.weights import weight_files
from transfer_jax.models.weights.detection import head_keys
from transfer_jax.models.weights.nearest_network import zoo_head, zoo_shapes
from transfer_jax.models.weights.reading import read_styled, read_weights
from transfer_jax.models.weights.weight_files import WeightsError, read_arrays
from transfer_jax.models.weights.writing import write_weights
from transfer_jax.surgery.safetensors_files import read_safetensors, write_safetensors

TOY = "toy"
HEAD = [("head", "params", "head.fc", leaf) for leaf in ("kernel", "bias")]


def like(outputs=7):
    made = network(outputs)
    return jax.eval_shape(lambda: made.init(jax.random.key(0), jnp.zeros((1, 28, 28, 1))))


def file_of(arrays, folder, name="net.safetensors"):
    write_safetensors(folder / name, arrays, {"format": "pt"})
    return folder / name


def error_of(arrays, folder, **asked):
    with pytest.raises(WeightsError) as caught:
        read_weights(file_of(arrays, folder), TOY, like(), head=HEAD, **asked)
    said = str(caught.value)
    assert "\n" not in said and str(folder / "net.safetensors") in said and TOY in said
    return said


def without_wrapper(arrays=None):
    held = as_pytorch_names_them() if arrays is None else arrays
    return {name.removeprefix("module."): leaf for name, leaf in held.items()}


@pytest.mark.parametrize("wrapper", ["", "module.", "model.module.", "_orig_mod."])
def test_leaves_are_found_by_name_whatever_wraps_them_and_written_with_it(wrapper, tmp_path):
    arrays = {f"{wrapper}{name}": leaf for name, leaf in without_wrapper().items()}
    found, style = read_styled(file_of(arrays, tmp_path), TOY, like(), head=HEAD)
    jax.tree.map(np.testing.assert_array_equal, found, weights())
    write_weights(found, TOY, style, tmp_path / "out.safetensors")
    back = read_safetensors(tmp_path / "out.safetensors")
    assert set(back) == set(arrays)
    for name, leaf in arrays.items():
        # The number of batches is not kept.
        counts = name.endswith("num_batches_tracked")
        assert back[name] == 0 if counts else np.array_equal(back[name], leaf)


def test_what_save_tree_wrote_is_read_as_it_is(tmp_path):
    tj.save_tree(tmp_path / "net.safetensors", weights())
    found, style = read_styled(tmp_path / "net.safetensors", TOY, like(), head=HEAD)
    jax.tree.map(np.testing.assert_array_equal, found, weights())
    write_weights(found, TOY, style, tmp_path / "out.safetensors")
    jax.tree.map(
        np.testing.assert_array_equal, tj.load_tree(tmp_path / "out.safetensors"), weights()
    )


def test_shards_are_read_by_their_index_and_by_their_folder(tmp_path):
    arrays = without_wrapper()
    names = sorted(arrays)
    shards = {f"model-0000{i + 1}-of-00002.safetensors": names[i::2] for i in range(2)}
    for file, own in shards.items():
        file_of({name: arrays[name] for name in own}, tmp_path, file)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {n: f for f, own in shards.items() for n in own}}))
    for path in (index, tmp_path):
        found = read_weights(path, TOY, like(), head=HEAD)
        jax.tree.map(np.testing.assert_array_equal, found, weights())
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    for path in (index, tmp_path):
        with pytest.raises(WeightsError, match=rf"weights of {TOY}: .*model-0000"):
            read_weights(path, TOY, like(), head=HEAD)


def test_half_precision_becomes_the_networks_own(tmp_path):
    arrays = {
        name: leaf.astype(np.float16) if leaf.dtype == np.float32 else leaf
        for name, leaf in without_wrapper().items()
    }
    found = read_weights(file_of(arrays, tmp_path), TOY, like(), head=HEAD)
    for own, leaf in zip(jax.tree.leaves(found), jax.tree.leaves(weights()), strict=True):
        assert own.dtype == np.float32 and np.array_equal(own, leaf.astype(np.float16))


def test_the_files_head_has_its_own_number_of_classes_or_is_left(tmp_path):
    file = file_of(as_pytorch_names_them(outputs=5), tmp_path)
    head = read_weights(file, TOY, like(), head=HEAD)["head"]["params"]["head.fc"]
    assert head["kernel"].shape == (8, 5) and head["bias"].shape == (5,)
    found = read_weights(file, TOY, like(), head=HEAD, own_head=False)["head"]["params"]
    assert found["head.fc"]["kernel"].shape == (8, 7) and not found["head.fc"]["kernel"].any()
    # The rest of the last layer is the file's.
    np.testing.assert_array_equal(
        found["head.norm"]["scale"], weights(5)["head"]["params"]["head.norm"]["scale"]
    )


def test_a_file_without_a_head_serves_a_new_one_only(tmp_path):
    arrays = {n: leaf for n, leaf in without_wrapper().items() if not n.startswith("head.fc")}
    said = error_of(arrays, tmp_path)
    assert said.endswith("; it has no head: give the number of outputs of a new one")
    assert "missing: head.fc." in said
    read_weights(file_of(arrays, tmp_path), TOY, like(), head=HEAD, own_head=False)


def test_all_that_does_not_fit_is_told_at_once(tmp_path):
    arrays = without_wrapper()
    del arrays["conv.weight"], arrays["blocks.0.norm.running_var"]
    arrays |= {"blocks.7.conv.weight": np.ones(3, np.float32), "odd\nname": np.ones(1, np.float32)}
    arrays["blocks.1.conv.weight"] = np.ones((8, 4, 3, 3), np.float32)
    said = error_of(arrays, tmp_path)
    assert "missing: " in said and "conv.weight" in said and "blocks.0.norm.running_var" in said
    assert "left over: " in said and "blocks.7.conv.weight" in said and "oddname" in said
    assert "misshapen: blocks.1.conv.weight is 8x4x3x3, not 8x8x3x3" in said


def test_many_names_are_counted(tmp_path):
    more = {f"extra.{i}": np.ones(1, np.float32) for i in range(40)}
    assert "and 37 more" in error_of(without_wrapper() | more, tmp_path)


@pytest.mark.parametrize(
    ("leaf", "said"),
    [
        (np.full((6, 1, 3, 3), np.nan, np.float32), "not finite: conv.weight"),
        (np.full((6, 1, 3, 3), np.inf, np.float32), "not finite: conv.weight"),
        (np.full((6, 1, 3, 3), 1e300), "not finite: conv.weight"),
        (np.ones((6, 1, 3, 3), np.int32), "conv.weight holds int32, no weights"),
    ],
)
def test_what_is_no_weight_is_none(leaf, said, tmp_path):
    assert said in error_of(without_wrapper() | {"conv.weight": leaf}, tmp_path)


def test_another_network_is_named(tmp_path):
    arrays = drawn(transformers_shapes.mobilenetv2_100(3))
    with pytest.raises(WeightsError, match=r"nearest: mobilenetv2_100$"):
        read_weights(
            file_of(arrays, tmp_path), "resnet18", zoo_shapes("resnet18"), head=zoo_head("resnet18")
        )


def test_another_depth_is_named(tmp_path):
    shapes = zoo_shapes("resnet34")
    variables = jax.tree.map(lambda leaf: np.ones(leaf.shape, leaf.dtype), shapes)
    write_weights(variables, "resnet34", "timm", tmp_path / "net.safetensors")
    for wrong in ("resnet18", "resnet50"):
        with pytest.raises(WeightsError, match=r"nearest: resnet34$"):
            read_weights(
                tmp_path / "net.safetensors", wrong, zoo_shapes(wrong), head=zoo_head(wrong)
            )


def test_another_width_is_told(tmp_path):
    shapes = transformers_shapes.resnet18(3)
    wide = {n: tuple(2 * k if k in (64, 128) else k for k in s) for n, s in shapes.items()}
    with pytest.raises(WeightsError, match=r"the names are those of resnet18, the sizes are not$"):
        read_weights(
            file_of(drawn(wide), tmp_path),
            "resnet18",
            zoo_shapes("resnet18"),
            head=zoo_head("resnet18"),
        )


def truncated(folder):
    file = file_of(without_wrapper(), folder)
    file.write_bytes(file.read_bytes()[:-9])


def hostile(folder):
    class Bomb:
        def __reduce__(self):
            return (folder.joinpath("ran").touch, ())

    (folder / "net.pth").write_bytes(pickle.dumps(Bomb()))


def text(folder):
    (folder / "net.bin").write_text("no weights")


def empty(folder):
    (folder / "net.pt").write_bytes(b"")


def another_ending(folder):
    (folder / "net.onnx").write_bytes(b"1")


def no_arrays(folder):
    file_of({}, folder)


@pytest.mark.parametrize("make", [truncated, hostile, text, empty, another_ending, no_arrays])
def test_a_file_that_is_none_is_told_in_a_line(make, tmp_path):
    make(tmp_path)
    (file,) = tmp_path.iterdir()
    with pytest.raises(WeightsError) as caught:
        read_weights(file, TOY, like(), head=HEAD)
    said = str(caught.value)
    assert said.startswith(f"weights of {TOY}: {file} ") and "\n" not in said
    assert not (tmp_path / "ran").exists()


def test_nothing_there_and_an_empty_folder(tmp_path):
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(WeightsError, match=rf"weights of {TOY}: "):
            read_weights(path, TOY, like(), head=HEAD)


class Perceptron(nn.Module):
    """Two dense layers, of which the second gives the logits."""

    outputs: int

    @nn.compact
    def __call__(self, x):
        return nn.Dense(self.outputs)(nn.relu(nn.Dense(4)(x)))


def perceptron(outputs):
    made = from_linen([("low", nn.Dense(5)), ("head", Perceptron(outputs))])
    return made.init(jax.random.key(outputs), jnp.zeros((1, 3)))


@pytest.mark.parametrize("classes", [2, 6])
def test_a_head_of_several_dense_layers_gets_new_logits_whatever_the_files_classes(
    classes, tmp_path
):
    held, like = perceptron(classes), perceptron(2)
    tj.save_tree(tmp_path / "net.safetensors", held)
    head = head_keys(like, perceptron(3), "head")
    found = read_weights(tmp_path / "net.safetensors", "mine", like, own_head=False, head=head)
    logits, hidden = (found["head"]["params"][name] for name in ("Dense_0", "Dense_1"))
    assert logits["kernel"].shape == (4, 2) and not logits["kernel"].any()
    np.testing.assert_array_equal(hidden["kernel"], held["head"]["params"]["Dense_1"]["kernel"])
    own = read_weights(tmp_path / "net.safetensors", "mine", like, head=head)
    np.testing.assert_array_equal(
        own["head"]["params"]["Dense_0"]["kernel"], held["head"]["params"]["Dense_0"]["kernel"]
    )


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        (lambda n: [("fc", nn.Dense(n)), ("a_half", lambda x: x / 2)],
         "layer fc is made for a number of classes, but a_half is the last layer"),
        (lambda n: [("low", nn.Dense(5)), ("cut", lambda x: x[:, :n])],
         "nothing in the last layer, cut, is made for a number of classes"),
    ],
)  # fmt: skip
def test_a_network_that_no_new_head_can_be_put_on_is_told(layers, said):
    key, x, made = jax.random.key(0), jnp.zeros((1, 3)), [from_linen(layers(n)) for n in (2, 3)]
    # Shapes that JAX gives are in the order of the names.
    of = [jax.eval_shape(network.init, key, x) for network in made]
    with pytest.raises(ValueError, match=f"^{said}; allowed: [^\\n]*$"):
        head_keys(*of, made[0].layer_names[-1])


@pytest.mark.parametrize(
    ("wrapper", "others"),
    [
        ("model.", {"criterion.weight": (7,)}),
        ("module.", {"n_averaged": ()}),
        ("model.module.", {"criterion.weight": (7,), "train_accuracy.count": (3,)}),
    ],
    ids=["trainer", "average", "parallel in trainer"],
)
def test_a_network_beside_what_is_none_is_read_and_written_by_its_names(wrapper, others, tmp_path):
    own = {f"{wrapper}{name}": leaf for name, leaf in without_wrapper().items()}
    beside = {name: np.ones(shape, np.float32) for name, shape in others.items()}
    found, style = read_styled(file_of(own | beside, tmp_path), TOY, like(), head=HEAD)
    jax.tree.map(np.testing.assert_array_equal, found, weights())
    write_weights(found, TOY, style, tmp_path / "out.safetensors")
    assert set(read_safetensors(tmp_path / "out.safetensors")) == set(own)
    # What is beside the network is left; what is missing, or too much, in it is not.
    own.pop(f"{wrapper}conv.weight")
    own[f"{wrapper}more.weight"] = np.ones(1, np.float32)
    said = error_of(own | beside, tmp_path)
    assert f"missing: {wrapper}conv.weight; left over: {wrapper}more.weight" in said
    assert "criterion" not in said


def test_of_two_networks_in_one_file_none_is_taken(tmp_path):
    arrays = without_wrapper()
    both = {
        f"{part}.{name}": leaf for part in ("student", "teacher") for name, leaf in arrays.items()
    }
    with pytest.raises(
        WeightsError, match=r"holds several networks: student\.\*, teacher\.\*; save"
    ):
        read_weights(file_of(both, tmp_path), TOY, like(), head=HEAD)
    extra = arrays | {f"ema.{name}": leaf for name, leaf in arrays.items()}
    assert "left over: ema." in error_of(extra, tmp_path)


def test_a_trainers_checkpoint_may_hold_tensors_beside_the_network(monkeypatch):
    """As that of PyTorch's example for ImageNet, whose best accuracy is one."""
    own, best = without_wrapper(), np.array(70.0)
    for name, wrapper in (("state_dict", "module."), ("state_dict", ""), ("model", "")):
        arrays = {f"{wrapper}{key}": leaf for key, leaf in own.items()}
        checkpoint = {
            "epoch": 9, name: arrays, "best_acc1": best, "scaler": {"scale": best},
            "optimizer": {"state": {0: {"exp_avg": best}}, "param_groups": [{"lr": 0.1}]},
        }  # fmt: skip
        monkeypatch.setattr(weight_files, "load_tree", lambda _, held=checkpoint: held)
        found = read_arrays("checkpoint.pth", TOY)
        assert set(found) == {key for key in arrays if "num_batches" not in key}


@pytest.mark.parametrize("other", ["ema_model", "model_avg", "best", "state_dict_ema"])
def test_a_second_network_is_noticed_whatever_it_is_called(other, monkeypatch):
    own = without_wrapper()
    wrapped = {f"module.{key}": leaf + 1 for key, leaf in own.items()}
    checkpoint = {"model": own, other: wrapped, "epoch": 3}
    monkeypatch.setattr(weight_files, "load_tree", lambda _: checkpoint)
    with pytest.raises(WeightsError, match=f"holds several networks: model, {other}; save the one"):
        read_arrays("checkpoint.pth", TOY)
