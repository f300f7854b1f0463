"""An address is a bucket or is refused; it is never the name of a local folder."""

import importlib.util
from pathlib import Path

import pytest
from etils import epath

import transfer_jax as tj
from transfer_jax.data.decoding import ImageForm
from transfer_jax.data.originals.part import Originals
from transfer_jax.data.preparation import Preparation, prepare
from transfer_jax.data.sources import load_images
from transfer_jax.folder.checkpoints import restore, save
from transfer_jax.folder.places import PlaceError, in_bucket, local, place, rooted
from transfer_jax.running.sweep import parse_axis, run_sweep

ADDRESSES = ["s3://b/a", "az://b/a", "hf://b/a", "http://h/a", "file:///a", "gcs://b/a", "GS://b/a",
             "gs:/b/a", "gs://", "gs:///"]  # fmt: skip


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """Nothing is made where a test stands."""
    monkeypatch.chdir(tmp_path)
    yield
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", ADDRESSES)
def test_other_addresses_are_refused(address):
    for use in (place, local):
        with pytest.raises(PlaceError, match=f"^workdir is '{address}'; "):
            use(address, "workdir")
    with pytest.raises(PlaceError):
        rooted(address)


def test_a_bucket_is_a_place_but_not_on_this_machine():
    found = place("gs://bucket/runs/a", "workdir")
    assert str(found) == str(rooted(found)) == "gs://bucket/runs/a"
    assert in_bucket(found) and in_bucket(found / "columns")
    for path in ("gs://bucket/a", epath.Path("gs://bucket/a"), Path("gs://bucket/a")):
        with pytest.raises(PlaceError, match="it must be on a disk of this machine"):
            local(path, "data.folder")


@pytest.mark.parametrize("path", ["runs/a", "/runs/a", "a:b/c", "c:/runs", ".", "b=(1, 2)/c"])
def test_a_folder_is_a_folder(path):
    assert str(place(path, "workdir")) == str(local(path, "workdir")) == path
    assert not in_bucket(path)
    assert rooted(path).is_absolute()


def test_a_home_is_found(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert str(place("~/runs", "workdir")) == str(local("~/runs", "x")) == "/home/someone/runs"


def test_without_the_extra_a_bucket_is_refused_in_one_line(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PlaceError, match=r"buckets need: pip install 'transfer_jax\[gcs\]'"):
        place("gs://bucket/a", "workdir")


def test_every_door_asks(tiny_config):
    with pytest.raises(PlaceError, match="workdir is 's3://b/a'"):
        tj.run(tiny_config, "s3://b/a")
    with pytest.raises(PlaceError, match="workdir is 's3://b/a'"):
        run_sweep("fashion_mnist", [], [parse_axis("seeds=1,2")], "s3://b/a")
    with pytest.raises(PlaceError, match="workdir is 'gs:/b/a'"):
        tj.Results.read(Path("gs://b/a"))
    with pytest.raises(PlaceError):
        load_images("folder", "gs://b/a")
    settings = Preparation("folder", ImageForm(8, "squash", 3), "raw")
    with pytest.raises(PlaceError):
        next(iter(prepare(Originals((), (), {}, 3), settings, Path("gs://b/a"))))
    for use in (save, restore):
        with pytest.raises(PlaceError):
            use(Path("gs://b/a"), {})


@pytest.mark.parametrize("path", ["", "  ", "a\nb", "runs/\x00", "\t"])
def test_what_is_no_path_is_told(path):
    with pytest.raises(PlaceError) as error:
        place(path, "workdir")
    assert str(error.value) == (
        f"workdir is {path!r}; allowed: the path of a folder, such as runs/a"
    )
