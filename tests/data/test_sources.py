import importlib.util
import lzma
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from transfer_jax.data.embedded import embedded
from transfer_jax.data.embedding import files_of
from transfer_jax.data.sources import SourceError, load_images

ORIGINALS = Path("/usr/share/datasets/fashion-mnist")
FOLDER = resources.files("transfer_jax.data") / "fashion_mnist"


def test_the_embedded_subset_is_stratified():
    images = embedded("fashion_mnist")
    assert images.images.shape == (20_000, 28, 28, 1)
    assert images.images.dtype == np.uint8
    for part in (images.is_test, images.is_train):
        assert np.bincount(images.labels[part]).tolist() == [1000] * 10


def test_it_is_small_and_carries_its_licence():
    assert sum(len(file.read_bytes()) for file in FOLDER.iterdir()) <= 8 * 2**20
    assert "MIT License" in (FOLDER / "LICENSE").read_text()


def test_a_damaged_file_is_refused(monkeypatch, tmp_path):
    for file in FOLDER.iterdir():
        (tmp_path / "fashion_mnist").mkdir(exist_ok=True)
        (tmp_path / "fashion_mnist" / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(resources, "files", lambda _: tmp_path)
    labels = tmp_path / "fashion_mnist" / "labels.npy.xz"
    good = labels.read_bytes()
    content = bytearray(lzma.decompress(good))
    content[-1] ^= 1
    labels.write_bytes(lzma.compress(bytes(content)))
    with pytest.raises(ValueError, match=r"labels.npy is not the one recorded"):
        embedded("fashion_mnist")
    labels.write_bytes(good[: len(good) // 2])
    with pytest.raises(ValueError, match=r"labels.npy.xz is damaged"):
        embedded("fashion_mnist")


def script(name: str):
    path = Path(__file__).parents[2] / "experiments" / name / "embed.py"
    spec = importlib.util.spec_from_file_location(f"embed_{name}", path)
    assert spec and spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.mark.skipif(not ORIGINALS.is_dir(), reason="needs Debian's dataset-fashion-mnist")
def test_the_script_rebuilds_it_bit_for_bit():
    rebuilt = files_of(script("fashion_mnist").subset(ORIGINALS))
    assert rebuilt["SHA256SUMS"] == (FOLDER / "SHA256SUMS").read_bytes()
    for name in ("images.npy.xz", "labels.npy.xz"):
        assert lzma.decompress(rebuilt[name]) == lzma.decompress((FOLDER / name).read_bytes())


def test_an_unknown_dataset_is_refused():
    with pytest.raises(SourceError, match="no dataset 'mnist'; datasets: fashion_mnist"):
        load_images("mnist")


CLIP_ART = Path("/usr/share/openclipart/png")


def test_clip_art_is_colour_in_eight_classes_of_up_to_150():
    images = embedded("openclipart")
    assert images.images.shape[1:] == (96, 96, 3) and images.images.dtype == np.uint8
    counts = [np.bincount(images.labels[part]) for part in (images.is_train, images.is_test)]
    assert counts[0].tolist() == [100, 100, 72, 100, 36, 100, 69, 100]
    # A third of each class is for the test.
    np.testing.assert_array_equal(counts[1], (counts[0] + counts[1]) // 3)
    assert images.class_names[4] == "plants" and len(images.class_names) == 8
    saturated = images.in_memory.max(axis=-1).astype(int) - images.in_memory.min(axis=-1)
    assert (saturated.max(axis=(1, 2)) > 64).mean() > 0.5


def test_no_picture_of_the_test_is_like_one_to_train_on():
    """By grey levels on a grid of 16x16, which recolouring changes little."""
    images = embedded("openclipart")
    grey = images.in_memory.mean(axis=-1).reshape(-1, 16, 6, 16, 6).mean(axis=(2, 4))
    apart = grey.reshape(len(grey), -1)
    apart = apart - apart.mean(axis=1, keepdims=True)
    apart /= np.linalg.norm(apart, axis=1, keepdims=True)
    assert (apart[images.is_train] @ apart[images.is_test].T).max() < 0.95


def test_clip_art_is_small_and_carries_its_licence():
    folder = resources.files("transfer_jax.data") / "openclipart"
    assert sum(len(file.read_bytes()) for file in folder.iterdir()) <= 6 * 2**20
    assert "creative commons Public Domain Dedication" in (folder / "LICENSE").read_text()


@pytest.mark.skipif(not CLIP_ART.is_dir(), reason="needs Debian's openclipart-png")
def test_the_script_rebuilds_the_clip_art_bit_for_bit():
    rebuilt = script("openclipart").subset(CLIP_ART)
    sums = (resources.files("transfer_jax.data") / "openclipart" / "SHA256SUMS").read_bytes()
    assert files_of(rebuilt)["SHA256SUMS"] == sums
