"""The default config on images of one's own, by overrides alone."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.test_tfds import data_dir  # noqa: F401
from transfer_jax.cli import main
from transfer_jax.plan.config import load_config

SMALL = ["seeds=1", "steps=2", "optimizer.warmup_steps=1", "cuts=(1,)", "treatments=('AnB',)",
         "network.widths=(2,2,2,2)", "network.dense_widths=(2,)"]  # fmt: skip
FOLDER, MINE = "--config.data.source=folder", "--config.data.folder=data/mine"


def images(root: Path, classes: int, each: int) -> Path:
    """A folder of class folders, of images of odd sizes."""
    generator = np.random.default_rng(0)
    for label in range(classes):
        (root / f"class {label}").mkdir(parents=True)
        for i in range(each):
            pixels = generator.integers(0, 255, (20 + i, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / f"class {label}" / f"{i}.png")
    return root


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert not captured.err
    return captured.out.strip().splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("classes", "each", "batch", "notes"), [(4, 30, None, 0), (3, 20, "batch_size=14", 1)]
)
def test_what_prepare_says_comes_next_can_be_pasted(
    classes, each, batch, notes, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    root = images(tmp_path / "my pictures", classes, each)
    assert main(["prepare", FOLDER, MINE, f"--manual_dir={root}"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("has one class") == notes
    program, *arguments = shlex.split(printed.strip().splitlines()[-1].removeprefix("Next: "))
    assert program == "transfer-jax" and arguments[0] == "run"
    assert [a for a in arguments if "batch" in a] == ([f"--config.{batch}"] if batch else [])
    assert main([*arguments, *(f"--config.{field}" for field in SMALL)]) == 0
    # The default run's folder is another.
    assert (tmp_path / "runs" / "mine" / "report.html").stat().st_size > 0


def test_the_folder_of_a_dataset_has_a_default(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = images(tmp_path / "pictures", 4, 30)
    assert main(["prepare", FOLDER, f"--manual_dir={root}"]) == 0
    assert last_line(capsys).endswith(
        "--config=configs/fashion_mnist.py --config.data.source=folder"
    )
    assert (tmp_path / "data" / "folder" / "dataset.json").exists()
    for source, folder in (("tfds:cifar10", "cifar10"), ("tfds:a/b:1.0.0", "a_b_1.0.0")):
        data = load_config("fashion_mnist", [f"--config.data.source={source}"]).data
        assert data.folder == f"data/{folder}"
    assert load_config("fashion_mnist").data.folder == ""


@pytest.mark.slow
def test_a_dataset_of_tfds_needs_its_name_alone(data_dir, tmp_path, capsys, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    source = "--config.data.source=tfds:cifar100"
    assert main(["prepare", source, f"--data_dir={data_dir}", "--workers=1"]) == 0
    program, *arguments = shlex.split(last_line(capsys).removeprefix("Next: "))
    assert program == "transfer-jax" and arguments[0] == "run"
    assert main([*arguments, *(f"--config.{field}" for field in SMALL)]) == 0
    assert (tmp_path / "runs" / "cifar100" / "report.html").stat().st_size > 0


def test_what_cannot_be_trained_is_said_after_preparing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = images(tmp_path / "pictures", 4, 30)
    assert main(["prepare", FOLDER, "--config.data.crop=40", f"--manual_dir={root}"]) == 0
    line = last_line(capsys)
    assert line == "Before a run: data.crop is 40, but the images have 32x32 pixels"


def test_what_is_about_the_files_dataset_is_not_taken_to_another():
    other = load_config("fashion_mnist", [FOLDER, "--config.data.folder=data/pets"])
    assert (other.name, other.splits) == ("pets", ("random-0",))
    own = ["--config.name=x", "--config.splits=('whole',)"]
    assert load_config("fashion_mnist", [FOLDER, *own]).name == "x"
    assert load_config("fashion_mnist", [FOLDER, *own]).splits == ("whole",)
    cifar = load_config("cifar100", [FOLDER])
    assert cifar.splits == ("random-0", "random-1") and cifar.steps == 8000
    paper = load_config("imagenet_man_natural", [FOLDER])
    assert (paper.reference, paper.splits) == ("", ("random-0",))


@pytest.mark.parametrize("name", ["imagenet_man_natural", "fashion_mnist"])
def test_the_same_dataset_from_elsewhere_is_no_other(name):
    config = load_config(name)
    same = f"--config.data.source=tfds:{config.data.source.removeprefix('tfds:')}"
    other = load_config(name, [same])
    assert (other.splits, other.name) == (config.splits, config.name)
    assert other.reference == config.reference


def test_a_network_or_optimizer_of_another_name_keeps_the_fields_that_it_has():
    config = load_config("cifar100", ["--config.network.name=caffenet"])
    assert (config.network.dropout, config.network.width) == (0.5, 1.0)
    assert not hasattr(config.network, "widths")
    config = load_config("cifar100", ["--config.optimizer.name=caffe"])
    assert (config.optimizer.learning_rate, config.optimizer.step_every) == (0.02, 100_000)
