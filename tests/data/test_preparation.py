"""From the tar files to a trained grid, on the command line."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from etils import epath
from PIL import Image

from tests.data.folders import prepare_folder, write_classes
from tests.data.tars import CLASSES, ODD, PER_CLASS, image_bytes, write_tars
from transfer_jax.cli import main
from transfer_jax.data import prepared_part, records
from transfer_jax.data.decoding import BadImage, ImageForm, decode, decode_array
from transfer_jax.data.image_set import TRAIN
from transfer_jax.data.manifest import Manifest, RecordsError
from transfer_jax.data.originals.part import Original, OriginalsError
from transfer_jax.data.originals.tars import imagenet_tars
from transfer_jax.data.preparation import damaged_files, prepare
from transfer_jax.data.prepared_part import (
    Preparation,
    finished,
    prepare_part,
    stamp_of,
    stem_of,
)
from transfer_jax.data.records import open_records
from transfer_jax.data.sources import load_images
from transfer_jax.folder.results import read_rows

FORM = ImageForm(16)
SETTINGS = Preparation("imagenet2012", FORM, "raw")


@pytest.fixture(scope="module")
def tars(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tars")
    write_tars(folder)
    return folder


@pytest.fixture(scope="module")
def prepared(tars, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "imagenet"
    for part in list(prepare(imagenet_tars(tars), SETTINGS, folder, workers=2)):
        assert part.all_parts == CLASSES + 1
    return folder


def test_every_image_is_there_or_named(prepared):
    manifest = Manifest.read(prepared)
    skipped = dict(note for shard in manifest.shards for note in shard.skipped)
    converted = dict(note for shard in manifest.shards for note in shard.converted)
    assert skipped["n01443537_0.JPEG"] == "0 bytes"
    assert "no image that can be read" in skipped["n01443537_1.JPEG"]
    assert converted == {"n01440764_1.JPEG": "CMYK to RGB", "n01440764_2.JPEG": "PNG named JPEG"}
    assert set(skipped) | set(converted) == set(ODD)
    images = open_records(prepared, stream=False)
    assert (images.is_train).sum() == CLASSES * PER_CLASS - len(skipped)
    assert images.is_test.sum() == 12
    assert len(images.class_names) == 1000 and len(images.groups["man-made"]) == 551


def test_images_are_those_of_the_tars_and_means_those_of_the_images(prepared):
    images = open_records(prepared, stream=False)
    expected = decode(image_bytes(0), "n01440764_0.JPEG", FORM).pixels
    np.testing.assert_array_equal(images.images[0], expected)
    streamed = open_records(prepared, stream=True).images
    train = images.is_train & np.isin(images.labels, [0, 2])
    seen = images.images[train].astype(np.float64)
    mean, deviation = streamed.statistics(np.flatnonzero(train))
    np.testing.assert_allclose(mean, seen.mean(0))
    assert deviation == pytest.approx((seen - seen.mean(0)).std())


def test_a_stopped_preparation_goes_on_where_it_stopped(tars, prepared, tmp_path):
    folder, originals = tmp_path / "again", imagenet_tars(tars)
    progress = prepare(originals, SETTINGS, folder, workers=1)
    for done in progress:
        if done.parts == 2:
            break
    progress.close()
    assert not (folder / "dataset.json").exists()
    kept = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.array_record")}
    assert len(kept) >= 2
    first = next(iter(progress := prepare(originals, SETTINGS, folder, workers=1)))
    assert first.parts == len(kept)
    list(progress)
    assert kept.items() <= {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}.items()
    ours, theirs = (
        [shard.sha256 for shard in Manifest.read(path).shards] for path in (folder, prepared)
    )
    assert ours == theirs


def test_changed_bytes_are_found(tars, tmp_path):
    list(prepare(imagenet_tars(tars), SETTINGS, tmp_path / "d", workers=1))
    assert damaged_files(tmp_path / "d") == []
    file = min((tmp_path / "d").glob("train-*.array_record"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert damaged_files(tmp_path / "d") == [file.name]
    file.write_bytes(content[:-7])
    with pytest.raises(RecordsError, match="bytes, not"):
        open_records(tmp_path / "d", stream=True)


def test_tars_that_are_missing_cut_short_or_of_something_else(tars, tmp_path):
    with pytest.raises(OriginalsError, match=r"lacks ILSVRC2012_img_train.tar and ILSVRC2012_img_"):
        imagenet_tars(tmp_path)
    for name in ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"):
        (tmp_path / name).write_bytes((tars / name).read_bytes())
    train = tmp_path / "ILSVRC2012_img_train.tar"
    whole = train.read_bytes()
    train.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OriginalsError, match="cut short"):
        imagenet_tars(tmp_path)
    train.write_bytes((tars / "ILSVRC2012_img_val.tar").read_bytes())
    with pytest.raises(OriginalsError, match="no class of ILSVRC-2012"):
        imagenet_tars(tmp_path)


def test_a_full_disk_keeps_what_is_prepared(tars, tmp_path, monkeypatch):
    originals = imagenet_tars(tars)
    folder = tmp_path / "d"
    folder.mkdir()

    class FullWriter:
        def __init__(self, path: str, _: str) -> None:
            Path(path).touch()

        def write(self, _: bytes) -> None: ...

        def close(self) -> None:
            raise RuntimeError("No space left on device")

    part = originals.parts[0]
    names = originals.class_names
    whole = prepare_part(part, SETTINGS, folder, names)
    monkeypatch.setattr(prepared_part, "ArrayRecordWriter", FullWriter)
    with pytest.raises(OSError, match="No space left"):
        prepare_part(originals.parts[1], SETTINGS, folder, names)
    stamp = stamp_of(part, SETTINGS)
    kept = finished(folder, stem_of(part, stamp), stamp)
    assert kept is not None and kept.sha256 == whole.sha256
    assert not list(folder.glob(".*partial"))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk")
def test_a_really_full_disk_is_one_line(tars, tmp_path, capsys):
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.system(f"mount -t tmpfs -o size=8k tmpfs {disk} 2>/dev/null"):
        pytest.skip("cannot mount")
    try:
        arguments = ["--config=imagenet_random", f"--manual_dir={tars}", "--workers=1"]
        arguments += [f"--config.data.folder={disk}/d", "--config.data.form.size=64"]
        assert main(["prepare", *arguments]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("transfer-jax: ") and "pace" in line
    finally:
        os.system(f"umount {disk}")


def test_a_folder_of_other_settings_is_refused(tars, prepared):
    other = Preparation("imagenet2012", ImageForm(24), "raw")
    with pytest.raises(RecordsError, match="holds another dataset: size is 16 there, 24 here"):
        list(prepare(imagenet_tars(tars), other, prepared))


def test_class_folders_are_a_dataset(tmp_path):
    root = tmp_path / "pets"
    for label, name in enumerate(("cat", "dog")):
        (root / name).mkdir(parents=True)
        for i in range(10):
            (root / name / f"{i}.jpg").write_bytes(image_bytes(10 * label + i))
    arguments = ["--config=imagenet_random", "--config.data.source=folder", f"--manual_dir={root}"]
    arguments += [f"--config.data.folder={tmp_path}/d", "--config.data.form.size=12"]
    assert main(["prepare", *arguments, "--workers=1"]) == 0
    images = load_images("folder", str(tmp_path / "d"))
    assert images.class_names == ("cat", "dog")
    assert np.bincount(images.labels[images.is_test]).tolist() == [2, 2]
    assert np.bincount(images.labels[images.is_validation]).tolist() == [1, 1]
    assert images.images.shape == (20, 12, 12, 3)
    assert main(["prepare", *arguments, "--check"]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--manual_dir=EMPTY"], "lacks ILSVRC2012_img_train.tar"),
        ([], "needs --manual_dir"),
        (["--manual_dir=EMPTY", "--config.data.source=folder"], "two class folders or more"),
        (["--manual_dir=ONE", "--config.data.source=folder"], "holds cat"),
        (["--manual_dir=NO_IMAGE", "--config.data.source=folder"], "holds no image"),
        (["--manual_dir=NONE", "--config.data.source=folder"], "is no folder"),
        (["--config.data.source=mnist"], "no dataset 'mnist'"),
        (["--config.data.source=tfds:no_such_set"], "no dataset 'no_such_set' of TFDS"),
        (["--config.data.source=fashion_mnist"], "needs no preparing"),
        (["--manual_dir=TARS", "--config.data.form.resize=stretch"], "allowed: warp, crop"),
        (["--manual_dir=TARS", "--config.data.form.encoding=gif"], "allowed: raw, jpeg"),
        (["--manual_dir=TARS", "--workers=0"], "--workers is 0"),
        (["--check"], "holds no prepared dataset"),
    ],
)
def test_bad_input_is_one_line(arguments, words, tars, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "one" / "cat").mkdir(parents=True)
    for name in ("cat", "dog"):
        (tmp_path / "no" / name).mkdir(parents=True)
    places = {"EMPTY": "empty", "ONE": "one", "NO_IMAGE": "no", "NONE": "none"}
    for word, name in places.items():
        arguments = [a.replace(word, str(tmp_path / name)) for a in arguments]
    arguments = [a.replace("TARS", str(tars)) for a in arguments]
    folder = f"--config.data.folder={tmp_path}/data"
    wrong_usage = "--workers=0" in arguments
    status = main(["prepare", "--config=imagenet_random", folder, *arguments])
    assert status == (2 if wrong_usage else 1)
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


CONFIG = """
from ml_collections import ConfigDict
from transfer_jax.configs.imagenet_random import get_config as paper

