"""Runs whose networks begin as a weights file: each family against plain Flax and optax."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from etils import epath

import transfer_jax as tj
from tests.running.pretrained import NAMES, network, pretrained_config, weights
from transfer_jax.folder.checkpoints import CheckpointError, read_tree
from transfer_jax.folder.heads import read_head
from transfer_jax.folder.results import Results
from transfer_jax.folder.workdir import Workdir, WorkdirError
from transfer_jax.grid.pretrained import FAMILIES
from transfer_jax.models.layered import from_stored
from transfer_jax.plan.components import build_images
from transfer_jax.plan.costs import Rate
from transfer_jax.plan.differences import fingerprint
from transfer_jax.plan.estimate import estimate
from transfer_jax.plan.fields import ConfigError
from transfer_jax.plan.pilot import pilot_plans
from transfer_jax.plan.plan import make_plan
from transfer_jax.running import column_files, probes, watch
from transfer_jax.running.claim import claim
from transfer_jax.running.run import Run
from transfer_jax.surgery.diff import diff

STEPS, RATE, DECAY = 6, 0.02, 5e-4
KEPT = ["--config.checkpoint.networks=all", f"--config.optimizer.learning_rate={RATE}"]
# Each phase of gradual unfreezing compiles all of its column again.
QUICK = tuple(name for name in FAMILIES if name != "gradual")
FLAGS = {
    "held": [*KEPT, f"--config.families={QUICK}"],
    "moves": [*KEPT, "--config.families=('freeze','full')", "--config.copied_statistics=moves"],
}
# Of each network: layers that stay the file's, and blocks that learn their statistics.
TRAINED = {
    "pretrained1A+ freeze": NAMES[1:],
    "pretrained3A+ freeze": NAMES[3:],
    "pretrained4A+ freeze": NAMES[4:],
    "pretrained0A+ full": NAMES,
    "pretrained0A+ lp-ft": NAMES,
    "pretrained1A+ surgical": ("stem", "head"),
    "pretrained3A+ surgical": ("block1", "block2", "head"),
    "pretrained4A+ surgical": ("block3", "head"),
}


def trained_in(folder, flags):
    """A finished run."""
    config = pretrained_config(folder, flags)
    tj.run(config, folder / "run")
    return Run(make_plan(config), Workdir(epath.Path(folder / "run")))


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    """Of all families; statistics of copied layers are held."""
    return trained_in(tmp_path_factory.mktemp("held"), FLAGS["held"])


@pytest.fixture(scope="module")
def moves(tmp_path_factory):
    """Of two families; statistics of copied layers that are trained move."""
    return trained_in(tmp_path_factory.mktemp("moves"), FLAGS["moves"])


def kept(run, column, cut):
    """All layers of a trained network: those that it owns, and the file's."""
    like = weights()
    stored = read_tree(run.folder.networks(column))[cut.label]
    return {**like, **from_stored(stored, like)}


def columns_of(run):
    return {column.name.partition("seed0.")[2]: column for column in run.plan.every_column()}


def by_hand(run, column, begin, trained, moves):
    """A network trained by Flax and optax alone; which layers, and whether statistics move."""
    inputs, images = run.start(column).inputs, run.plan.recipe.images
    layers = network(10).layers
    schedule = optax.warmup_cosine_decay_schedule(0.0, RATE, 1, STEPS)
    tx = optax.chain(optax.add_decayed_weights(DECAY), optax.sgd(schedule, momentum=0.9))
    free = {name: begin[name]["params"] for name in trained}
    still = {name: begin[name]["params"] for name in NAMES if name not in trained}
    statistics = {name: begin[name]["batch_stats"] for name in NAMES[:-1]}
    state = tx.init(free)

    def loss(free, statistics, x, y):
        new = {}
        for name in NAMES[:-1]:
            own = {"params": {**free, **still}[name], "batch_stats": statistics[name]}
            if moves and name in trained:
                x, changed = layers[name].apply(own, x, train=True, mutable=["batch_stats"])
                new[name] = changed["batch_stats"]
            else:
                x = layers[name].apply(own, x, train=False)
        logits = layers["head"].apply({"params": free["head"]}, x)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), new

    gradient = jax.jit(jax.grad(loss, has_aux=True))
    for step in range(STEPS):
        batch = np.asarray(inputs.train_batches)[step]
        x = (images.in_memory[batch].astype(np.float32) - inputs.mean) * inputs.scale
        grads, new = gradient(free, statistics, x, images.labels[batch])
        updates, state = tx.update(grads, state, free)
        free, statistics = optax.apply_updates(free, updates), {**statistics, **new}
    return {
        name: {"params": {**free, **still}[name]}
        | ({"batch_stats": statistics[name]} if name in statistics else {})
        for name in NAMES
    }


