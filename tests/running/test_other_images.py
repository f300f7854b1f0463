"""A run knows the images that it began with, and so do its base networks and checkpoints."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from etils import epath

import transfer_jax as tj
from tests.data.folders import png_bytes, write_classes
from transfer_jax.cli import main
from transfer_jax.data.identity import identity, identity_differences
from transfer_jax.data.image_set import ImageSet
from transfer_jax.folder.checkpoints import CheckpointError
from transfer_jax.folder.workdir import Workdir, WorkdirError
from transfer_jax.plan.components import build_images
from transfer_jax.plan.config import load_config
from transfer_jax.plan.differences import fingerprint
from transfer_jax.plan.fields import ConfigError
from transfer_jax.running.claim import claim
from transfer_jax.running.column_checkpoints import ColumnCheckpoints

TINY = [
    "--config.data.source=folder",
    "--config.data.form.size=12",
    "--config.cuts=(1,)",
    "--config.treatments=('AnB',)",
    "--config.seeds=1",
    "--config.steps=3",
    "--config.optimizer.warmup_steps=1",
    "--config.batch_size=4",
    "--config.test_batch_size=4",
    "--config.network.widths=(2,2,2,2)",
    "--config.network.pools=(1,1,1,1)",
    "--config.network.dense_widths=(4,)",
]
CLASSES = ("ant", "bee", "cow", "dog")


def flags(folder: Path, *more: str) -> list[str]:
    return ["--config=fashion_mnist", *TINY, f"--config.data.folder={folder}", *more]


def prepare(images: Path, folder: Path) -> None:
    assert main(["prepare", *flags(folder), f"--manual_dir={images}", "--workers=1"]) == 0


def load(folder: Path, *more: str):
    return load_config("fashion_mnist", flags(folder, *more)[1:])


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> Path:
    """Images, prepared, and a finished run on them."""
    root = tmp_path_factory.mktemp("images")
    prepare(write_classes(root / "originals", CLASSES, 12), root / "data")
    tj.run(load(root / "data"), root / "run")
    return root


@pytest.fixture
def other(ran, tmp_path) -> Path:
    """The same, copied; one image is another one since, and the folder is prepared again."""
    shutil.copytree(ran, tmp_path / "x")
    (tmp_path / "x" / "originals" / "bee" / "3.png").write_bytes(png_bytes(99))
    shutil.move(ran / "data", ran / "data.kept")
    try:
        # The config names the folder, so the prepared images must lie where they lay.
        prepare(tmp_path / "x" / "originals", ran / "data")
        yield tmp_path / "x" / "run"
    finally:
        shutil.rmtree(ran / "data")
        shutil.move(ran / "data.kept", ran / "data")


def test_the_same_images_are_the_same_run(ran):
    assert len(tj.run(load(ran / "data"), ran / "run").rows) > 0


def test_the_finished_run_and_one_that_was_stopped_refuse_other_images(ran, other, capsys):
    for finished in (True, False):
        if not finished:
            (other / "results.csv").unlink()
            next((other / "columns").iterdir()).unlink()
        command = ["run", *flags(ran / "data"), f"--workdir={other}"]
        assert main(command) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert "holds a run on other images: the digest is" in line and "another --workdir" in line


def test_base_networks_that_saw_other_images_are_refused(ran, other, tmp_path, capsys):
    command = ["run", *flags(ran / "data"), f"--workdir={tmp_path / 'y'}"]
    assert main([*command, f"--config.bases={other}"]) == 1
    assert "saw other images: the digest is" in capsys.readouterr().err


def test_base_networks_of_an_unknown_dataset_are_refused(ran, tmp_path):
    shutil.copytree(ran / "run", tmp_path / "old")
    (tmp_path / "old" / "data.json").unlink()
    with pytest.raises(ConfigError, match="which images it was trained on is not known"):
        tj.run(load(ran / "data", f"--config.bases={tmp_path / 'old'}"), tmp_path / "y")
    with pytest.raises(WorkdirError, match="which images it was trained on is not known"):
        tj.run(load(ran / "data"), tmp_path / "old")


def test_the_side_file_and_the_report_say_which_images(ran):
    held = json.loads((ran / "run" / "data.json").read_text())
    assert held["classes"] == list(CLASSES)
    # Of 12 images of each of 4 classes a fifth is tested on, a tenth of the rest validates.
    assert held["images"] == {"train": 36, "validation": 4, "test": 8}
    assert held["digest"] in (ran / "run" / "report.html").read_text()


def with_pixel(images: ImageSet) -> ImageSet:
    return replace(images, digest=images.digest[::-1])


def test_a_checkpoint_of_other_images_is_refused(tmp_path):
    config = load_config("fashion_mnist")
    images = build_images(config)
    own, odd = fingerprint(config, images), fingerprint(config, with_pixel(images))
    assert own == fingerprint(config, build_images(config)) != odd
    held = ColumnCheckpoints(epath.Path(tmp_path / "c"), {"run": own})
    from transfer_jax.engine.columns import ResumePoint
    from transfer_jax.engine.step import ColumnState

    state = ColumnState({}, np.zeros(1, np.int32), np.asarray(3, np.int32))  # pyright: ignore
    held.save(ResumePoint(state, []))
    held.wait()
    held.close()
    assert ColumnCheckpoints(held.folder, {"run": own}).restore(3, state).evaluations == []
    with pytest.raises(CheckpointError, match="is of something else: run"):
        ColumnCheckpoints(held.folder, {"run": odd}).restore(3, state)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"classes": ["a", "c"]}, ["class 'b' is there only", "class 'c' is here only"]),
        ({"classes": ["b", "a"]}, ["the classes are in another order"]),
        ({"images": {"train": 3, "test": 2}}, ["2 train images there, 3 here"]),
        ({"digest": "2e"}, ["the digest is 1f there, 2e here"]),
        ({}, []),
    ],
)
def test_what_differs_is_named(change, said):
    there = {"digest": "1f", "classes": ["a", "b"], "images": {"train": 2, "test": 2}}
    assert identity_differences(there, there | change) == said


@pytest.mark.parametrize("damage", [{"classes": 5}, {"images": [1]}, {"digest": None}, {"x": 1}])
def test_a_side_file_that_holds_anything_is_other_images(damage):
    here = {"digest": "1f", "classes": ["a", "b"], "images": {"train": 2, "test": 2}}
    assert identity_differences({**here, **damage}, here)


def test_classes_in_another_order_are_another_dataset(ran):
    images = build_images(load(ran / "data"))
    swapped = replace(images, class_names=images.class_names[::-1])
    assert identity_differences(identity(images), identity(swapped))


def test_a_folder_of_strange_data_is_told_in_one_line(ran, tmp_path):
    shutil.copytree(ran / "run", tmp_path / "odd")
    (tmp_path / "odd" / "data.json").write_text('{"classes": 5, "images": "x"}')
    with pytest.raises(WorkdirError, match="other images"):
        claim(
            Workdir(epath.Path(tmp_path / "odd")),
            load(ran / "data"),
            build_images(load(ran / "data")),
        )
