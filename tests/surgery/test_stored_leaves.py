"""Every kind of leaf that a file can hold comes back to the bit; the others are refused by path."""

import json
import struct

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from flax import nnx

import transfer_jax as tj
from transfer_jax.surgery.stored_leaves import CARRIERS, DTYPES

OURS = sorted({*DTYPES.values(), *CARRIERS})


def bits(array: np.ndarray) -> bytes:
    return np.ascontiguousarray(array).tobytes()


def test_every_kind_of_number_of_numpy_and_ml_dtypes_is_known():
    plain = {np.dtype(char).name for char in "?bBhHiIqQefdFD"}
    theirs = {
        name
        for name in dir(ml_dtypes)
        if isinstance(getattr(ml_dtypes, name), type) and name not in ("finfo", "iinfo")
    }
    assert plain | theirs == set(OURS)


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("shape", [(2, 3), (), (0, 2)])
def test_every_kind_of_number_goes_there_and_back(tmp_path, name, shape):
    size = np.dtype(name).itemsize
    raw = np.random.default_rng(0).integers(0, 2, (*shape, size), dtype=np.uint8)
    array = raw.reshape(-1).view(name).reshape(shape)
    tj.save_tree(tmp_path / "a.safetensors", {"a": {"w": array}, "b": array})
    tree = tj.load_tree(tmp_path / "a.safetensors")
    for found in (tree["a"]["w"], tree["b"]):
        assert (found.dtype, found.shape, bits(found)) == (array.dtype, shape, bits(array))
    assert not tj.diff({"a": {"w": array}, "b": array}, tree)


@pytest.mark.parametrize("name", ["float8_e4m3fn", "int4", "float4_e2m1fn", "complex64"])
def test_arrays_of_jax(tmp_path, name):
    tree = {"w": jnp.arange(6).reshape(2, 3).astype(name)}
    tj.save_tree(tmp_path / "a.safetensors", tree)
    assert not tj.diff(tree, tj.load_tree(tmp_path / "a.safetensors"))


def test_plain_files_are_those_of_others(tmp_path):
    arrays = {name: np.ones((2, 3), name) for name in ("float32", "int8", "bool", "uint64")}
    tj.save_tree(tmp_path / "a.safetensors", arrays)
    found = safetensors.numpy.load_file(tmp_path / "a.safetensors")
    assert not tj.diff(arrays, found)
    big = {"a": np.arange(3, dtype=">f4"), "turned": np.arange(6.0).reshape(2, 3).T}
    tj.save_tree(tmp_path / "b.safetensors", big)
    found = safetensors.numpy.load_file(tmp_path / "b.safetensors")
    assert found["a"].tolist() == [0, 1, 2] and found["turned"].tolist() == [[0, 3], [1, 4], [2, 5]]


@pytest.mark.parametrize("implementation", ["threefry2x32", "rbg"])
def test_random_keys(tmp_path, implementation):
    tree = {"a/b": {"key": jax.random.key(3, impl=implementation)}}
    tree["many"] = jax.random.split(tree["a/b"]["key"], 3)
    tj.save_tree(tmp_path / "a.safetensors", tree)
    found = tj.load_tree(tmp_path / "a.safetensors")
    assert found["many"].dtype == tree["many"].dtype
    assert not tj.diff(tree, found)
    old, new = tree["a/b"]["key"], found["a/b"]["key"]
    assert jax.random.normal(old, 2).tolist() == jax.random.normal(new, 2).tolist()


def test_the_state_of_a_dropout(tmp_path):
    state = nnx.state(nnx.Dropout(0.5, rngs=nnx.Rngs(0)))
    tj.save_tree(tmp_path / "a.safetensors", state)
    assert not tj.diff(state, tj.load_tree(tmp_path / "a.safetensors"))


def deleted():
    array = jnp.ones(2)
    array.delete()
    return array


