"""Cases at the border: where one number more or less, or the other kind, makes a difference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from safetensors.numpy import save_file

import transfer_jax as tj
from transfer_jax.surgery.diff import SMALL
from transfer_jax.surgery.placement import copied, filled_like, moved, row, stacked, with_row
from transfer_jax.surgery.plain_pickles import Name, PickleError
from transfer_jax.surgery.sharded_files import read_index
from transfer_jax.surgery.still import still
from transfer_jax.surgery.stored_leaves import from_stored
from transfer_jax.surgery.torch_layouts import from_torch
from transfer_jax.surgery.torch_rules import layouts_of
from transfer_jax.surgery.torch_tensors import Storage, storage_of


@pytest.mark.parametrize(
    ("leaf", "gradient", "dtype"),
    [
        ("float32", "bfloat16", "bfloat16"),
        ("float32", "complex64", "float32"),
        ("complex64", "float32", "complex64"),
        ("float32", "int32", "float32"),
        ("int32", "float32", "int32"),
    ],
)
def test_a_still_update_is_of_the_gradients_dtype_where_both_are_of_one_kind(leaf, gradient, dtype):
    assert still(jnp.ones(2, leaf), jnp.ones(2, gradient)).dtype == dtype


@pytest.mark.parametrize("size", [SMALL // 4, SMALL // 4 + 1, 3 * SMALL])
def test_large_arrays_are_compared_to_the_bit_as_small_ones(size):
    array = np.zeros(size, np.float32)
    last, nan = array.copy(), np.full(size, np.nan, np.float32)
    last[-1] = -0.0
    assert not tj.diff({"a": array}, {"a": array.copy()})
    assert not tj.diff({"a": nan}, {"a": nan.copy()})
    assert tj.diff({"a": array}, {"a": last}).moved == {"a": 0.0}
    last[-1] = 3.0
    assert tj.diff({"a": array}, {"a": last}).moved == {"a": 3.0}
    assert tj.diff({"a": last[:, None]}, {"a": array[:, None]}).moved == {"a": 3.0}


@pytest.fixture(params=["no mesh", AxisType.Auto, AxisType.Explicit], ids=str)
def active_mesh(request):
    """Some mesh that is the active one, or none."""
    if request.param == "no mesh":
        yield
        return
    with jax.set_mesh(Mesh(np.array(jax.devices()[:1]), ("y",), axis_types=(request.param,))):
        yield


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_what_is_made_of_an_array_lies_as_it_lay(kind, active_mesh):
    """On a mesh of one device, whose axes have names all the same."""
    mesh = Mesh(np.array(jax.devices()[:1]), ("x",), axis_types=(kind,))
    values = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    home = NamedSharding(mesh, P(None, "x"))
    leaf = jax.device_put(values, home)

    def is_of(array, spec, expected):
        assert array.sharding.mesh == mesh and array.committed
        assert array.sharding.is_equivalent_to(NamedSharding(mesh, spec), array.ndim)
        np.testing.assert_array_equal(array, expected)

    is_of(copied(leaf), P(None, "x"), values)
    assert copied(leaf).unsafe_buffer_pointer() != leaf.unsafe_buffer_pointer()
    is_of(filled_like(leaf, 7), P(None, "x"), np.full((2, 3), 7))
    is_of(stacked([leaf, -values]), P(None, None, "x"), np.stack([values, -values]))
    is_of(row(leaf, 1), P("x"), values[1])
    changed = values.copy()
    changed[1] = [9, 8, 7]
    is_of(with_row(leaf, 1, np.array([9, 8, 7], np.float32)), P(None, "x"), changed)
    is_of(moved(jax.device_put(values, jax.devices()[0]), leaf), P(None, "x"), values)
    assert moved(leaf, leaf) is leaf and moved(values, leaf) is values


def test_of_an_array_that_lies_nowhere_special_nothing_is_pinned():
    leaf = jnp.ones((2, 3))
    for array in (copied(leaf), filled_like(leaf, 0), stacked([leaf]), row(leaf, 0)):
        assert not array.committed
    assert filled_like(leaf, 3, jnp.int8).dtype == jnp.int8
    host = np.zeros((2, 3))
    part = row(host, 1)
    part[0] = 5
    assert host[1, 0] == 0 and copied("text") == "text"


@pytest.mark.parametrize(
    ("weight", "layout"),
    [
        ((4, 1, 3, 3), "conv"),
        ((4, 1, 3, 2), "conv"),
        ((4, 1, 2, 3), "conv"),
        ((4, 1, 2, 2), "doubt"),
        ((4, 2, 2, 2), "conv"),
        ((4, 4, 3, 3), "doubt"),
        ((4, 1, 3), "doubt"),
    ],
)
def test_filters_channel_by_channel_with_an_even_window_may_double_the_size(weight, layout):
    found = layouts_of({("c",): {"weight": weight, "bias": (4,)}}, {})[("c",)]
    assert (found if isinstance(found, str) else "doubt") == layout


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is no index of files: Expecting property name enclosed in double quotes"),
        *(
            (text, "is no index of files; allowed: a weight_map of names of arrays to files")
            for text in ("{}", "[]", '{"weight_map": [1]}', '{"weight_map": {"a": [1]}}')
        ),
    ],
)
def test_what_is_no_index_is_told(text, reason, tmp_path):
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(text)
    with pytest.raises(tj.TreeFileError) as error:
        read_index(path, {".safetensors": lambda path: {}})
    assert str(error.value).startswith(f"{path} {reason}")


def test_what_an_index_names_must_lie_beside_it(tmp_path):
    path = tmp_path / "model.safetensors.index.json"
    path.write_text('{"weight_map": {"a": "../b.safetensors"}}')
    readers = {".safetensors": lambda path: {"a": 1}, ".npz": lambda path: {}}
    with pytest.raises(tj.TreeFileError) as error:
        read_index(path, readers)
    assert str(error.value) == (
        f"{path} names ../b.safetensors; allowed: .safetensors .npz beside it"
    )
    (tmp_path / "x.safetensors").touch()
    path.write_text('{"weight_map": {"a": "x.safetensors", "b": "x.safetensors"}}')
    with pytest.raises(tj.TreeFileError) as error:
        read_index(path, readers)
    assert str(error.value) == f"{path}: b lies in x.safetensors for the index, not for the files"
    path.write_text('{"weight_map": {"a": "x.safetensors"}}')
    assert read_index(path, readers) == {"a": 1}
    path.write_text('{"weight_map": {}}')
    assert read_index(path, readers) == {}


def first(path, leaf):
    return path == "a/z"


@pytest.mark.parametrize(
    ("where", "told"),
    [
        (first, "first selects 0 leaves, expected at least one leaf; nearest paths: a/b, c; "),
        ("a/bb", "'a/bb' selects 0 leaves, expected at least one leaf; nearest paths: a/b; "),
        ([], "an empty list selects 0 leaves, expected at least one leaf; nearest paths: a/b, c; "),
        (["q", "c*c"], "'q', 'c*c' selects 0 leaves, expected at least one leaf; nearest paths: "),
    ],
)
def test_what_selects_nothing_is_named_with_what_is_near(where, told):
    with pytest.raises(tj.SelectionError) as error:
        tj.select({"a": {"b": 1.0}, "c": 2.0}, where)
    assert str(error.value).startswith(told)
    assert str(error.value).endswith("; the tree has 2 leaves")


def test_another_number_than_expected_is_told():
    with pytest.raises(tj.SelectionError, match=r"^'\*\*' selects 2 leaves, expected 3 leaves; "):
        tj.select({"a": {"b": 1.0}, "c": 2.0}, "**", expect=3)


def test_what_stays_in_pytorchs_layout_is_told_with_its_file(tmp_path):
    path = tmp_path / "net.safetensors"
    save_file({f"m{i}.weight": np.zeros((3, 3), np.float32) for i in range(9)}, path)
    with pytest.warns(UserWarning) as told:
        tj.load_tree(path, torch=True)
    text = str(told[0].message)
    assert text.startswith(
        f"{path}: left in PyTorch's layout, because name and shape leave it open: m0.weight ("
    )
    assert " and 1 more; say what it is, as in layouts={'m0': " in text and "m8" not in text


@pytest.mark.parametrize(
    ("outputs", "sure"),
    [(8, True), (32, False), (72, False), (16, True), (36, True)],
    ids=["8 maps of 1x1", "8 of 2x2", "8 of 3x3", "8 of 2", "no 8"],
)
def test_outputs_that_make_square_maps_may_be_a_decoders(outputs, sure):
    shapes = {
        ("lin",): {"weight": (outputs, 5), "bias": (outputs,)},
        ("up",): {"weight": (8, 3, 2, 2), "bias": (3,)},
    }
    found = layouts_of(shapes, {("up",): "conv_transpose"})[("lin",)]
    assert (found == "linear") == sure


@pytest.mark.parametrize("word", ["key<threefry2x32", "threefry2x32>", "key<threefry2x32>x"])
def test_a_word_for_keys_has_both_brackets(word):
    data = np.zeros((2,), np.uint32)
    assert from_stored(data, "key<threefry2x32>").shape == ()
    with pytest.raises(tj.TreeFileError, match=r"^it is no .*, but uint32"):
        from_stored(data, word)


@pytest.mark.parametrize(
    "identity",
    [
        ["storage", Name("torch.FloatStorage"), "0", "cpu", 4],
        ("storage", Name("torch.FloatStorage"), "0", "cpu"),
        ("storage", Name("torch.FloatStorage"), "0", "cpu", 4, None, 7),
        ("storage", Name("torch.FloatStorage"), "0", "cpu", -1),
        ("storage", Name("torch.FloatStorage"), "0", "cpu", 4, ("0", -1, 2)),
        ("module", Name("torch.FloatStorage"), "0", "cpu", 4),
    ],
)
def test_what_is_no_storage_makes_no_sense(identity):
    with pytest.raises(PickleError, match=r"^a storage makes no sense$"):
        storage_of(identity)


def test_a_storage_may_be_empty_or_a_part_of_another():
    kind = Name("torch.DoubleStorage")
    assert storage_of(("storage", kind, "7", "cpu", 0)) == Storage("7", 0, 0, "float64")
    part = ("storage", kind, "7", "cpu", 9, ("8", 3, 2))
    assert storage_of(part) == Storage("7", 3, 2, "float64")


@pytest.mark.parametrize(("inputs", "sure"), [(12, False), (8, True), (10, True), (9, True)])
def test_inputs_that_are_a_multiple_of_a_convolutions_outputs_may_be_a_flattened_map(inputs, sure):
    """Unless some layer has as many outputs: here an embedding, of 8; its 12 words are none."""
    shapes = {
        ("embedding",): {"weight": (12, 8)},
        ("conv",): {"weight": (4, 3, 3, 3), "bias": (4,)},
        ("lin",): {"weight": (7, inputs), "bias": (7,)},
    }
    assert (layouts_of(shapes, {})[("lin",)] == "linear") == sure


def test_only_names_of_arrays_are_split_at_their_dots():
    array = np.ones(2, np.float32)
    tree = {"net.v1": {"conv.bias": array, "list.x": [{"a.b": 1}]}, 3: {"step": 4}}
    assert from_torch(tree, {})[0] == {
        "net.v1": {"conv": {"bias": array}, "list.x": [{"a": {"b": 1}}]},
        3: {"step": 4},
    }
