"""Races: what they train is what the complete grid trains, within a budget, stopped or not."""

import json
import shutil
import signal

import jax
import numpy as np
import pytest
from etils import epath
from rich.console import Console

import transfer_jax as tj
from tests.running.named import named_config
from tests.running.pretrained import pretrained_config
from transfer_jax import cli
from transfer_jax.analysis.raced import folder_name, races_of
from transfer_jax.analysis.statistics.choices import typed
from transfer_jax.analysis.statistics.crossing import Arm
from transfer_jax.analysis.statistics.race_outcome import Fate
from transfer_jax.analysis.statistics.race_telling import answer_of, sentences
from transfer_jax.engine.cost import multiply_adds
from transfer_jax.folder.checkpoints import CheckpointError, read_tree
from transfer_jax.folder.heads import read_head
from transfer_jax.folder.race_files import read_look
from transfer_jax.folder.results import ResultsError
from transfer_jax.folder.workdir import Workdir, WorkdirError
from transfer_jax.models.backend import made_for
from transfer_jax.plan.estimate import step_shapes
from transfer_jax.plan.fields import ConfigError
from transfer_jax.plan.plan import make_plan
from transfer_jax.plan.prices import prices_of
from transfer_jax.running import beginning, experiment, watch
from transfer_jax.running.progress import RunProgress
from transfer_jax.running.slot import Slot
from transfer_jax.running.stopping import Stopped, StopRequest
from transfer_jax.running.ways import rules_of_plan
from transfer_jax.surgery.safetensors_files import read_safetensors

