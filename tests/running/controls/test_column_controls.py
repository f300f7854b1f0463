"""Controls of a small run against what its own networks on disk say."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath

import transfer_jax as tj
from tests.conftest import TINY
from transfer_jax.analysis.figures.control_figures import transfers
from transfer_jax.data.augment import normalise
from transfer_jax.data.tasks import first_examples
from transfer_jax.engine.columns import task_normalisation
from transfer_jax.engine.optimizers import sgd
from transfer_jax.engine.step import ColumnProgram
from transfer_jax.folder.control_results import CONTROLS, ControlRow, read_controls
from transfer_jax.folder.results import ResultsError
from transfer_jax.folder.workdir import Workdir
from transfer_jax.grid.conditions import Cut
from transfer_jax.plan.config import ConfigError, load_config
from transfer_jax.plan.plan import Plan, check_devices, make_plan
from transfer_jax.running.controls import second_run
from transfer_jax.running.controls.probe import Evaluator
from transfer_jax.running.controls.stitching import Stitched, stitched_program
from transfer_jax.running.run import Run
from transfer_jax.running.stopping import Stopped

FLAGS = [
    *(flag for flag in TINY if "seeds" not in flag),
    "--config.seeds=1",
    f"--config.controls={CONTROLS!r}",
    "--config.control_examples=40",
    "--config.checkpoint.networks=all",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[epath.Path, Plan]:
    folder = epath.Path(tmp_path_factory.mktemp("controls") / "run")
    config = load_config("fashion_mnist", FLAGS)
    tj.run(config, folder)
    return folder, make_plan(config)


def rows(run, control: str, column: str = "distant.seed0.A-B") -> list[ControlRow]:
    found = read_controls(run[0] / "controls" / f"{column}.csv")
    return [row for row in found if row.control == control]


def unbiased_hsic(x, y) -> float:
    """Song et al. (2007), equation 5 for linear kernels."""
    a, b = (z @ z.T - np.diag((z * z).sum(1)) for z in (x, y))
    m, one = len(a), np.ones(len(a))
    crossed = (one @ a @ one) * (one @ b @ one) / ((m - 1) * (m - 2))
    return (np.trace(a @ b) + crossed - 2 / (m - 2) * (one @ a @ b @ one)) / (m * (m - 3))


def images_of(plan: Plan, seen):
    """The images that the probe takes, chosen and normalised here by hand."""
    images, task = plan.recipe.images, plan.splits["distant"].task("B")
    numbers = first_examples(images.labels, images.is_test, task, None)
    numbers = numbers[np.linspace(0, len(numbers) - 1, 40).astype(int)]
    labels = np.array([list(task.classes).index(c) for c in images.labels[numbers]])
    return normalise(jnp.asarray(images.in_memory[numbers]), seen.mean, seen.scale), labels


def outputs(network, stored, x, *layers):
    """Of a network as it lies on disk: layers of parameters alone."""
    return network.apply({name: {"params": own} for name, own in stored.items()}, x, *layers)[0]


@pytest.fixture(scope="module")
def looked(run):
    folder, plan = run
    column = next(c for _, w in plan.waves() for c in w if c.name == "distant.seed0.A-B")
    seen = task_normalisation(plan.recipe, plan.splits["distant"].task("A"))
    x, labels = images_of(plan, seen)
    networks = tj.load_tree(str(folder / "networks" / column.name))
    bases = {t: tj.load_tree(str(folder / "bases" / f"distant.seed0.{t}")) for t in "AB"}

    def accuracy(stored) -> float:
        return float(np.mean(np.asarray(outputs(plan.network, stored, x)).argmax(1) == labels))

    return plan, x, networks, bases, accuracy


def test_every_column_of_conditions_has_its_controls_and_base_networks_none(run):
    folder, plan = run
    names = {p.stem for p in (folder / "controls").iterdir()}
    waves = dict(plan.waves())
    assert names == {c.name for c in waves["conditions"]}
    controls = {row.control for row in read_controls(folder / "controls" / "distant.seed0.A-B.csv")}
    assert controls == {
        *("debiased-cka", "stitching", "two-runs", "reinitialisation", "leep", "raw-logme")
    }


def test_similarity_is_that_of_the_networks_on_disk(run, looked):
    plan, x, networks, bases, _ = looked
    found = {(row.n, row.layer): row.value for row in rows(run, "debiased-cka")}
    for n, params in ((0, bases["B"]), (3, networks["3+"])):
        a, b = (
            np.asarray(outputs(plan.network, p, x, 0, 2)).reshape(40, -1).astype(np.float64)
            for p in (bases["A"], params)
        )
        expected = unbiased_hsic(a, b) / np.sqrt(unbiased_hsic(a, a) * unbiased_hsic(b, b))
        assert found[n, "conv2"] == pytest.approx(expected, rel=1e-3)
    same = rows(run, "debiased-cka", "distant.seed0.B-B")
    assert [r.value for r in same if r.n == 0] == pytest.approx([1.0] * 6)


def test_a_line_begins_at_the_network_that_the_run_trained(run, looked):
    _, _, networks, _, accuracy = looked
    found = {(row.n, row.at): row.value for row in rows(run, "two-runs")}
    assert found.keys() == {(n, at) for n in (0, 1, 3) for at in np.linspace(0, 1, 11).tolist()}
    for n in (1, 3):
        assert found[n, 0.0] == pytest.approx(accuracy(networks[f"{n}+"]))


def test_the_line_from_scratch_begins_at_the_base_network_on_images_as_it_saw_them(run):
    folder, plan = run
    split = plan.splits["distant"]
    own = task_normalisation(plan.recipe, split.task("B"))
    x, labels = images_of(plan, own)
    base = tj.load_tree(str(folder / "bases" / "distant.seed0.B"))
    expected = np.mean(np.asarray(outputs(plan.network, base, x)).argmax(1) == labels)
    (first,) = (r.value for r in rows(run, "two-runs") if not r.n and not r.at)
    assert first == pytest.approx(expected)


def test_only_other_tasks_are_begun_again(run):
    folder, _ = run
    held = {p.stem for p in (folder / "controls").iterdir() if "two-runs" in p.read_text()}
    assert held == {"distant.seed0.A-B", "distant.seed0.B-A"}


@pytest.mark.slow
def test_a_second_run_on_the_same_batches_is_the_first(run, tmp_path, monkeypatch):
    """Then nothing lies between the two, at any cut and from scratch."""
    monkeypatch.setattr(second_run, "begun_again", lambda s: s._replace(resume_point=None))
    flags = [flag for flag in FLAGS if "controls=" not in flag] + ["--config.controls=('barrier',)"]
    tj.run(load_config("fashion_mnist", flags), tmp_path / "run")
    found = read_controls(epath.Path(tmp_path / "run" / "controls" / "distant.seed0.A-B.csv"))
    first = {row.n: row.value for row in rows(run, "two-runs") if not row.at}
    assert {row.n for row in found} == {0, 1, 3}
    for row in found:
        assert row.value == pytest.approx(first[row.n])


def test_a_second_run_differs_in_its_batches_and_random_numbers_alone(run, monkeypatch):
    folder, plan = run
    column = next(c for _, w in plan.waves() for c in w if c.name == "distant.seed0.A-B")
    start = Run(plan, Workdir(folder)).start(column)
    again = second_run.begun_again(start)
    changed = {
        name
        for name, a, b in zip(start.inputs._fields, start.inputs, again.inputs, strict=True)
        if not np.array_equal(a, b)
    }
    assert changed == {"train_batches", "key"}
    assert again.networks is start.networks and again.base is start.base
    assert again.settings == start.settings
    for number in range(3):  # Each pass holds the same images; none is in the first run's order.
        size = len(start.order.examples)
        places = np.arange(number * size, (number + 1) * size)
        own, other = start.order.at(places), again.order.at(places)
        assert sorted(own) == sorted(other)
        assert (own != other).mean() > 0.5
    # A run that goes on from a checkpoint begins its second run at the first step.
    resumed = start._replace(resume_point=object())
    assert second_run.begun_again(resumed).resume_point is None


@pytest.mark.slow
def test_networks_from_scratch_are_trained_once_for_all_columns_of_a_target(tmp_path, monkeypatch):
    trained = []
    real = second_run.SecondRuns._trained

    def count(self, plan, start, column):
        trained.append([cut.label for cut in column.cuts])
        return real(self, plan, start, column)

    monkeypatch.setattr(second_run.SecondRuns, "_trained", count)
    flags = [f for f in FLAGS if "networks=all" not in f and "controls=" not in f]
    flags += ["--config.controls=('barrier',)", "--config.examples=(0,5)"]
    tj.run(load_config("fashion_mnist", flags), tmp_path / "run")
    # Two targets, with all of their examples and with five a class.
    assert sorted(trained) == sorted(4 * [["0+"], ["1+", "3+"]])


def test_a_layer_put_back_is_the_grafted_one(run, looked):
    """Below the cut that is the base network's; above it a fresh one."""
    _, _, networks, bases, accuracy = looked
    found = {(row.n, row.layer): row.value for row in rows(run, "reinitialisation")}
    assert found[3, ""] == pytest.approx(accuracy(networks["3+"]))
    changed = {**networks["3+"], "conv2": bases["A"]["conv2"]}
    assert found[3, "conv2"] == pytest.approx(accuracy(changed))
    assert {layer for n, layer in found if n == 1} == {"", *networks["1+"]}


