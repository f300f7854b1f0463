"""Files that are there whole or not at all, to the byte."""

import errno

import numpy as np
import pytest
from etils import epath

from transfer_jax.folder import whole_file
from transfer_jax.folder.whole_file import (
    read_arrays,
    read_json,
    write_arrays,
    write_json,
    write_table,
    write_whole,
)


@pytest.fixture
def folder(tmp_path) -> epath.Path:
    return epath.Path(tmp_path)


@pytest.mark.parametrize("content", ["zwölf\n", b"\x00\xff"])
@pytest.mark.parametrize("bucket", [True, False])
def test_a_file_is_replaced_and_nothing_is_left_beside_it(content, bucket, folder, monkeypatch):
    monkeypatch.setattr(whole_file, "in_bucket", lambda _: bucket)
    path = folder / "a.txt"
    path.write_text("before")
    write_whole(path, content)
    assert (path.read_bytes() if isinstance(content, bytes) else path.read_text()) == content
    assert list(folder.iterdir()) == [path]


def test_on_a_disk_it_is_written_beside_its_place_and_in_a_bucket_at_it(folder, monkeypatch):
    path = folder / "a.txt"
    (folder / ".a.txt.partial").mkdir()
    with pytest.raises(IsADirectoryError) as error:
        write_whole(path, "text")
    assert (error.value.errno, error.value.filename) == (errno.EISDIR, str(path))
    assert not path.exists()
    monkeypatch.setattr(whole_file, "in_bucket", lambda _: True)
    write_whole(path, "text")
    assert path.read_text() == "text"


def test_what_cannot_be_written_is_named(folder):
    with pytest.raises(FileNotFoundError, match="No such file or directory") as error:
        write_whole(folder / "none" / "a.txt", "text")
    assert error.value.filename == str(folder / "none" / "a.txt")


def test_an_error_of_a_library_without_a_number_is_told_in_its_words(folder, monkeypatch):
    def refused(*_):
        raise OSError("bucket says no")

    monkeypatch.setattr(type(folder), "write_text", refused)
    with pytest.raises(OSError, match=r"bucket says no.*a\.txt"):
        write_whole(folder / "a.txt", "text")


def test_a_table_is_csv(folder):
    write_table(folder / "t.csv", ["name", "x"], [["a,b", 0.1], ['say "c"', None], ["d", True]])
    expected = b'name,x\n"a,b",0.1\n"say ""c""",\nd,True\n'
    assert (folder / "t.csv").read_bytes() == expected


def test_json_is_for_people_too(folder):
    write_json(folder / "a.json", {"b": [1], "a": None})
    assert (folder / "a.json").read_text() == '{\n  "b": [\n    1\n  ],\n  "a": null\n}\n'
    assert read_json(folder / "a.json") == {"b": [1], "a": None}


@pytest.mark.parametrize("text", ["", "[1]", "3", '{"a": 1', "[" * 100_000, "\x00"])
def test_what_is_no_json_of_fields_has_none(text, folder):
    (folder / "a.json").write_text(text)
    assert read_json(folder / "a.json") == {}
    assert read_json(folder / "none.json") == {}


def test_arrays_come_back_in_the_order_asked_for(folder):
    path = folder / "new" / "a.npz"
    held = {"a": np.arange(3, dtype=np.int8), "b": np.array(["x", "yz"]), "c": np.zeros((2, 0))}
    write_arrays(path, **held)
    write_arrays(path, **held)
    for name, found in zip("cab", read_arrays(path, ["c", "a", "b"]), strict=True):
        np.testing.assert_array_equal(found, held[name], strict=True)
    zeros = np.zeros(100_000)
    write_arrays(path, zeros=zeros)
    assert path.stat().length < zeros.nbytes / 100


def test_arrays_that_cannot_be_read_are_told_in_one_line(folder):
    path = folder / "a.npz"
    with pytest.raises(ValueError, match=r"a\.npz cannot be read: No such file or directory$"):
        read_arrays(path, ["a"])
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(ValueError, match=r"a\.npz cannot be read: .") as error:
        read_arrays(path, ["a"])
    assert "\n" not in str(error.value)
    write_arrays(path, a=np.zeros(1))
    with pytest.raises(ValueError, match=r"cannot be read: .*b"):
        read_arrays(path, ["a", "b"])


def test_objects_are_neither_written_nor_made(folder):
    with pytest.raises(ValueError, match="allow_pickle"):
        write_arrays(folder / "a.npz", a=np.array([{}], dtype=object))
    np.savez(folder / "b.npz", a=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r"b\.npz cannot be read: .*allow_pickle"):
        read_arrays(folder / "b.npz", ["a"])
