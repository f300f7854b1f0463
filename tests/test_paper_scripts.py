"""Every config's tiny twin and every script of the paper runs, goes on and draws."""

import subprocess
import sys
from pathlib import Path

import pytest

from transfer_jax.analysis.paper.original import original_counts
from transfer_jax.cli import main
from transfer_jax.plan.config import ConfigError, load_config
from transfer_jax.plan.plan import make_plan

SCRIPTS = Path(__file__).parents[1] / "experiments" / "paper"
FILES = {
    "figure2": ("figure2.png", "figure_2.html"),
    "table1": ("table_1.html",),
    "figure3": ("figure3.png", "figure_3.html"),
    "reduced_data": ("reduced.png", "reduced_data.html"),
    "preserved_layers": ("preserved.png", "preserved_layers.html"),
}
IMAGENET = {
    "imagenet_random": ("random_split", 232),
    "imagenet_man_natural": ("man_natural", 58),
    "imagenet_random_filters": ("random_filters", 8),
    "imagenet_reduced": ("reduced", 12),
}


def drawn(script: str, runs: Path) -> str:
    """What a script says that ends as it should."""
    command = [sys.executable, str(SCRIPTS / f"{script}.py"), "--scale=tiny", f"--runs={runs}"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in FILES[script]:
        assert (runs / "tiny" / "paper" / name).stat().st_size > 1000
    return done.stdout


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """With the run of figure 2, which others find and do not train again."""
    made = tmp_path_factory.mktemp("runs")
    drawn("figure2", made)
    return made


@pytest.mark.parametrize("script", ["table1", pytest.param("figure3", marks=pytest.mark.slow)])
def test_a_script_finds_the_run_of_another(script, runs):
    assert "is finished" in drawn(script, runs)


@pytest.mark.slow
@pytest.mark.parametrize("script", ["reduced_data", "preserved_layers"])
def test_a_script_of_the_paper_runs_and_draws(script, runs):
    drawn(script, runs)


@pytest.mark.slow
def test_cifars_tiny_twin_runs(tmp_path, capsys):
    arguments = ["--config=cifar100", "--config.scale=tiny", f"--workdir={tmp_path}/run"]
    assert main(["run", *arguments]) == 0
    assert "man-natural split" in capsys.readouterr().out


@pytest.mark.parametrize("name", IMAGENET)
def test_a_plan_holds_the_papers_networks_and_more(name):
    reference, networks = IMAGENET[name]
    plan = make_plan(load_config(name))
    assert len(plan.networks) == networks
    found = {t: sum(c.treatment == t for c in plan.networks) for t in original_counts(reference)}
    for treatment, count in original_counts(reference).items():
        assert found[treatment] >= count
    assert plan.recipe.network_shape == (227, 227, 3)


def test_preserved_layers_are_the_originals_for_both_targets():
    fields = ["splits=('random-0',)", "treatments=('BnB','AnB')", "preserved=(1,2)"]
    plan = make_plan(load_config("imagenet_random", [f"--config.{field}" for field in fields]))
    assert sum(c.variant is not None for c in plan.networks) == 2 * 26


def test_plan_shows_the_paper_beside_ours_on_an_accelerator(capsys):
    assert main(["plan", "--config=imagenet_random", "--accelerator=v5e"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "all 134 232 98" in out and "on one v5e" in out
    assert main(["plan", "--config=imagenet_reduced", "--accelerator=v5"]) == 1
    assert "no accelerator 'v5'; nearest: v5" in capsys.readouterr().err


def test_training_without_data_says_how_to_prepare_it(tmp_path, capsys):
    folder = f"--config.data.folder={tmp_path}/none"
    workdir = f"--workdir={tmp_path}/run"
    assert main(["run", "--config=imagenet_random", folder, workdir]) == 1
    assert "transfer-jax prepare" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_scale_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match="no scale 'small'; scales: full, tiny"):
        load_config("imagenet_random", ["--config.scale=small"])