def test_an_untrained_stitch_joins_the_networks_as_they_are(run, looked):
    _, _, _, bases, accuracy = looked
    found = {(row.n, row.at): row.value for row in rows(run, "stitching")}
    assert found.keys() == {(n, at) for n in (1, 3) for at in (0.0, 5.0)}
    names = list(bases["A"])
    for n in (1, 3):
        joined = {name: bases["A" if names.index(name) < n else "B"][name] for name in names}
        assert found[n, 0.0] == pytest.approx(accuracy(joined))
    assert rows(run, "stitching", "distant.seed0.A-A") == []


def test_training_moves_the_stitch_and_nothing_else(network, init):
    program = ColumnProgram(network, (), sgd(0.1, 0.9, 0.0))
    stitched = stitched_program(program, 2)
    below, above = init(jax.random.key(0)), init(jax.random.key(1))
    assert isinstance(stitched.network, Stitched)
    whole = stitched.network.join(below, above, 6)
    (cut,) = stitched.cuts
    state = stitched.init({cut.label: whole})
    assert set(state.conditions[cut.label].params) == {"stitch"}
    assert sum(leaf.size for leaf in jax.tree.leaves(state.conditions[cut.label].params)) == 42
    x = jax.random.normal(jax.random.key(2), (3, 12, 12, 1))
    expected, _ = network.apply(above, network.apply(below, x, 0, 2)[0], 2)
    assert np.allclose(stitched.network.apply(whole, x)[0], expected)


