"""`transfer-jax ask`: one line from weights and images to the answer and the network."""

import argparse
import html
import json
import re
import shlex

import jax
import numpy as np
import pytest

import transfer_jax as tj
from tests.data.folders import write_classes
from transfer_jax.analysis.raced import rules_of
from transfer_jax.analysis.statistics.choices import typed
from transfer_jax.cli import main
from transfer_jax.commands.parser import make_parser
from transfer_jax.commands.question import asked_config, command
from transfer_jax.folder.race_files import race_of_json
from transfer_jax.models.weights.recognition import recognised
from transfer_jax.plan.config import load_config
from transfer_jax.plan.fields import ConfigError
from transfer_jax.plan.plan import make_plan
from transfer_jax.plan.schema import Config
from transfer_jax.surgery.safetensors_files import read_safetensors

NETWORK = "tests.running.test_own_folder:network"
SHORT = [
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


QUESTION = [
    "--weights=weights.safetensors",
    "--images=my pets",
    f"--network={NETWORK}",
    "--workdir=run",
    *SHORT,
]


def ask(*more: str) -> int:
    return main(["ask", *QUESTION, *more])


def test_the_answer_the_network_and_the_page_are_there(here, capsys):
    assert ask("--budget=6") == 0
    said = capsys.readouterr().out
    assert (
        "of a budget of 6 full fine-tunings were spent" in " ".join(said.split())
        and "Written: run/best.safetensors" in said
    )
    assert [line for line in said.splitlines() if line.startswith("Next: ")] == [
        "Next: open run/report.html"
    ]
    # There is one task, and nobody called it anything.
    lines = [line.replace("heads/whole.A.npz", "") for line in said.splitlines()]
    assert not any("whole.A" in line or "task A" in line for line in lines)
    held = json.loads((here / "run" / "race.json").read_text())
    assert held["budget"] == 6 and held["seeds"] == 1
    config = json.loads((here / "run" / "config.json").read_text())
    assert config["families"] == ["probe", "freeze", "full", "lp-ft"]
    assert config["data"]["validation_share"] == 0.2 and config["data"]["views"] == 1
    page = html.unescape((here / "run" / "report.html").read_text())
    again = (
        "transfer-jax ask --weights=weights.safetensors '--images=my pets' "
        f"--network={NETWORK} --budget=6 --config.batch_size=8 --config.steps=8 "
        "--config.optimizer.warmup_steps=1 --workdir=runs/again"
    )
    assert "whole.A" not in page.replace("heads/whole.A.npz", "") and "task A" not in page
    assert again in page and "transfer-jax run" not in page
    assert read_safetensors(here / "run" / "best.safetensors")
    # Asked again, it answers from what is there.
    assert ask("--budget=6") == 0
    assert "is finished" in capsys.readouterr().out
    # Asked for more, it goes on.
    assert ask("--budget=7") == 0
    assert "goes on with a budget of 7; it was 6" in " ".join(capsys.readouterr().out.split())
    assert json.loads((here / "run" / "race.json").read_text())["budget"] == 7


def test_a_question_is_priced_before_it_is_asked(here, capsys):
    assert main(["plan", *QUESTION, "--budget=6"]) == 0
    said = capsys.readouterr().out
    assert not (here / "run").exists()
    (line,) = [line for line in said.splitlines() if line.startswith("Next: transfer-jax ask ")]
    assert main(shlex.split(line)[2:]) == 0
    held = json.loads((here / "run" / "race.json").read_text())
    rules = rules_of(race_of_json(held), "whole.A")
    costs = {typed(arm): f"{cost:.2f}" for arm, cost in rules.costs.items() if cost}
    assert len(costs) > 2
    assert costs == dict(re.findall(r"^ *([a-z]\S+) +(\d+\.\d\d) *$", said, re.MULTILINE))


@pytest.mark.slow
def test_what_is_left_of_a_question_is_priced_too(here, capsys):
    """What a larger budget would train is said word for word as it is when it does."""
    assert ask("--budget=1.5") == 0
    assert main(["plan", *QUESTION, "--budget=3"]) == 0
    told = r"Of \d unfinished ways train, at most: .* That is \S+ of a budget of 3"
    planned = re.search(told, " ".join(capsys.readouterr().out.split()))
    assert ask("--budget=3") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert planned and planned[0] in said
    assert main(["plan", *QUESTION]) == 0
    told = "run holds a race with a budget of 3, which is more than 2; give 3, or more, or another"
    assert told in " ".join(capsys.readouterr().out.split())


def test_a_race_that_trains_no_way_to_its_end_says_so_and_fails(here, capsys):
    assert ask("--budget=0.9", "--config.families=('full',)") == 1
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    found = re.search(
        "A budget of 0.9 trains no way to its end; one: (.*)\\. There is no net", line
    )
    assert found and "not finished" not in said.out and "Written" not in said.out
    # And what it names is enough.
    assert ask(f"--budget={found[1]}", "--config.families=('full',)", "--workdir=again") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "begins" not in told
    assert "Full was the only way that was asked about." in told


def test_what_a_budget_cannot_begin_is_told_before_the_first_step(here, capsys):
    assert ask("--budget=1", "--config.families=('full','freeze')") == 0
    said = " ".join(capsys.readouterr().out.split())
    told = r"A budget of 1 begins (\d) of 2 ways that are trained, not full; (\S+) pays for all"
    found = re.search(told, said)
    assert found and found[1] == "1" and said.index("begins") < said.index("step ")
    assert f"A budget of {found[2]} would train all to the end, and goes on from here." in said
    # What never began is explained, too.
    page = (here / "run" / "report.html").read_text()
    assert all("everything tuned, under a new head" in text for text in (said, page))


def test_networks_that_fail_are_said_to_fail(here, capsys):
    assert ask("--budget=6", "--config.optimizer.learning_rate=1e12") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert re.search(r"Failed after 0\.25 of the steps: .*lp-ft.*; their loss was no number", said)
    assert "set aside" not in said.partition("probe: all layers frozen")[2] and "nan" not in said
    assert ask("--config.optimizer.learning_rate=1e12", "--config.families=('full',)",
               "--workdir=lost", "--budget=6") == 1  # fmt: skip
    told = "No way was trained to the end: every network that was trained failed. There is"
    assert told in capsys.readouterr().err


@pytest.mark.slow
def test_of_several_tasks_each_has_a_race_and_a_file(here, capsys):
    write_classes(here / "my pets", ("bird", "fish"), 40)
    assert ask("--budget=3", "--config.splits=('whole','random-0')") == 0
    said = " ".join(capsys.readouterr().out.split())
    sums = re.search(r"a race for each of 3 tasks, .* together (\S+) full fine-tunings were", said)
    each = re.findall(r"(\S+) of a budget of 3 full fine-tunings were spent", said)
    assert sums and len(each) == 3
    assert float(sums[1]) == pytest.approx(sum(map(float, each)), abs=0.02)
    for task in ("whole.A", "random-0.A", "random-0.B"):
        assert f"best.{task}.safetensors: " in said and f" {task}: " in said
        assert (here / "run" / f"best.{task}.safetensors").exists()


def test_a_head_on_all_layers_is_asked_for_by_name(here, capsys):
    """It is none of the ways of a question, and the network to take where it is the only one."""
    assert ask("--budget=6", "--config.families=('head2toe',)") == 0
    assert {row.variant for row in tj.Results.read(here / "run").rows} == {"head2toe"}
    said = capsys.readouterr().out
    assert "head2toe (train a linear head on all layers' activations" in said
    held = read_safetensors(here / "run" / "best.safetensors")
    assert held["probe.weight"].any() and held["probe.bias"].shape == (2,)


def test_steps_are_passes_over_the_training_images(here, capsys):
    flags = [flag for flag in SHORT if "steps=8" not in flag]
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
        (["--budget=0"], "--budget is '0'; allowed: full fine-tunings, above 0 and up to 1,000"),
        (["--budget=2000000"], "above 0 and up to 1,000,000, such as 2"),
        (
            ["--budget=2", "--config.budget=3"],
            "--budget=2 and --config.budget=N both say what it may cost; give one",
        ),
        (["--budget=two"], "--budget is 'two'; allowed: full fine-tunings"),
        (["--budget=0.0001"], "budget is 0.0001 full fine-tunings, but what comes first"),
        (["--passes=0"], "--passes is 0; allowed: whole numbers from 1"),
        (["--images=no such folder"], "no such folder"),
        (["--weights=none.pth"], "none.pth"),
        (["--config.families=('random',)"], "families holds 'random'"),
        (["--config.budgte=3"], "nearest: budget"),
        (["--network=resnet1"], "nearest: resnet18"),
        (["--weights=package:no_such"], "is not installed"),
        (["--passes=2"], "--passes=2 and --config.steps=N both say how long a fine-tuning is"),
        (["--config.checkpoint.networks=bases"], "checkpoint.networks is 'bases', but a question"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(flags, said, here, capsys):
    assert ask(*flags) in (1, 2)
    lines = [line for line in capsys.readouterr().err.splitlines() if line]
    assert len(lines) == 1 and said in lines[0]
    assert not (here / "run" / "config.json").exists()


def test_two_images_of_a_class_are_too_few_to_choose_by(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_classes(tmp_path / "my pets", ("cat", "dog"), 2)
    _, variables = tj.network(NETWORK, num_outputs=5)
    tj.save_tree("weights.safetensors", variables)
    assert ask("--config.batch_size=1") == 1
    said = capsys.readouterr().err
    assert "data.validation_share is 0.2, but its classes have too few images: it" in said


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


def parsed(*flags: str) -> argparse.Namespace:
    return make_parser().parse_args(["ask", *flags])


def test_the_command_is_what_was_typed():
    """Defaults that are not said are said no more than what is said elsewhere."""
    flags = ["--weights=a b.pth", "--images=it's here"]
    own = ["--config.name=$HOME", "--config.cuts=('quarters',)"]
    words = command(parsed(*flags), own)
    assert words == ["transfer-jax", "ask", *flags, "--budget=2", *own]
    other = ["--config.budget=0"]
    assert command(parsed(*flags), other) == ["transfer-jax", "ask", *flags, *other]


def asked(*flags: str) -> tuple[Config, list[str]]:
    """The config of a question, and what was said."""
    arguments = parsed("--weights=weights.safetensors", "--images=my pets", f"--network={NETWORK}")
    said: list[str] = []
    return asked_config(arguments, ["--config.batch_size=8", *flags], said.append), said


@pytest.mark.parametrize(("steps", "warmup"), [(4, 0), (16, 2), (32, 5)])
def test_a_rate_rises_in_fewer_of_fewer_steps(steps, warmup, here):
    """5 of 32 is what the config has."""
    config, said = asked(f"--config.steps={steps}")
    assert (config.steps, config.optimizer.warmup_steps) == (steps, warmup)
    lines = [line for line in said if "The rate rises" in line]
    told = f"The rate rises in {warmup} of {steps} steps, as in 5 of 32; "
    assert lines == [f"{told}--config.optimizer.warmup_steps=N says it"] * (warmup < 5)


def test_a_rise_that_was_said_stays(here):
    config, said = asked("--config.steps=8", "--config.optimizer.warmup_steps=3")
    assert config.optimizer.warmup_steps == 3 and not any("rises" in line for line in said)
    with pytest.raises(ConfigError, match="warmup_steps"):
        asked("--config.steps=8", "--config.optimizer.warmup_steps=8")
    with pytest.raises(ConfigError, match="steps is 'few'"):
        asked("--config.steps=few")


@pytest.mark.parametrize("steps", [[], ["--config.steps=8"]], ids=["passes", "steps"])
def test_a_batch_has_no_more_images_than_there_are(steps, here):
    """Of 6 images a class one is held out to test on, and one to validate on."""
    for folder in (here / "my pets").iterdir():
        for path in sorted(folder.iterdir())[6:]:
            path.unlink()
    arguments = parsed("--weights=weights.safetensors", "--images=my pets", f"--network={NETWORK}")
    said: list[str] = []
    config = asked_config(arguments, steps, said.append)
    assert config.batch_size == 2 * 4
    assert "Batches have 8 images instead of 32: there are no more to train on" in said
    assert config.steps == (8 if steps else 32)
    # What was said stays, and is told.
    config = asked_config(arguments, [*steps, "--config.batch_size=9"], lambda _: None)
    with pytest.raises(ConfigError, match="batch_size is 9, but there are 8 training examples"):
        make_plan(config)


def test_images_and_fields_are_looked_at_before_weights(here, capsys):
    """Weights take seconds to read, and are not there."""
    (here / "flat").mkdir()
    (here / "my pets" / "cat" / "0.png").rename(here / "flat" / "0.png")
    for flags, said in (
        (["--images=flat"], "holds no folder; a dataset needs two class folders or more: put each"),
        (
            ["--images=my petz"],
            "--images is 'my petz', which does not exist; allowed: a folder that holds",
        ),
        (["--images=my pets", "--config.stepz=3"], "nearest: steps"),
    ):
        assert main(["ask", "--weights=none.safetensors", *flags]) == 1
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line]
        assert said in line


def run(*more: str) -> int:
    fields = {"network.weights": "weights.safetensors", "data.folder": "my pets"}
    flags = [f"--config.{name}={value}" for name, value in fields.items()]
    return main(["run", "--config=pretrained", "--workdir=run", *flags, *more])


@pytest.mark.parametrize(
    "command", [lambda: ask("--network=resnet18"), lambda: run("--config.network.name=resnet18")]
)
def test_weights_of_another_network_are_told_before_images_are_prepared(command, here, capsys):
    """Preparing takes minutes for many; these weights are of a network of one's own."""
    assert command() == 1
    told = capsys.readouterr()
    (line,) = [line for line in told.err.splitlines() if line]
    assert line.startswith("transfer-jax: network.weights: ") and "resnet18" in line
    assert "prepar" not in told.out.lower()
    assert sorted(path.name for path in here.iterdir()) == ["my pets", "weights.safetensors"]


def test_a_class_of_one_image_is_told_by_name(here, capsys):
    for path in sorted((here / "my pets" / "dog").iterdir())[1:]:
        path.unlink()
    assert ask() == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line]
    assert "class 'dog' has no test images; each class needs one at least: give it more" in line


def test_elsewhere_nothing_is_shortened():
    with pytest.raises(ConfigError, match="warmup_steps"):
        load_config("pretrained", ["--config.steps=4"])