def begun(run, column, label):
    """The file's layers under logits of zeros, or under the head that was solved."""
    held = weights()
    dense = {"kernel": jnp.zeros((10, 10)), "bias": jnp.zeros(10)}
    if "lp-ft" in label:
        solved = read_head(run.folder.heads(column), "4")
        dense = {"kernel": jnp.asarray(solved.kernel), "bias": jnp.asarray(solved.bias)}
    norm = held["head"]["params"]["norm"]
    return {**held, "head": {"params": {"norm": norm, "dense": dense}}}


CASES = [("held", label) for label in TRAINED]
CASES += [("moves", label) for label in ("pretrained3A+ freeze", "pretrained0A+ full")]


@pytest.mark.parametrize(("choice", "label"), CASES)
def test_a_family_equals_plain_flax(choice, label, request):
    run, moves = request.getfixturevalue(choice), choice == "moves"
    column = columns_of(run)["pretrained-A"]
    (cut,) = [c for c, d in zip(column.cuts, column.conditions, strict=True) if d.label == label]
    begin, found = begun(run, column, label), kept(run, column, cut)
    expected = by_hand(run, column, begin, TRAINED[label], moves)
    for name in NAMES:
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, atol=2e-4), found[name], expected[name]
        )
        changed = bool(diff(begin[name]["params"], found[name]["params"]))
        assert changed == (name in TRAINED[label]), name
        if name != "head":
            learned = bool(diff(begin[name]["batch_stats"], found[name]["batch_stats"]))
            assert learned == (moves and name in TRAINED[label]), name


def test_a_fresh_top_is_the_papers(held):
    """Layers above the cut are drawn, not the file's; those below are it to the bit."""
    run = held
    column = columns_of(run)["pretrained-A"]
    start = run.start(column)
    for cut in column.cuts:
        if cut.variant is None:
            for layer, name in enumerate(NAMES):
                fresh = bool(diff(start.networks[cut.label][name]["params"],
                                  begun(run, column, "")[name]["params"]))  # fmt: skip
                assert fresh == (layer >= cut.n), (cut.label, name)


def test_scratch_and_random_have_nothing_of_the_file(held):
    run = held
    columns = columns_of(run)
    steps = {name: column.steps(STEPS) for name, column in columns.items()}
    assert steps == {
        "pretrained-A.probes": 0, "pretrained-A": STEPS, "random-A": STEPS, "scratch-A": STEPS,
    }  # fmt: skip
    for name in ("random-A", "scratch-A"):
        for whole in run.start(columns[name]).networks.values():
            assert diff(whole["stem"]["params"], weights()["stem"]["params"])


def test_the_solved_head_begins_as_the_probe_does(held):
    """What lp-ft begins with classifies as the probe on all layers, example by example."""
    run = held
    column = columns_of(run)["pretrained-A"]
    start, images = run.start(column), run.plan.recipe.images
    test = np.asarray(start.inputs.test_batches)
    test = test[test >= 0]
    x = (images.in_memory[test].astype(np.float32) - start.inputs.mean) * start.inputs.scale
    logits, _ = network(10).apply(start.networks["0+ lp-ft"], jnp.asarray(x))
    accuracy = float((np.asarray(logits).argmax(1) == images.labels[test]).mean())
    row = next(r for r in run.rows() if r.label == "pretrained4A probe")
    assert row.top1 == pytest.approx(accuracy, abs=1e-6)
    assert (row.step, row.treatment, row.column) == (0, "AnB", "whole.seed0.pretrained-A.probes")


def test_what_lies_in_the_folder(held):
    run = held
    assert run.folder.layers() == NAMES
    for column in run.plan.every_column():
        for file in (run.folder.correct, run.folder.validated, run.folder.curves):
            assert file(column).exists(), column.name
    held = json.loads(run.folder.versions.read_text())
    assert len(held["network.weights"]) == 64
    assert len(Results.read(run.folder.path).rows) == len(run.plan.networks) == 22