STEPS = 16
FLAGS = [
    "--config.families=('scratch','probe','freeze','full','lp-ft')", "--config.cuts=(1,3)",
    "--config.seeds=2", f"--config.steps={STEPS}", "--config.checkpoint.networks=all",
    "--config.optimizer.learning_rate=0.1", "--config.data.validation_share=0.01",
]  # fmt: skip
BUDGET = "--config.budget=5"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The complete grid."""
    place = tmp_path_factory.mktemp("whole")
    return tj.run(named_config(place, FLAGS), place / "run")


@pytest.fixture(scope="module")
def raced(tmp_path_factory):
    """The same with a budget that does not pay for all."""
    place = tmp_path_factory.mktemp("raced")
    tj.run(named_config(place, [*FLAGS, BUDGET]), place / "run")
    return place


def the_race(place):
    (found,) = races_of(epath.Path(place / "run"))
    return found


def test_some_ways_are_stopped_and_some_finish(raced):
    outcome = the_race(raced).outcome
    assert outcome.is_over and outcome.finished
    assert outcome.set_aside or outcome.dropped


def test_each_network_is_the_complete_grids_to_the_bit(raced, whole):
    """Numbers, tests, and every array: whether a network raced alone changes nothing of it."""
    place, rows = raced / "run", tj.Results.read(raced / "run").rows
    ended = {(row.label, row.seed) for row in rows}
    assert len(rows) == len(ended) < len(whole.rows)
    assert set(rows) <= set(whole.rows)
    for row in (row for row in rows if row.variant == "freeze"):
        name, cut = f"networks/{row.column}", f"{row.n}+ freeze"
        way = read_tree(epath.Path(place) / "race" / f"freeze@{row.n}" / name)[cut]
        held = read_tree(epath.Path(whole.workdir) / name)[cut]
        assert len(jax.tree.leaves(held)) > 1
        jax.tree.map(np.testing.assert_array_equal, way, held)


def test_what_is_spent_are_the_steps_that_were_trained(raced):
    """Steps by the log that each way keeps, looks by their files."""
    found = the_race(raced)
    spent = spent_by_files(raced / "run", found)
    assert found.spent == pytest.approx(spent, rel=1e-6)
    assert spent <= found.file.budget


def test_what_was_spent_is_told_in_seconds_too(raced):
    """Of all steps: they are counted again in the files of the ways."""
    found = the_race(raced)
    seconds = {}
    for file in (raced / "run" / "race").glob("*/seconds.json"):
        name, _, n = file.parent.name.partition("@")
        held = json.loads(file.read_text())
        assert len(held) == len(list(file.parent.glob("looks/*")))
        seconds[name, int(n or 0)] = sum(held.values())
    assert seconds == {(arm.variant, arm.n): own for arm, own in found.seconds.items()}
    full = next(verdict for verdict in _last_verdicts(found) if verdict.arm.variant == "full")
    one = seconds["full", 0] / sum(found.outcome.rules.whole(full.arm)[: full.look])
    page = " ".join((raced / "run" / "report.html").read_text().split())
    told = f"took {sum(seconds.values()):,.0f} s without compilation, as long as "
    assert f"{told}{sum(seconds.values()) / one:.2f} full fine-tunings of {one:,.0f} s" in page
    assert f"counted, without tests, were {found.outcome.cost:.2f}." in page


def _last_verdicts(found):
    return {v.arm: v for looked in found.outcome.rounds for v in looked.verdicts}.values()


def test_a_full_fine_tuning_is_the_unit_and_frozen_layers_are_cheaper(raced):
    prices = {(way.variant, way.n): way.price for way in the_race(raced).file.ways}
    assert prices["full", 0] == pytest.approx(1)
    assert prices["full", 0] > prices["freeze", 1] > prices["freeze", 3] > 0
    assert prices["probe", 3] == 0
    # By hand: above frozen layers there is a norm, which is trained, and a dense head of 8 features
    # and 10 classes, which has three products a step, and two more than a forward pass. What is
    # below is computed at each step, or once.
    for share, below in ((0.25, 0), (0.0, 1)):
        plan = make_plan(named_config(raced, [*FLAGS, f"--config.cache.share={share}"]))
        found = prices_of(plan)
        images = STEPS * plan.recipe.batch_size
        frozen = next(p for (_, cut), p in found.training.items() if cut.label == "3+ freeze")
        looked_at = -(-plan.recipe.validation_examples // plan.recipe.test_batch_size)
        forward = found.looking / (looked_at * plan.recipe.test_batch_size) - 8 * 10
        assert frozen == pytest.approx(images * (below * forward + 3 * 8 * 10))
    without = found.first
    kept = prices_of(make_plan(named_config(raced, FLAGS))).first
    assert kept - without == pytest.approx(forward * images_trained_on(plan))


def images_trained_on(plan) -> int:
    """Filled up to whole batches."""
    images, size = int(plan.recipe.images.is_train.sum()), plan.recipe.batch_size
    per_class = plan.config.data.train_per_class
    images = min(images, per_class * 10) if per_class else images
    return -(-images // size) * size


def test_a_race_that_was_stopped_anywhere_goes_on_with_the_same_bits(raced, tmp_path):
    """At the first look, and later."""
    config = named_config(tmp_path, [*FLAGS, BUDGET])
    stops = 0
    for pauses in (2, 4):
        stop, seen = StopRequest(), []
        note = watch.SlotWatch._note

        def noting(self, pause, seen=seen, stop=stop, pauses=pauses, note=note):
            note(self, pause)
            seen.append(1)
            if len(seen) == pauses:
                stop.signal = signal.SIGTERM

        with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
            patch.setattr(watch.SlotWatch, "_note", noting)
            tj.run(config, tmp_path / "run", stop=stop)
        stops += 1
    tj.run(config, tmp_path / "run")
    assert stops == 2
    before, after = the_race(raced), the_race(tmp_path)
    assert sentences(after.outcome) == sentences(before.outcome) and after.spent == before.spent
    assert tj.Results.read(tmp_path / "run").rows == tj.Results.read(raced / "run").rows
    for look in (raced / "run" / "race").glob("*/looks/*"):
        other = tmp_path / "run" / look.relative_to(raced / "run")
        found, expected = read_look(epath.Path(other)), read_look(epath.Path(look))
        assert found is not None and expected is not None
        np.testing.assert_array_equal(found.right, expected.right)
    # With a larger budget these could go on.
    aside = {folder_name(verdict.arm) for verdict in after.outcome.set_aside if verdict.look}
    kept = (tmp_path / "run" / "race").glob("*/checkpoints")
    assert {folder.parent.name for folder in kept} == aside


def trained_from(monkeypatch) -> list[tuple[str, int, int]]:
    """Ways, seeds, and the steps that training goes on from, as slots are trained."""
    begun, train = [], Slot.train

    def training(self):
        (own,) = self.columns
        begun.append((own.run.folder.path.name, own.column.seed, self.done))
        return train(self)

    monkeypatch.setattr(Slot, "train", training)
    return begun


@pytest.mark.slow_but_first
@pytest.mark.parametrize("budgets", [(0.9, 1.9, 4.2), (2.2, 5.0)])
def test_a_race_that_is_over_goes_on_with_a_larger_budget(budgets, tmp_path, whole, monkeypatch):
    """What finished still has, no step is done twice, and no more is spent than is said."""
    begun = trained_from(monkeypatch)
    finished: set[Arm] = set()
    for budget in budgets:
        flags = [*FLAGS, "--config.seeds=1", f"--config.budget={budget}"]
        rows = tj.run(named_config(tmp_path, flags), tmp_path / "run").rows
        assert set(rows) <= set(whole.rows)
        found = the_race(tmp_path)
        dropped = {verdict.arm for verdict in found.outcome.dropped}
        assert finished <= {*found.outcome.finished, *dropped}
        finished = {*found.outcome.finished, *dropped}
        assert found.spent == pytest.approx(spent_by_files(tmp_path / "run", found))
        assert found.spent <= budget
    assert len(begun) == len(set(begun)) and any(done for *_, done in begun)
    # A smaller one would say that less was spent than was.
    smaller = named_config(tmp_path, [*FLAGS, "--config.seeds=1", "--config.budget=0.8"])
    with pytest.raises(WorkdirError, match=r"a budget of [\d.]+, which is more than 0\.8; give "):
        tj.run(smaller, tmp_path / "run")


def spent_by_files(run, found) -> float:
    """By the steps of each way's log, and its looks."""
    prices = {(way.variant or way.treatment, way.n): way.price for way in found.file.ways}
    spent = found.file.first
    for folder in (run / "race").iterdir():
        name, _, n = folder.name.partition("@")
        price = prices[name, int(n or 0)]
        for log in folder.glob("metrics/*.jsonl"):
            steps = max(json.loads(line)["step"] for line in log.read_text().splitlines())
            spent += price * steps / STEPS
        spent += found.file.looking * len(list(folder.glob("looks/*"))) * (price > 0)
    return spent


