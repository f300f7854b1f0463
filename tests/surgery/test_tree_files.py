"""Trees in files, and files from strangers."""

import io
import json
import struct
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import transfer_jax as tj
from transfer_jax import TreeFileError, load_tree, save_tree
from transfer_jax.folder import checkpoints

TREE = {
    "conv1": {"kernel": jnp.arange(6.0).reshape(2, 3), "bias": jnp.ones(3, jnp.bfloat16)},
    "step": jnp.asarray(7),
}


def test_safetensors_bring_a_tree_back_to_the_bit(tmp_path):
    save_tree(tmp_path / "net.safetensors", TREE)
    assert not tj.diff(TREE, load_tree(tmp_path / "net.safetensors"))


def test_npz_without_pickle(tmp_path):
    np.savez(tmp_path / "net.npz", **{"conv1/kernel": np.ones((2, 3)), "scale": np.float32(2)})
    tree = load_tree(tmp_path / "net.npz")
    assert tree["conv1"]["kernel"].shape == (2, 3)
    assert tree["scale"] == 2
    np.savez_compressed(tmp_path / "packed.npz", a=np.zeros(100_000))
    assert load_tree(tmp_path / "packed.npz")["a"].shape == (100_000,)


def test_orbax_folders(tmp_path):
    checkpoints.save(tmp_path / "net", {"conv1": TREE["conv1"]})
    assert not tj.diff({"conv1": TREE["conv1"]}, load_tree(tmp_path / "net"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(TreeFileError, match="no tree that orbax wrote"):
        load_tree(tmp_path / "empty")
    for name in ("cat", "dog", "eel", "fox", "gnu"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
    with pytest.raises(TreeFileError, match="s holds cat, dog, eel, fox and 1 more: no tree"):
        load_tree(tmp_path / "pictures")


def test_torch_names_and_layouts(tmp_path):
    torch_tree = {
        "layer1.0.conv1.weight": np.arange(2 * 3 * 5 * 7, dtype=np.float32).reshape(2, 3, 5, 7),
        "layer1.0.bn1.weight": np.full(2, 3.0, np.float32),
        "layer1.0.bn1.running_mean": np.zeros(2, np.float32),
        "fc.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "fc.bias": np.ones(2, np.float32),
    }
    import safetensors.numpy

    path = tmp_path / "torch.safetensors"
    safetensors.numpy.save_file(torch_tree, path)
    tree = load_tree(path, torch=True)
    kernel = tree["layer1"]["0"]["conv1"]["kernel"]
    assert kernel.shape == (5, 7, 3, 2)
    assert kernel[4, 6, 2, 1] == torch_tree["layer1.0.conv1.weight"][1, 2, 4, 6]
    assert set(tree["layer1"]["0"]["bn1"]) == {"scale", "mean"}
    np.testing.assert_array_equal(tree["fc"]["kernel"], torch_tree["fc.weight"].T)


def with_header(header: bytes, body: bytes = b"\0" * 8) -> bytes:
    return struct.pack("<Q", len(header)) + header + body


def entry(**changes) -> bytes:
    good = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    return json.dumps({"a": {**good, **changes}}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 20,
        with_header(entry())[:-1],
        with_header(entry(shape=[3])),
        with_header(entry(data_offsets=[0, 10**15])),
        with_header(entry(shape=[2**62, 2**62])),
        with_header(entry(dtype="PICKLE")),
        with_header(b"{"),
        struct.pack("<Q", 2**63) + b"{}",
    ],
)
def test_a_lying_safetensors_header_is_one_clear_error(tmp_path, content):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(TreeFileError, match=r"bad.safetensors is damaged"):
        load_tree(path)


def npy(header: bytes, body: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


@pytest.mark.parametrize(
    "member",
    [
        npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}\n", b"\0" * 8),
        npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999,)}\n", b"\0" * 8),
        npy(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}\n", b"cos\nsystem\n"),
        npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}\n", b"\0" * 8),
        npy(b"__import__('os').system('true')\n", b""),
        b"not an array",
    ],
)
def test_a_lying_npz_is_one_clear_error(tmp_path, member):
    path = tmp_path / "bad.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", member)
    with pytest.raises(TreeFileError, match=r"bad\.npz"):
        load_tree(path)


def test_pickles_are_not_read(tmp_path):
    path = tmp_path / "objects.npz"
    np.savez(path, a=np.array([object()], dtype=object))
    with pytest.raises(TreeFileError, match="pickled objects, which are not read"):
        load_tree(path)


FLIPS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=3)
FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(kind=st.sampled_from(["safetensors", "npz"]), cut=st.floats(0, 1), flips=FLIPS)
def test_damage_anywhere_is_our_error_or_harmless(tmp_path, kind, cut, flips):
    import safetensors.numpy

    arrays = {"a": np.arange(4, dtype=np.float32), "b/c": np.ones((2, 2), np.int32)}
    if kind == "npz":
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # pyright: ignore
        content = bytearray(buffer.getvalue())
    else:
        content = bytearray(safetensors.numpy.save(arrays))
    for place, flip in flips:
        content[int(place * len(content))] ^= flip
    path = tmp_path / f"net.{kind}"
    path.write_bytes(bytes(content[: int(cut * len(content)) + 1]))
    try:
        tree = load_tree(path)
    except TreeFileError as error:
        assert "net." in str(error)
    else:
        assert isinstance(tree, dict)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.safetensors", "none.safetensors does not exist"),
        ("none", "none does not exist"),
        ("none.txt", "none.txt does not exist"),
        ("net.txt", r"net.txt is no file of arrays; allowed: .safetensors, .npz"),
    ],
)
def test_what_is_no_tree_is_told(tmp_path, name, message):
    (tmp_path / "net.txt").write_text("numbers")
    with pytest.raises(TreeFileError, match=message):
        load_tree(tmp_path / name)


def test_a_leaf_below_a_leaf_is_told(tmp_path):
    np.savez(tmp_path / "net.npz", **{"a": np.ones(1), "a/b": np.ones(1)})
    with pytest.raises(TreeFileError, match="a/b lies below a leaf"):
        load_tree(tmp_path / "net.npz")


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(TreeFileError, match=r"net.safetensors cannot be written: .*none does not"):
        save_tree(tmp_path / "none" / "net.safetensors", TREE)


def test_what_cannot_be_stored_is_told_and_leaves_no_file(tmp_path):
    with pytest.raises(TreeFileError, match="cannot hold this tree"):
        save_tree(tmp_path / "net.safetensors", {"a": np.array(["text"])})
    assert list(tmp_path.iterdir()) == []


def test_numbers_of_a_big_endian_machine_come_in_this_machines_order(tmp_path):
    np.savez(tmp_path / "net.npz", a=np.arange(3, dtype=">f4"), b=np.arange(3, dtype=">i2"))
    tree = tj.load_tree(tmp_path / "net.npz")
    assert [tree[name].dtype for name in "ab"] == [np.float32, np.int16]
    assert tree["a"].dtype.isnative and tree["a"].tolist() == [0.0, 1.0, 2.0]