def get_config():
    config = paper()
    config.splits = ("few",)
    tasks = {"A": ("n01440764", "n01443537"), "B": ("n01484850", "n01491361")}
    config.named_splits["few"] = ConfigDict(tasks)
    config.network.width, config.network.num_outputs = 1 / 16, 2
    config.cuts, config.treatments = (1,), ("AnB",)
    config.data.form.size, config.data.crop = 80, 67
    config.steps, config.batch_size, config.test_every, config.test_batch_size = 3, 4, 2, 4
    config.reading.workers = 1
    return config
"""


@pytest.mark.slow
def test_from_the_tars_to_a_trained_grid_on_a_stream(tars, tmp_path, capsys):
    config = tmp_path / "few.py"
    config.write_text(CONFIG)
    common = [f"--config={config}", f"--config.data.folder={tmp_path}/data"]
    assert main(["prepare", *common, f"--manual_dir={tars}"]) == 0
    out = capsys.readouterr().out
    assert "2 images skipped" in out and "1 image: 0 bytes (n01443537_0.JPEG)" in out
    assert "18 training, 0 validation and 12 test images of 80x80 in 1000 classes" in out
    assert main(["run", *common, f"--workdir={tmp_path}/run"]) == 0
    curves = (tmp_path / "run" / "curves" / "few.seed0.A-B.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in curves] == ["step", "2", "3"]
    assert main(["run", *common, f"--workdir={tmp_path}/again", "--config.reading.workers=0"]) == 0
    ours, theirs = (tmp_path / run / "results.csv" for run in ("run", "again"))
    assert ours.read_text() == theirs.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("devices_per_column", [1, 2])
def test_two_processes_read_their_own_shares_of_a_stream(devices_per_column, tars, tmp_path):
    """A column each, or half of each batch; the numbers are those of one process."""
    config = tmp_path / "few.py"
    config.write_text(CONFIG.replace("workers = 1", "workers = 0"))
    common = [f"--config={config}", f"--config.data.folder={tmp_path}/data"]
    assert main(["prepare", *common, f"--manual_dir={tars}"]) == 0
    with socket.socket() as free:
        free.bind(("localhost", 0))
        coordinator = f"localhost:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "transfer_jax", "run", *common]
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=1"}
    alone = [*command, "--config.devices_per_column=1", f"--workdir={tmp_path}/one"]
    subprocess.run(alone, check=True, env=environment, capture_output=True)
    both = [*command, f"--config.devices_per_column={devices_per_column}"]
    both += [f"--workdir={tmp_path}/two", f"--coordinator={coordinator}", "--processes=2"]
    processes = [
        subprocess.Popen([*both, f"--process={i}"], env=environment, stdout=subprocess.DEVNULL)
        for i in range(2)
    ]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    one, two = (read_rows(epath.Path(tmp_path) / name / "results.csv") for name in ("one", "two"))
    for a, b in zip(one, two, strict=True):
        assert a.top1 == b.top1
        # Halves of a batch are summed apart.
        assert a.loss == pytest.approx(b.loss, rel=0 if devices_per_column == 1 else 1e-5)


def test_labels_outside_the_classes_are_skipped_and_named(tmp_path):
    class Odd:
        subset, inputs = TRAIN, ()

        def read(self):
            yield Original("a", -1, image_bytes(0))
            yield Original("b", 1, np.zeros((5, 7, 1), np.uint8))

    part = prepare_part(Odd(), SETTINGS, tmp_path, ("cat", "dog"))
    assert [part.classes[label] for label in part.labels] == ["dog"]
    assert part.skipped == [("a", "label -1 is none of the 2 classes")]


def test_a_manifest_cannot_name_files_elsewhere(prepared, tmp_path):
    content = json.loads((prepared / "dataset.json").read_text())
    content["shards"][0]["file"] = "../secret"
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    with pytest.raises(RecordsError, match="outside of its folder"):
        Manifest.read(tmp_path)


def test_a_jpeg_keeps_its_shape_when_it_is_cropped():
    tall = Image.new("L", (10, 40), 128)
    pixels = np.asarray(tall)[..., None]
    assert decode_array(pixels, ImageForm(16, "crop")).pixels.shape == (16, 16, 3)
    with pytest.raises(BadImage, match="0 bytes"):
        decode(b"", "a.jpg", FORM)


def test_images_that_do_not_fit_into_memory_are_told_with_what_to_do(tmp_path, monkeypatch):
    folder = tmp_path / "prepared"
    assert prepare_folder(write_classes(tmp_path / "pets", count=4), folder) == 0
    size = 8 * 8 * 8 * 3
    monkeypatch.setattr(records, "memory", lambda: 2 * size)
    assert open_records(folder, stream=False).images.shape == (8, 8, 8, 3)
    monkeypatch.setattr(records, "memory", lambda: 2 * size - 1)
    with pytest.raises(RecordsError, match=r"take 0.0 GiB; .* --config.data.stream=True reads"):
        open_records(folder, stream=False)
    assert open_records(folder, stream=True).images.shape == (8, 8, 8, 3)