@pytest.mark.slow_but_first
@pytest.mark.parametrize("then", ["again", "larger"])
def test_a_look_that_is_lost_is_seen_again(then, raced, tmp_path, whole, monkeypatch):
    """What is damaged is told before anything changes; what its message says is enough."""
    shutil.copytree(raced / "run", tmp_path / "run")
    found = the_race(tmp_path)
    way = folder_name(next(arm for arm in found.outcome.finished if arm.variant != "probe"))
    look = tmp_path / "run" / "race" / way / "looks" / f"{found.task}.look0.npz"
    look.write_bytes(look.read_bytes()[:50])
    budget = BUDGET if then == "again" else "--config.budget=6"
    config = named_config(raced, [*FLAGS, budget])
    results = (tmp_path / "run" / "results.csv").read_bytes()
    with pytest.raises(ResultsError, match="look0"):
        tj.run(config, tmp_path / "run")
    assert (tmp_path / "run" / "results.csv").read_bytes() == results
    look.unlink()
    rows = tj.run(config, tmp_path / "run").rows
    now = the_race(tmp_path)
    assert set(rows) <= set(whole.rows) and now.file.budget == float(budget[16:])
    ended = {*now.outcome.finished, *(verdict.arm for verdict in now.outcome.dropped)}
    assert {*found.outcome.finished} <= ended and now.spent >= found.spent - 1e-9


def test_heads_that_are_lost_are_solved_again(raced, tmp_path):
    shutil.copytree(raced / "run", tmp_path / "run")
    (file,) = (tmp_path / "run" / "heads").iterdir()
    kept = file.read_bytes()
    config = named_config(raced, [*FLAGS, BUDGET])
    for lost in (lambda: file.write_bytes(kept[:50]), file.unlink):
        before = tj.run(config, tmp_path / "run").rows
        lost()
    with pytest.raises(CheckpointError, match="No such file or directory; delete it and give"):
        read_head(epath.Path(file), "1")
    assert tj.run(config, tmp_path / "run").rows == before
    assert file.read_bytes() == kept


@pytest.mark.slow
def test_a_checkpoint_that_was_deleted_is_missed_aloud(raced, tmp_path, monkeypatch):
    shutil.copytree(raced / "run", tmp_path / "run")
    for folder in (tmp_path / "run" / "race").glob("*/checkpoints"):
        shutil.rmtree(folder)
    said = []
    monkeypatch.setattr(RunProgress, "say", lambda self, line: said.append(line))
    tj.run(named_config(raced, [*FLAGS, "--config.budget=9.5"]), tmp_path / "run")
    told = [line for line in said if "no checkpoint of step" in line]
    assert told and all("trained again from step 0 on, which was paid for once" in t for t in told)