def test_scores_are_there_for_every_cut(run):
    for name in ("leep", "raw-logme"):
        found = rows(run, name)
        assert [row.n for row in found] == [1, 3]
        assert np.isfinite([row.value for row in found]).all()
    assert all(row.value < 0 for row in rows(run, "leep"))


def test_the_report_draws_each_control(run):
    folder, _ = run
    page = (folder / "report.html").read_text()
    for name in ("cka", "stitching", "barrier", "reinitialisation", "scores"):
        assert (folder / f"{name}.svg").exists()
    assert "Stitching: points above base" in page


def test_controls_of_other_treatments_and_of_few_examples_are_drawn(tmp_path):
    """No AnB beside the stitches; columns of five examples a class have rows of their own."""
    flags = [f for f in FLAGS if "networks=all" not in f and "controls=" not in f]
    flags += ["--config.treatments=('AnB+',)", "--config.examples=(0,5)"]
    flags += ["--config.controls=('stitching',)"]
    tj.run(load_config("fashion_mnist", flags), tmp_path / "run")
    found = [
        row
        for path in sorted((tmp_path / "run" / "controls").iterdir())
        for row in read_controls(epath.Path(path))
    ]
    assert {row.examples for row in found} == {0, 5}
    assert len(transfers(found)) == len(found) / 2
    assert (tmp_path / "run" / "stitching.svg").exists()


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0, 1])
def test_a_run_stopped_in_a_second_run_goes_on_with_the_same(run, moment, tmp_path, monkeypatch):
    """As its networks from scratch are trained, or the fine-tuned ones."""
    folder, _ = run
    config = load_config("fashion_mnist", FLAGS)
    pauses = 0
    whole = second_run.SecondRuns._trained

    def stop_at_its_first_pause(self, *args):
        nonlocal pauses
        if pauses == moment:
            self.on_pause = stopped
        pauses += 1
        return whole(self, *args)

    def stopped(_):
        raise Stopped(15, "stopped")

    monkeypatch.setattr(second_run.SecondRuns, "_trained", stop_at_its_first_pause)
    with pytest.raises(Stopped):
        tj.run(config, tmp_path / "again")
    assert not (tmp_path / "again" / "controls" / "distant.seed0.A-B.csv").exists()
    monkeypatch.undo()
    tj.run(config, tmp_path / "again")
    for path in (folder / "controls").iterdir():
        assert path.read_text() == (tmp_path / "again" / "controls" / path.name).read_text()


