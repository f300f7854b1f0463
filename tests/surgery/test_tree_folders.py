"""Trees in folders: shards of safetensors and of PyTorch, and what orbax's manager writes."""

import json
import subprocess
import sys
import textwrap

import numpy as np
import orbax.checkpoint as ocp
import pytest
from safetensors.numpy import save_file

import transfer_jax as tj
from tests.surgery.test_torch_checkpoints import NUMBERS, RECORDS, STATE, zipped

NAMES = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
MAP = {"a.weight": NAMES[0], "b.weight": NAMES[1]}


def shards(folder, index=None, files=NAMES):
    for name, file in zip(MAP, files, strict=True):
        save_file({name: np.ones((2, 3), np.float32)}, folder / file)
    if index is not None:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    return folder


def test_shards_by_folder_and_by_index(tmp_path):
    shards(tmp_path, MAP)
    for path in (tmp_path, tmp_path / "model.safetensors.index.json"):
        assert sorted(tj.load_tree(path)) == ["a.weight", "b.weight"]
        tree = tj.load_tree(path, torch=True, layouts={"*": "linear"})
        assert tree["a"]["kernel"].shape == (3, 2)


def test_shards_without_an_index_and_a_folder_of_one_file(tmp_path):
    shards(tmp_path)
    assert sorted(tj.load_tree(tmp_path)) == ["a.weight", "b.weight"]
    (tmp_path / NAMES[0]).unlink()
    (tmp_path / NAMES[1]).rename(tmp_path / "model.safetensors")
    assert sorted(tj.load_tree(tmp_path)) == ["b.weight"]


def test_shards_of_pytorch(tmp_path):
    for name, file in (("whole", "m-1.bin"), ("turned", "m-2.bin")):
        (tmp_path / file).write_bytes(zipped({name: STATE[name]}, RECORDS))
    index = {"weight_map": {"whole": "m-1.bin", "turned": "m-2.bin"}}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    tree = tj.load_tree(tmp_path)
    np.testing.assert_array_equal(tree["turned"], NUMBERS.reshape(3, 4).T)
    one = tmp_path / "one"
    one.mkdir()
    (one / "pytorch_model.bin").write_bytes(zipped({"state": {0: {"a": STATE["whole"]}}}, RECORDS))
    assert tj.load_tree(one)["state"][0]["a"].shape == (3, 4)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({**MAP, "c.weight": NAMES[1]}, "c.weight lies in model-00002"),
        ({"a.weight": NAMES[1], "b.weight": NAMES[1]}, "a.weight lies in model-00002"),
        ({**MAP, "c": "../secret.safetensors"}, "names ../secret.safetensors; allowed"),
        ({**MAP, "c": "/etc/passwd"}, "names /etc/passwd; allowed"),
        ({**MAP, "c": "code.py"}, "names code.py; allowed"),
        ({**MAP, "c": "gone.safetensors"}, "names 3 files, of which 1 are missing: gone.saf"),
        ({**MAP, "c": 3}, "is no index"),
        ([], "is no index"),
    ],
)
def test_an_index_that_lies_is_told(tmp_path, index, message):
    shards(tmp_path, index)
    with pytest.raises(tj.TreeFileError, match=message):
        tj.load_tree(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "{}", "\xff"])
def test_an_index_that_is_none_is_told(tmp_path, text):
    (tmp_path / "m.safetensors.index.json").write_text(text, encoding="latin1")
    with pytest.raises(tj.TreeFileError, match="is no index of files"):
        tj.load_tree(tmp_path)


def test_several_trees_in_a_folder_are_named(tmp_path):
    shards(tmp_path, files=["a.safetensors", "b.safetensors"])
    with pytest.raises(tj.TreeFileError, match=r"give one of them: a\.safetensors, b\.safetensors"):
        tj.load_tree(tmp_path)
    missing = tmp_path / "missing"
    missing.mkdir()
    shards(missing, files=["m-00001-of-00003.safetensors", "m-00003-of-00003.safetensors"])
    with pytest.raises(tj.TreeFileError, match="shard 2 of 3 is missing; there is m-00001"):
        tj.load_tree(missing)


def test_a_part_of_the_shards_is_no_tree(tmp_path):
    last = "model-00003-of-00003.safetensors"
    save_file({"a": np.ones(2)}, tmp_path / last)
    with pytest.raises(tj.TreeFileError, match="shard 1 of 3 is missing"):
        tj.load_tree(tmp_path)
    assert sorted(tj.load_tree(tmp_path / last)) == ["a"]  # the file itself was asked for
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": last}}))
    with pytest.raises(tj.TreeFileError, match="shard 1 of 3 is missing"):
        tj.load_tree(tmp_path)


def test_a_name_in_two_shards_is_told(tmp_path):
    for file in NAMES:
        save_file({"a": np.ones(2)}, tmp_path / file)
    with pytest.raises(tj.TreeFileError, match="a is there twice, the second time in model-00002"):
        tj.load_tree(tmp_path)


WRITE = textwrap.dedent(
    """
    import os, sys
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
    import jax, jax.numpy as jnp, numpy as np, orbax.checkpoint as ocp
    from jax.sharding import Mesh, NamedSharding, PartitionSpec as P

    folder, save = sys.argv[1], ocp.args.StandardSave
    sharding = NamedSharding(Mesh(np.array(jax.devices()), ("x",)), P("x"))
    sharded = jax.device_put(jnp.arange(16.0).reshape(8, 2), sharding)
    tree = {"a": {"w": sharded}, "b": [jnp.ones(2, jnp.bfloat16)]}
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(f"{folder}/plain", tree)
    with ocp.CheckpointManager(f"{folder}/one") as manager:
        manager.save(7, args=save(tree))
    with ocp.CheckpointManager(f"{folder}/steps") as manager:
        manager.save(9, args=save(tree))
        manager.save(10, args=save(tree))
    with ocp.CheckpointManager(f"{folder}/items") as manager:
        items = {"params": save(tree), "notes": ocp.args.JsonSave({"x": 1})}
        manager.save(1, args=ocp.args.Composite(**items))
        manager.save(2, args=ocp.args.Composite(**items, state=save(tree)))
    """
)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("orbax")
    done = subprocess.run([sys.executable, "-c", WRITE, folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("path", ["plain", "one", "one/7", "one/7/default", "steps/9", "items/1"])
def test_orbax_of_other_devices_and_of_a_manager(written, path):
    tree = tj.load_tree(written / path)
    assert isinstance(tree["a"]["w"], np.ndarray)
    np.testing.assert_array_equal(tree["a"]["w"], np.arange(16.0).reshape(8, 2))
    assert tree["b"][0].dtype.name == "bfloat16"


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("steps", r"holds 2 trees; give one of them: .*steps/9/default, .*steps/10/default"),
        ("items/2", r"holds 2 trees; give one of them: .*items/2/(params|state), .*items/2/"),
        ("items", r"holds 3 trees; give one of them: .*items/1/params"),
        ("items/1/notes", "no tree that orbax wrote"),
    ],
)
def test_which_folder_to_give_instead(written, path, named):
    with pytest.raises(tj.TreeFileError, match=named):
        tj.load_tree(written / path)


def test_a_damaged_orbax_folder_is_told(tmp_path):
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "net", {"a": np.ones(2)})
    (tmp_path / "net" / "_METADATA").write_text("{")
    with pytest.raises(tj.TreeFileError, match="no tree that orbax wrote"):
        tj.load_tree(tmp_path / "net")