@pytest.mark.slow
def test_seeds_of_ways_go_on_with_a_larger_budget_too(raced, tmp_path, whole, monkeypatch):
    shutil.copytree(raced / "run", tmp_path / "run")
    begun = trained_from(monkeypatch)
    config = named_config(raced, [*FLAGS, "--config.budget=9.5"])
    rows = tj.run(config, tmp_path / "run").rows
    assert set(rows) <= set(whole.rows)
    assert begun and len(begun) == len(set(begun))
    page = (tmp_path / "run" / "report.html").read_text()
    assert "With 95% for the race of each of 2 budgets, this is about ways" in page


@pytest.mark.slow
def test_until_a_larger_budget_has_an_answer_that_of_the_smaller_one_holds(
    raced, tmp_path, monkeypatch
):
    """Whoever is ended before, hears it; what was ended anywhere goes on."""
    shutil.copytree(raced / "run", tmp_path / "run")
    before = the_race(tmp_path)
    config = named_config(raced, [*FLAGS, "--config.budget=8"])
    for where, gone in ((beginning, "write_race"), (experiment, "train")):
        with monkeypatch.context() as patch, pytest.raises(OSError, match="gone"):
            patch.setattr(where, gone, lambda *_: (_ for _ in ()).throw(OSError("gone")))
            tj.run(config, tmp_path / "run")
        assert not (tmp_path / "run" / "results.csv").exists()
        now = the_race(tmp_path)
        assert sentences(now.outcome) == sentences(before.outcome)
    assert now.goes_on == 8 and cli.main(["report", str(tmp_path / "run")]) == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert "It goes on with a budget of 8." in page and "not finished" in page
    assert "transfer-jax export" not in page
    told, _ = experiment._so_far([Workdir(epath.Path(tmp_path / "run"))])
    assert told.startswith("race: the answer of a budget of 5, until there is a new one: ")
    tj.run(config, tmp_path / "run")
    after = the_race(tmp_path)
    assert after.file.budget == 8 and after.goes_on is None and after.outcome.is_over
    assert after.spent > before.spent


def test_who_stops_hears_the_answer_so_far(tmp_path, capsys):
    config = named_config(tmp_path, [*FLAGS, BUDGET])
    stop = StopRequest()
    note = watch.SlotWatch._note

    def at_the_first_look(self, pause):
        note(self, pause)
        stop.signal = signal.SIGINT

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(watch.SlotWatch, "_note", at_the_first_look)
        tj.run(config, tmp_path / "run", stop=stop, console=Console())
    assert "race: No way was looked at yet." in capsys.readouterr().out
    # As where a compiler does not come back in time, and the process is ended.
    race, then = stop.last_words()
    assert race.startswith("race: No way was looked at yet.")
    assert then.startswith("Next: transfer-jax report")


@pytest.mark.slow
def test_each_way_says_up_to_where_it_is_trained(tmp_path, monkeypatch):
    """By hand: a quarter, a half and all of 16 steps, of the ways that are left each time."""
    said = []
    monkeypatch.setattr(RunProgress, "at", lambda self, where: said.append(where))
    tj.run(named_config(tmp_path, [*FLAGS, BUDGET, "--config.seeds=1"]), tmp_path / "run")
    found = the_race(tmp_path).outcome
    lines = [line for line in said if line]
    each = [line.split(", ") for line in lines]
    for number, (looked, until) in enumerate(zip(found.rounds, (4, 8, 16), strict=True)):
        paid = {typed(v.arm) for v in looked.verdicts if v.arm.variant != "probe"}
        own = [parts for parts in each if parts[1] == f"to step {until} of 16"]
        assert {way for way, *_ in own} == paid, number
        assert [which for *_, which in own] == [
            f"{place} of {len(paid)} ways" for place in range(1, len(paid) + 1)
        ]
    assert said[-1] == ""


@pytest.mark.slow
def test_a_large_budget_stops_nobody_for_want_of_money(tmp_path, whole):
    config = named_config(tmp_path, [*FLAGS, "--config.budget=1000", "--config.seeds=1"])
    rows = tj.run(config, tmp_path / "run").rows
    outcome = the_race(tmp_path).outcome
    assert not outcome.set_aside
    dropped = {verdict.arm for verdict in outcome.dropped}
    assert set(rows) <= set(whole.rows)
    assert len(rows) >= len(whole.rows) / 2 - len(dropped)