@pytest.mark.slow
def test_a_run_killed_amid_its_controls_goes_on_with_the_same(run, tmp_path, monkeypatch):
    from transfer_jax.running.controls import column

    folder, _ = run
    config = load_config("fashion_mnist", FLAGS)
    looks = 0
    whole = Evaluator.accuracy

    def stop_at_the_fortieth(self, params, probe):
        nonlocal looks
        looks += 1
        if looks == 40:
            raise KeyboardInterrupt
        return whole(self, params, probe)

    monkeypatch.setattr(column.Evaluator, "accuracy", stop_at_the_fortieth)
    with pytest.raises(KeyboardInterrupt):
        tj.run(config, tmp_path / "again")
    monkeypatch.undo()
    tj.run(config, tmp_path / "again")
    for path in (folder / "controls").iterdir():
        assert path.read_text() == (tmp_path / "again" / "controls" / path.name).read_text()
    assert (folder / "results.csv").read_text() == (tmp_path / "again" / "results.csv").read_text()


def test_controls_change_no_network(run, tmp_path):
    flags = [flag for flag in FLAGS if "controls=" not in flag]
    tj.run(load_config("fashion_mnist", flags), tmp_path / "without")
    ours = (tmp_path / "without" / "results.csv").read_text()
    assert ours == (run[0] / "results.csv").read_text()
    assert not (tmp_path / "without" / "controls").exists()


def test_an_unknown_control_is_one_clear_line():
    with pytest.raises(ConfigError, match="controls holds 'cca'; allowed: cka, stitching"):
        make_plan(load_config("fashion_mnist", ["--config.controls=('cca',)"]))


def test_damaged_controls_are_named(tmp_path):
    path = epath.Path(tmp_path) / "c.csv"
    path.write_text("split,seed\nx,y\n")
    with pytest.raises(ResultsError, match="line 2"):
        read_controls(path)


def test_a_cut_of_the_stitch_owns_one_layer():
    cut = stitched_program(ColumnProgram(_Layers(), (), sgd(0.1, 0.9, 0.0)), 1).cuts[0]
    assert replace(cut, variant=None) == Cut(1, False)
    assert cut.frozen == cut.copied == (0, 2, 3)


class _Layers:
    layer_names = ("a", "b", "c")


@pytest.mark.parametrize("name", ["stitching", "barrier"])
def test_what_is_trained_for_a_control_is_so_by_one_process_alone(run, name, monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    plan = replace(run[1], config=replace(run[1].config, controls=("cka", name)))
    with pytest.raises(ConfigError, match=f"controls holds '{name}', which is trained by one"):
        check_devices(plan)
