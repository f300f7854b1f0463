import hashlib
import importlib.util
import lzma
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from transfer_jax.data.embedded import embedded
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


@pytest.mark.skipif(not ORIGINALS.is_dir(), reason="needs Debian's dataset-fashion-mnist")
def test_the_script_rebuilds_it_bit_for_bit():
    path = Path(__file__).parents[2] / "experiments" / "fashion_mnist" / "embed.py"
    spec = importlib.util.spec_from_file_location("embed", path)
    assert spec and spec.loader
    embed = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(embed)
    for name, array in embed.subset(ORIGINALS).items():
        content = embed.npy_bytes(array)
        assert content == lzma.decompress((FOLDER / f"{name}.xz").read_bytes())
        assert hashlib.sha256(content).hexdigest() in (FOLDER / "SHA256SUMS").read_text()


def test_an_unknown_dataset_is_refused():
    with pytest.raises(SourceError, match="no dataset 'mnist'; datasets: fashion_mnist"):
        load_images("mnist")