def test_a_budget_for_heads_alone_trains_nothing(tmp_path, raced):
    plan = make_plan(named_config(tmp_path, [*FLAGS, BUDGET]))
    least = rules_of_plan(plan).first
    config = named_config(tmp_path, [*FLAGS, f"--config.budget={1.001 * least}"])
    rows = tj.run(config, tmp_path / "run").rows
    assert {row.variant for row in rows} == {"probe"}
    outcome = the_race(tmp_path).outcome
    assert len(outcome.never_began) == 5
    told = "These are linear heads alone: no way that trains layers was trained to its end."
    assert told in sentences(outcome)
    assert told not in sentences(the_race(raced).outcome)


@pytest.mark.slow
def test_a_head_on_all_layers_comes_first_like_probes(tmp_path):
    """It is there before anything is trained, costs nothing then, and what comes first has it."""
    flags = [*FLAGS, BUDGET, "--config.families=('probe','head2toe','full')"]
    rules = rules_of_plan(make_plan(named_config(tmp_path, flags)))
    assert {way.variant: way.price for way in rules.ways}["head2toe"] == 0
    without = [*flags, "--config.families=('probe','full')"]
    assert rules.first > rules_of_plan(make_plan(named_config(tmp_path, without))).first
    config = named_config(tmp_path, [*flags, f"--config.budget={1.001 * rules.first}"])
    rows = tj.run(config, tmp_path / "run").rows
    assert {(row.variant, row.n) for row in rows} == {("probe", 1), ("probe", 3), ("head2toe", 0)}
    outcome = the_race(tmp_path).outcome
    assert {folder_name(verdict.arm) for verdict in outcome.never_began} == {"full"}
    assert "head2toe" in {folder_name(arm) for arm in outcome.not_excluded}


def test_the_page_says_what_was_dropped_when_and_why(raced):
    page, found = (raced / "run" / "report.html").read_text(), the_race(raced)
    assert "What became of each way" in page and "for whole.A" not in page
    assert answer_of(found.outcome).split(";")[0] in page
    for verdict in (*found.outcome.set_aside, *found.outcome.dropped):
        assert verdict.why in page
    assert "not finished" not in page and "What is missing" not in page


def test_the_network_to_take_is_written(raced, capsys):
    place = raced / "run"
    assert cli.main(["export", str(place), f"--to={raced / 'best.safetensors'}"]) == 0
    assert read_safetensors(raced / "best.safetensors")
    way = next(
        v.arm for v in the_race(raced).outcome.rounds[-1].verdicts if v.arm.variant != "probe"
    )
    assert cli.main(["export", str(place), f"--way={way.variant}" + (f":{way.n}" if way.n else ""),
                     f"--to={raced / 'way.safetensors'}"]) == 0  # fmt: skip
    # A way that was stopped has no network.
    gone = (the_race(raced).outcome.set_aside or the_race(raced).outcome.dropped)[0]
    if gone.fate == Fate.SET_ASIDE and gone.look < 3:
        capsys.readouterr()
        name = gone.arm.variant or "scratch"
        asked = f"--way={name}" + (f":{gone.arm.n}" if gone.arm.n else "")
        assert cli.main(["export", str(place), asked, f"--to={raced / 'no.safetensors'}"]) == 1
        assert "allowed:" in capsys.readouterr().err


def test_a_plan_says_what_the_race_may_cost(raced, capsys):
    file = raced / "config.json"
    held = json.loads((raced / "run" / "config.json").read_text())
    file.write_text(json.dumps(held))
    assert cli.main(["plan", f"--config={file}", "--accelerator=v5e"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "of a budget of 5; all networks without a race, looked at once:" in said
    rules = the_race(raced)
    assert f"{rules.file.unit / 1e9:,.1f} G multiply-adds" in said


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["budget=0.001"], "budget is 0.001 full fine-tunings, but what comes first"),
        (["budget=2", "network.weights="], "budget is 2, but network.weights is empty"),
        (["budget=2", "optimizer.rates=(0.3,1.0)"], "budget is 2, but optimizer.rates holds 2"),
        (["budget=2", "families=('full','random')"], "budget is 2, but families holds 'random'"),
        (
            ["budget=2", "data.validation_share=0.0"],
            "budget is 2, but there are no validation images",
        ),
        (["budget=2", "steps=3"], "budget is 2, but steps is 3; allowed: 4 or more"),
        (["budget=-1"], "budget is -1"),
        (["budget=two"], "budget is 'two'"),
    ],
)
def test_a_budget_that_cannot_be_is_told_before_anything_is_made(flags, said, tmp_path):
    flags = [f"--config.{flag}" for flag in flags]
    with pytest.raises(ConfigError, match=said) as error:
        tj.run(pretrained_config(tmp_path, flags), tmp_path / "run")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run" / "config.json").exists()