@pytest.mark.slow_but_first
@pytest.mark.parametrize("family", ["lp-ft", "probe", "head2toe"])
def test_alone_as_in_the_grid(family, held, tmp_path):
    config = pretrained_config(tmp_path, [*KEPT, f"--config.families=('{family}',)"])
    every = {row.label: row for row in held.rows()}
    for row in tj.run(config, tmp_path / "run").rows:
        assert row.loss == pytest.approx(every[row.label].loss, rel=1e-3), row.label


@pytest.mark.slow
def test_broken_off_at_any_moment_it_ends_with_the_same_bits(tmp_path):
    """Between features and heads, between seeds, in a phase of gradual unfreezing, after it."""
    flags = ["--config.families=('probe','head2toe','lp-ft','gradual')",
             "--config.checkpoint.steps=1",
             "--config.cuts=('block1',)", "--config.seeds=2", "--config.logs.every=1",
             *KEPT]  # fmt: skip
    config = pretrained_config(tmp_path, flags)
    tj.run(config, tmp_path / "whole")
    stops = [
        (probes, "probe", 1),
        (probes, "head_on_all_layers", 1),
        (column_files, "write_rows", 2),
        (watch.SlotWatch, "_save", 4),
    ]
    for where, name, calls in stops:
        left, real = [calls], getattr(where, name)

        def breaks(*args, left=left, real=real, **kwargs):
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt
            return real(*args, **kwargs)

        with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(where, name, breaks)
            tj.run(config, tmp_path / "broken")
        assert not (tmp_path / "broken" / "results.csv").exists()
    tj.run(config, tmp_path / "broken")
    for folder in ("results.csv", "columns", "correct", "validated", "heads", "curves"):
        for file in [*(tmp_path / "whole").glob(f"{folder}/*"), *(tmp_path / "whole").glob(folder)]:
            if file.is_file():
                other = tmp_path / "broken" / file.relative_to(tmp_path / "whole")
                assert other.read_bytes() == file.read_bytes(), file


def test_seeds_share_what_is_solved(tmp_path):
    config = pretrained_config(
        tmp_path, ["--config.seeds=2", "--config.families=('probe',)", "--config.cuts=('block1',)"]
    )
    one, two = tj.run(config, tmp_path / "run").rows
    assert replace(one, seed=1) == two and (one.n, one.step) == (2, 0)
    assert len(list((tmp_path / "run" / "heads").iterdir())) == 1


@pytest.mark.slow
def test_two_tasks_of_other_sizes_and_few_examples(tmp_path):
    flags = ["--config.named_splits.odd.A=('Bag','Coat','Shirt')", "--config.splits=('odd',)",
             "--config.named_splits.odd.B=('Sneaker','Sandal')", "--config.examples=(0,8)",
             "--config.families=('lp-ft','probe')", "--config.steps=2",
             "--config.batch_size=8"]  # fmt: skip
    config = pretrained_config(tmp_path, flags)
    rows = tj.run(config, tmp_path / "run").rows
    assert len(rows) == 2 * 2 * 4
    assert {(row.target, row.examples) for row in rows} == {(t, k) for t in "AB" for k in (0, 8)}
    assert len(list((tmp_path / "run" / "heads").iterdir())) == 4


def test_another_file_is_refused_and_a_moved_one_is_not(tmp_path):
    flags = ["--config.families=('probe',)"]
    config = pretrained_config(tmp_path, flags)
    rows = tj.run(config, tmp_path / "run").rows
    moved = tmp_path / "moved.safetensors"
    (tmp_path / "weights.safetensors").rename(moved)
    elsewhere = replace(config, network=replace(config.network, weights=str(moved)))
    assert tj.run(elsewhere, tmp_path / "run").rows == rows
    other = pretrained_config(tmp_path, flags, seed=5)
    with pytest.raises(WorkdirError, match=r"other network\.weights: SHA-256 \w{12} there"):
        tj.run(other, tmp_path / "run")