REFUSED = {
    "text": "text",
    "an array of text": np.array(["a"]),
    "objects": np.array([object()]),
    "dates": np.array(["2020-01-01"], "datetime64[D]"),
    "records": np.zeros(2, [("x", "f4")]),
    "float0": np.zeros(2, jax.dtypes.float0),
    "raw bytes": np.array(b"ab", "V2"),
    "a long double": np.longdouble(1),
    "a function": jax.nn.relu,
    "a shape": jax.ShapeDtypeStruct((2,), jnp.float32),
    "a deleted array": deleted(),
    "a huge number": 10**40,
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("torch", [False, True])
def test_what_cannot_be_stored_is_refused_by_path_and_leaves_no_file(tmp_path, kind, torch):
    path = "a.kernel_0" if torch else "a/kernel_0"
    with pytest.raises(tj.TreeFileError, match=f"cannot hold this tree: {path}: "):
        tj.save_tree(
            tmp_path / "a.safetensors", {"a": {"kernel_0": REFUSED[kind]}, "b": 1.0}, torch=torch
        )
    assert list(tmp_path.iterdir()) == []


def test_a_traced_leaf_is_refused(tmp_path):
    with pytest.raises(tj.TreeFileError, match="cannot hold this tree: a: "):
        jax.jit(lambda a: tj.save_tree(tmp_path / "a.safetensors", {"a": a}))(1.0)


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(
        tj.TreeFileError, match=r"a\.safetensors cannot be written: .*the folder .* does not exist"
    ):
        tj.save_tree(tmp_path / "none" / "a.safetensors", {"a": 1.0})
    with pytest.raises(tj.TreeFileError, match="the keys of '' have no order"):
        tj.save_tree(tmp_path / "a.safetensors", {1: 1.0, "1": 1.0})


def write(path, header, body):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return path


def test_four_bits_of_others_are_unpacked(tmp_path):
    header = {"a": {"dtype": "F4", "shape": [4], "data_offsets": [0, 2]}}
    found = tj.load_tree(write(tmp_path / "a.safetensors", header, b"\x21\xf2"))["a"]
    assert found.dtype.name == "float4_e2m1fn"
    assert found.astype(np.float32).tolist() == [0.5, 1.0, 1.0, -6.0]


ENTRY = {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"a": {**ENTRY, "dtype": "F6_E2M3"}}, "a is of F6_E2M3, which is not read"),
        ({"a": ENTRY, "b": ENTRY}, "b: U8.* does not fit bytes 0 to 2"),
        ({"a": ENTRY, "__metadata__": {"kind of a": "int3"}}, "a: it is no int3"),
        ({"a": ENTRY, "__metadata__": {"kind of a": "complex128"}}, "a: it is no complex128"),
        ({"a": ENTRY, "__metadata__": {"kind of a": "key<md5>"}}, "a: it is no key<md5>"),
        ({"a": ENTRY, "__metadata__": {"kind of a": 3}}, "its header lies"),
        ({"a": ENTRY, "__metadata__": []}, "its header lies"),
        ({"a": {**ENTRY, "shape": [True, 2]}}, "does not fit"),
        ({"a": {**ENTRY, "shape": [2.0]}}, "does not fit"),
        ({"a": {**ENTRY, "shape": [-1, -2]}}, "does not fit"),
        ({"a": {**ENTRY, "shape": [1] * 60 + [2] + [1] * 60}}, "maximum supported dimension"),
        ({"a": {**ENTRY, "data_offsets": [0, "2"]}}, "does not fit"),
        ({"a": 1}, "its header lies"),
        ([], "its header lies"),
        ({}, "its header speaks of 0 bytes, it holds 2"),
    ],
)
def test_a_lying_header_is_one_clear_error(tmp_path, header, reason):
    path = write(tmp_path / "a.safetensors", header, b"ab")
    with pytest.raises(tj.TreeFileError, match=rf"a\.safetensors is damaged.*{reason}"):
        tj.load_tree(path)


def test_a_name_twice_and_a_deep_header_are_told(tmp_path):
    entry = json.dumps(ENTRY)
    for text in (f'{{"a": {entry}, "a": {entry}}}', "[" * 100_000):
        (tmp_path / "a.safetensors").write_bytes(
            struct.pack("<Q", len(text)) + text.encode() + b"ab"
        )
        with pytest.raises(tj.TreeFileError, match="is damaged or no safetensors file"):
            tj.load_tree(tmp_path / "a.safetensors")


def test_numpy_kinds_without_a_name_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", w=np.ones(2, ml_dtypes.bfloat16))
    with pytest.raises(
        tj.TreeFileError, match=r"w\.npy holds elements of 2 bytes without the name"
    ):
        tj.load_tree(tmp_path / "a.npz")


def test_keys_of_any_text_go_there_and_back(tmp_path):
    tree = {"": 1.0, "a/b": {"": 2.0, "\\": 3.0}, "a": {"b": 4.0}, "*": 5.0, "x.y": 6.0, "ä\n": 7.0}
    tj.save_tree(tmp_path / "a.safetensors", tree)
    found = tj.load_tree(tmp_path / "a.safetensors")
    assert jax.tree.structure(found) == jax.tree.structure(tree)
    assert jax.tree.map(float, found) == tree
    tj.save_tree(tmp_path / "b.safetensors", 3.0)
    assert tj.load_tree(tmp_path / "b.safetensors") == 3.0
    assert tj.load_tree(tmp_path / "a.safetensors")["a/b"]["\\"] == 3.0
