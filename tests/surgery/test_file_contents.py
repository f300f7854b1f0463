"""Files that are not what their names say: read if they can be, else told for what they are."""

import gzip
import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import transfer_jax as tj

from .test_torch_checkpoints import (
    NUMBERS,
    STATE,
    Raw,
    in_a_row,
    named,
    opcodes,
    zipped,
)

RECORDS = {"0": NUMBERS.tobytes()}
ENDINGS = (".pth", ".pt", ".bin", ".ckpt", ".safetensors", ".npz")


def as_npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, whole=NUMBERS.reshape(3, 4))
    return buffer.getvalue()


def as_safetensors(folder: Path) -> bytes:
    tj.save_tree(folder / "made.safetensors", {"whole": NUMBERS.reshape(3, 4)})
    return (folder / "made.safetensors").read_bytes()


@pytest.mark.parametrize("ending", [*ENDINGS, ".weights", ".h5", ""])
def test_right_content_under_a_wrong_name_is_read(ending, tmp_path):
    value = {"whole": STATE["whole"]}
    contents = (
        as_npz(),
        as_safetensors(tmp_path),
        zipped(value, RECORDS),
        in_a_row(value, RECORDS, {"0": 12}),
    )
    for content in contents:
        file = tmp_path / f"net{ending}"
        file.write_bytes(content)
        found = tj.load_tree(file)["whole"]
        np.testing.assert_array_equal(found, NUMBERS.reshape(3, 4))


@pytest.mark.parametrize("ending", ENDINGS)
def test_so_it_is_in_a_folder_and_by_an_index(ending, tmp_path):
    for content in (as_npz(), as_safetensors(tmp_path), zipped({"whole": STATE["whole"]}, RECORDS)):
        folder = tmp_path / "hf"
        folder.mkdir(exist_ok=True)
        (folder / f"net{ending}").write_bytes(content)
        index = folder / "net.safetensors.index.json"
        index.write_text(json.dumps({"weight_map": {"whole": f"net{ending}"}}))
        found = [tj.load_tree(index)["whole"]]
        index.unlink()
        found.append(tj.load_tree(folder)["whole"])
        for own in found:
            np.testing.assert_array_equal(own, NUMBERS.reshape(3, 4))


def test_names_are_paths_in_a_folder_too_whatever_a_file_is_called(tmp_path):
    (tmp_path / "hf").mkdir()
    tj.save_tree(tmp_path / "a.safetensors", {"conv": {"kernel": NUMBERS}})
    (tmp_path / "a.safetensors").rename(tmp_path / "hf" / "pytorch_model.bin")
    assert tj.load_tree(tmp_path / "hf")["conv"]["kernel"].tolist() == NUMBERS.tolist()


@pytest.mark.parametrize("ending", [".safetensors", ".npz", ".pth"])
def test_a_file_that_may_not_be_read_is_not_called_empty(ending, tmp_path, monkeypatch):
    file = tmp_path / f"net{ending}"
    file.write_bytes(b"something")

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    monkeypatch.setattr(io, "open", refused)
    monkeypatch.setattr("builtins.open", refused)
    with pytest.raises((tj.TreeFileError, OSError), match="Permission denied"):
        tj.load_tree(file)


STRANGE = {
    "a web page": b"\n<!DOCTYPE html>\n<html><head><title>404</title></head></html>",
    "type: git lfs pull": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n",
    "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "compressed by gzip; unpack it": gzip.compress(b"a" * 100),
    "one array of NumPy": b"\x93NUMPY\x01\x00" + bytes(100),
    "it is text": b"404: Not Found",
}


@pytest.mark.parametrize("ending", [*ENDINGS, ".html", ""])
@pytest.mark.parametrize("what", STRANGE)
def test_what_it_is_instead_is_told_in_one_line(what, ending, tmp_path):
    file = tmp_path / f"net{ending}"
    file.write_bytes(STRANGE[what])
    with pytest.raises(tj.TreeFileError) as error:
        tj.load_tree(file)
    said = str(error.value)
    assert what in said and said.count(f"net{ending}") == 1 and "\n" not in said
    assert "opcode" not in said and "pickle" not in said


def module(name: str) -> Raw:
    """A module of PyTorch as pickles hold it: its class, and what it is built of."""
    dotted, _, last = name.rpartition(".")
    new = Raw(named(dotted, last) + b")\x81")
    attributes = {"training": False, "_parameters": {"w": STATE["whole"]}, "_modules": {}}
    return Raw(new + opcodes(attributes) + b"b")


@pytest.mark.parametrize("name", ["torch.nn.modules.container.Sequential", "__main__.Net"])
@pytest.mark.parametrize("inside", [lambda m: m, lambda m: {"epoch": 3, "model": m}])
def test_a_whole_model_is_told_how_to_be_saved(name, inside, tmp_path):
    value = inside(module(name))
    for content in (zipped(value, RECORDS), in_a_row(value, RECORDS, {"0": 12})):
        (tmp_path / "net.pth").write_bytes(content)
        with pytest.raises(tj.TreeFileError) as error:
            tj.load_tree(tmp_path / "net.pth")
        said = str(error.value)
        assert "; save model.state_dict() instead: it asks for " + name in said
        assert "damaged" not in said and "\n" not in said


def test_a_whole_model_as_pytorch_before_1_6_names_its_source(tmp_path):
    source = ("module", named("__main__", "Net"), "net.py", "class Net: ...")
    held = Raw(
        opcodes(source) + b"Q" + b")\x81" + opcodes({"_parameters": {}, "_modules": {}}) + b"b"
    )
    (tmp_path / "net.pt").write_bytes(in_a_row(held, {}, {}))
    with pytest.raises(tj.TreeFileError, match=r"model\.state_dict\(\)"):
        tj.load_tree(tmp_path / "net.pt")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"\xff" * 600, "it begins like neither a zip file nor a pickle"),
        (b"\x80e" + bytes(60), "its pickle has protocol 101; allowed: 2 to 5"),
        (pickle.dumps({"a": 1}), "it begins like no checkpoint that is known"),
        (zipped({"whole": STATE["whole"]}, RECORDS)[:300], "File is not a zip file"),
    ],
)
def test_what_is_wrong_with_what_no_kind_begins_like(content, said, tmp_path):
    for ending in (".pth", ".pt", ".bin"):
        file = tmp_path / f"net{ending}"
        file.write_bytes(content)
        with pytest.raises(tj.TreeFileError) as error:
            tj.load_tree(file)
        assert str(error.value) == f"{file} is damaged or no checkpoint of PyTorch: {said}"


def test_a_model_beside_weights_is_no_reason_to_refuse_them(tmp_path):
    """Words of modules in a checkpoint that can be read mean nothing."""
    value = {"_parameters": {"a": 1}, "_modules": {"b": STATE["whole"]}}
    (tmp_path / "net.pth").write_bytes(zipped(value, RECORDS))
    assert set(tj.load_tree(tmp_path / "net.pth")) == {"_parameters", "_modules"}