def test_a_run_with_weights_is_none_without(tmp_path):
    config = pretrained_config(tmp_path)
    images = build_images(config)
    claim(Workdir(epath.Path(tmp_path / "run")), config, images)
    without = replace(config, network=replace(config.network, weights=""))
    with pytest.raises(WorkdirError, match=r"network\.weights: SHA-256 \w{12} there, none here"):
        claim(Workdir(epath.Path(tmp_path / "run")), without, images)
    assert fingerprint(config, images) != fingerprint(without, images)


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("cuts=('blok1',)", "cuts holds 'blok1'; allowed: .*; nearest: block1"),
        ("cuts=(5,)", "n = 5 is no cut of a network of 5 layers; allowed: 1 ... 4"),
        ("network.weights=absent.pth", "network.weights: .*absent.pth"),
        ("treatments=('AnB',)", "treatments is .* leave treatments out"),
        ("controls=('cka',)", "controls is .* no base network is trained"),
        ("families=()", "families is empty; allowed: any of scratch, probe"),
        ("families=('prob',)", "families holds 'prob'; allowed: scratch, probe"),
        ("families=('head2to',)", "families holds 'head2to'; allowed: .*; nearest: head2toe"),
    ],
)
def test_what_cannot_be_asked_for_is_told_in_one_line(flag, said, tmp_path):
    with pytest.raises(ConfigError, match=said) as error:
        make_plan(pretrained_config(tmp_path, [f"--config.{flag}"]))
    assert "\n" not in str(error.value)


def test_heads_that_are_gone_are_told(tmp_path):
    config = pretrained_config(tmp_path)
    run = Run(make_plan(config), Workdir(epath.Path(tmp_path / "run")))
    with pytest.raises(CheckpointError, match=r"heads/whole\.A\.npz cannot be read"):
        run.start(columns_of(run)["pretrained-A"])


@pytest.mark.slow
def test_learning_rates_are_chosen_for_families(tmp_path):
    """Scratch, frozen and fine-tuned networks on a seed of its own; heads are those of the run."""
    flags = ["--config.optimizer.rates=(0.3,1.0)", "--config.cuts=('block3',)", "--config.steps=2"]
    config = pretrained_config(tmp_path, flags)
    plan = make_plan(config)
    tried = pilot_plans(plan)[1.0]
    assert {c.label for c in tried.grid} == {
        "pretrained4A+ freeze", "pretrained0A+ full", "pretrained0A+ lp-ft", "scratchA",
    }  # fmt: skip
    assert tried.bases == ()
    tj.run(config, tmp_path / "run")
    chosen = json.loads((tmp_path / "run" / "rates.json").read_text())
    assert set(chosen) == {"scratch", "frozen", "fine-tuned"}


def test_what_a_plan_costs(tmp_path):
    """Probes cost one forward pass, whatever the number of seeds; scratch as much as the others."""
    plans = [make_plan(pretrained_config(tmp_path, [f"--config.seeds={n}"])) for n in (1, 3)]
    one, three = ({cost.wave: cost for cost in estimate(plan, Rate(1e9, 1.0))} for plan in plans)
    assert list(one) == ["probes", "conditions", "scratch"]
    assert (one["probes"].networks, three["probes"].networks) == (3, 9)
    assert one["probes"].multiply_adds == three["probes"].multiply_adds
    # Ten classes; stem, block2 and what enters the logits have 6, 8 and 10 features.
    assert one["probes"].parameters == 10 * (7 + 9 + 11)
    assert one["scratch"].steps == one["conditions"].steps == STEPS
    assert three["conditions"].multiply_adds == 3 * one["conditions"].multiply_adds


def test_what_a_head_on_all_layers_costs(tmp_path):
    """The forward pass is the probes' own; a cut more adds its features."""
    both = ("'probe'", "'probe','head2toe'")
    plans = [make_plan(pretrained_config(tmp_path, [f"--config.families=({f},)"])) for f in both]
    (alone,), (beside,) = (estimate(plan, Rate(1e9, 1.0)) for plan in plans)
    assert (alone.wave, beside.wave, beside.networks - alone.networks) == ("probes", "probes", 1)
    assert beside.parameters - alone.parameters == 10 * (6 + 8 + 10 + 1)
    train, every = 120, 6 + 8 + 10
    # Four shares, seven strengths, 50 evaluations of two products; and finding axes, as it is said.
    solving = 4 * train * every * (2 * 50 * 7 * 10 + 4 * every)
    assert beside.multiply_adds - alone.multiply_adds == solving
    assert beside.memory > alone.memory
