"""`transfer-jax ask`: one line from weights and images to the answer and the network."""

import json

import jax
import numpy as np
import pytest

import transfer_jax as tj
from tests.data.folders import write_classes
from transfer_jax.cli import main
from transfer_jax.models.weights.recognition import recognised
from transfer_jax.surgery.safetensors_files import read_safetensors

NETWORK = "tests.running.test_own_folder:network"
SHORT = [
    "--passes=1",
    "--config.batch_size=8",
    "--config.steps=8",
    "--config.optimizer.warmup_steps=1",
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Two classes of images, and weights of a small network."""
    monkeypatch.chdir(tmp_path)
    write_classes(tmp_path / "my pets", ("cat", "dog"), 40)
    _, variables = tj.network(NETWORK, num_outputs=5)
    tj.save_tree("weights.safetensors", variables)
    return tmp_path


def ask(*more: str) -> int:
    return main(["ask", "--weights=weights.safetensors", "--images=my pets", f"--network={NETWORK}",
                 "--workdir=run", *SHORT, *more])  # fmt: skip


def test_the_answer_the_network_and_the_page_are_there(here, capsys):
    assert ask("--budget=6") == 0
    said = capsys.readouterr().out
    assert (
        "of a budget of 6 full fine-tunings were spent" in " ".join(said.split())
        and "Written: run/best.safetensors" in said
    )
    held = json.loads((here / "run" / "race.json").read_text())
    assert held["budget"] == 6 and held["seeds"] == 1
    config = json.loads((here / "run" / "config.json").read_text())
    assert config["families"] == ["probe", "freeze", "full", "lp-ft"]
    assert config["data"]["validation_share"] == 0.2
    assert (here / "run" / "report.html").stat().st_size > 10_000
    assert read_safetensors(here / "run" / "best.safetensors")
    # Asked again, it answers from what is there.
    assert ask("--budget=6") == 0
    assert "is finished" in capsys.readouterr().out


def test_a_head_on_all_layers_is_asked_for_by_name(here, capsys):
    """It is none of the ways of a question, and the network to take where it is the only one."""
    assert ask("--budget=6", "--config.families=('head2toe',)") == 0
    assert {row.variant for row in tj.Results.read(here / "run").rows} == {"head2toe"}
    said = capsys.readouterr().out
    assert "head2toe (train a linear head on all layers' activations" in said
    held = read_safetensors(here / "run" / "best.safetensors")
    assert held["probe.weight"].any() and held["probe.bias"].shape == (2,)


def test_steps_are_passes_over_the_training_images(here, capsys):
    flags = [flag for flag in SHORT if "steps=8" not in flag and "passes" not in flag]
    asked = ["ask", "--weights=weights.safetensors", "--images=my pets", f"--network={NETWORK}"]
    assert main([*asked, "--passes=7", "--workdir=run", "--budget=0.4", *flags]) == 0
    rows = tj.Results.read(here / "run").rows
    # Of 40 images a class a fifth is to test on; of the rest a fifth to validate.
    images = json.loads((here / "run" / "data.json").read_text())["images"]["train"]
    assert images == 2 * 26
    config = json.loads((here / "run" / "config.json").read_text())
    assert config["steps"] == np.ceil(7 * images / 8) == 46
    assert "46 steps of 8 of 52 training images" in capsys.readouterr().out
    assert {row.variant for row in rows} <= {"probe", "freeze", "full", "lp-ft"}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--budget=0"], "--budget is '0'; allowed: full fine-tunings, above 0, such as 2"),
        (["--budget=two"], "--budget is 'two'; allowed: full fine-tunings"),
        (["--budget=0.0001"], "budget is 0.0001 full fine-tunings, but what comes first"),
        (["--passes=0"], "--passes is 0; allowed: whole numbers from 1"),
        (["--images=no such folder"], "no such folder"),
        (["--weights=none.pth"], "none.pth"),
        (["--config.families=('random',)"], "families holds 'random'"),
        (["--config.budgte=3"], "nearest: budget"),
        (["--network=resnet1"], "nearest: resnet18"),
        (["--weights=package:no_such"], "is not installed"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(flags, said, here, capsys):
    assert ask(*flags) in (1, 2)
    lines = [line for line in capsys.readouterr().err.splitlines() if line]
    assert len(lines) == 1 and said in lines[0]
    assert not (here / "run" / "config.json").exists()


def test_weights_of_nobody_are_told(here, capsys):
    tj.save_tree(here / "odd.safetensors", {"a": {"b": np.zeros(3, np.float32)}})
    assert main(["ask", "--weights=odd.safetensors", "--images=my pets"]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line]
    assert "odd.safetensors holds a/b, which is none of resnet18, " in line


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2_100"])
def test_a_network_of_ours_is_recognised(name, tmp_path):
    _, variables = tj.network(name, num_outputs=3)
    tj.save_tree(tmp_path / "net.safetensors", jax.device_get(variables))
    assert recognised(tmp_path / "net.safetensors") == [name]