def test_a_damaged_look_is_told(raced, tmp_path):
    shutil.copytree(raced / "run", tmp_path / "run")
    look = next((tmp_path / "run" / "race").glob("*/looks/*"))
    look.write_bytes(look.read_bytes()[:40])
    with pytest.raises(ValueError, match=r"cannot be read: .*; delete it and run again"):
        races_of(epath.Path(tmp_path / "run"))


@pytest.mark.parametrize("number", [0, 1])
def test_a_look_that_was_lost_is_seen_again_as_it_was(number, raced, tmp_path):
    """Not the network as it is now: it has been trained to its end since."""
    shutil.copytree(raced / "run", tmp_path / "run")
    shutil.copy(raced / "weights.safetensors", tmp_path)
    name = f"whole.A.look{number}.npz"
    arm = next(
        verdict.arm
        for verdict in the_race(raced).outcome.rounds[-1].verdicts
        if verdict.arm.variant != "probe"
    )
    look = epath.Path(tmp_path / "run" / "race" / folder_name(arm) / "looks" / name)
    before = read_look(look)
    look.unlink()
    (tmp_path / "run" / "results.csv").unlink()
    tj.run(named_config(tmp_path, [*FLAGS, BUDGET]), tmp_path / "run")
    after = read_look(look)
    assert before is not None and after is not None
    np.testing.assert_array_equal(after.right, before.right)
    assert tj.Results.read(tmp_path / "run").rows == tj.Results.read(raced / "run").rows


def test_a_race_costs_the_same_on_all_devices(raced):
    plan = make_plan(named_config(raced, FLAGS))
    found = prices_of(plan)
    for kind in ("cpu", "gpu"):
        with made_for(kind):
            assert prices_of(plan) == found


def test_ways_that_are_counted_together_cost_the_same(raced):
    """Each way's steps, traced by themselves and with the optimizer."""
    families = "--config.families=('freeze', 'full', 'lp-ft', 'gradual', 'surgical')"
    plan = make_plan(named_config(raced, [*FLAGS, families, "--config.cache.share=0"]))
    found = prices_of(plan).training
    assert {cut.variant.name for _, cut in found} == set(families.split("'")[1::2])
    with made_for("tpu"):
        for (_, cut), price in found.items():
            phases = plan.program((cut,)).phases(plan.recipe.steps)
            each = [n * multiply_adds(p.train, *step_shapes(plan, p)) for n, p in phases]
            assert price == sum(each)


def test_a_margin_is_fixed_before_a_race(raced, capsys):
    place = str(raced / "run")
    assert cli.main(["report", place, "--margin=0.03"]) == 1
    assert "margin is 0.03, but that of a race is fixed before it: 0.01" in capsys.readouterr().err
    assert cli.main(["report", place, "--margin=0.01"]) == 0


def test_a_plan_of_heads_alone_has_nothing_to_train(raced, capsys):
    held = json.loads((raced / "run" / "config.json").read_text()) | {"families": ["probe"]}
    (raced / "heads.json").write_text(json.dumps(held))
    assert cli.main(["plan", f"--config={raced / 'heads.json'}", "--accelerator=v5e"]) == 0
    assert "Of a budget of 5 nothing is left to train" in " ".join(capsys.readouterr().out.split())


def test_seeds_of_a_way_are_trained_after_the_first_one_raced(raced):
    """So the second seed is of those that reached the end with the first."""
    found = the_race(raced).outcome
    assert [len(looked.verdicts) for looked in found.rounds] == sorted(
        (len(looked.verdicts) for looked in found.rounds), reverse=True
    )
    folder = Workdir(epath.Path(raced / "run"))
    for verdict in found.rounds[-1].verdicts:
        if verdict.arm.variant != "probe":
            name = f"{verdict.arm.variant or 'scratch'}" + (
                f"@{verdict.arm.n}" if verdict.arm.n else ""
            )
            assert len(list(folder.way(name).path.glob("columns/*.csv"))) == 2
