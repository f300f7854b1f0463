import jax
import pytest
from ml_collections import ConfigDict

from tests.conftest import TINY
from transfer_jax.engine.cost import multiply_adds
from transfer_jax.grid.conditions import Cut
from transfer_jax.plan.config import load_config
from transfer_jax.plan.costs import Rate
from transfer_jax.plan.estimate import estimate, step_multiply_adds, step_shapes
from transfer_jax.plan.fields import ConfigError, plain
from transfer_jax.plan.optimizer_fields import OPTIMIZERS
from transfer_jax.plan.plan import Plan, by_program, make_plan

RATE = Rate(1e9, compile_seconds=0.0)


def test_the_default_plan_is_the_papers_grid_twice_over_six_seeds():
    plan = make_plan(load_config("fashion_mnist"))
    assert len(plan.bases) == 2 * 6 * 2
    assert len(plan.grid) == 2 * 6 * (8 * 5 + 2 * 5 + 2)
    (_, bases), (_, conditions), (_, scratch) = plan.waves()
    assert [len(group) for group in by_program(bases)] == [24]
    assert sorted(len(group) for group in by_program(conditions)) == [24, 48]
    assert [len(group) for group in by_program(scratch)] == [24]
    # Of one structure, but their rates fall over other numbers of steps.
    assert [len(group) for group in by_program([*bases, *scratch])] == [24, 24]
    programs = {plan.program_key(wave[0].cuts, wave[0].trainings) for wave in (bases, scratch)}
    assert len(programs) == 2


def test_scratch_is_no_treatment_of_the_authors_experiments():
    for name in ("imagenet_random", "imagenet_man_natural", "imagenet_reduced"):
        assert "scratch" not in load_config(name, ["--config.scale=tiny"]).treatments
    assert "scratch" in load_config("cifar100").treatments


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("cuts=(0,)", r"n = 0 is no cut of a network of 6 layers; allowed: 1 \.\.\. 5"),
        ("cuts=(6,)", r"n = 6 is no cut of a network of 6 layers; allowed: 1 \.\.\. 5"),
        ("cuts=('x',)", r"cuts holds 'x'"),
        ("splits=('distent',)", r"no split 'distent'; splits: random-0.*distant"),
        ("splits=()", "splits is empty"),
        ("named_splits.distant.A=()", "task A has no classes"),
        ("named_splits.distant.A=('Bag',)", "tasks A and B overlap in Bag"),
        ("named_splits.distant.A=('Sock',)", "no class 'Sock' in this dataset"),
        ("seeds=0", "seeds is 0; allowed: whole numbers from 1"),
        ("steps=-1", "steps is -1"),
        ("batch_size=100000", "batch_size is 100000, but task A has 50 training examples"),
        (
            "data.train_per_class=981",
            "class 'T-shirt/top' has 980 training images, 981 are asked for",
        ),
        ("data.source=cifar", "no dataset 'cifar'"),
        ("data.shift=-1", "data.shift is -1"),
        ("optimizer.learning_rate=0.0", "optimizer.learning_rate is 0.0"),
        ("optimizer.momentum=1.5", "optimizer.momentum is 1.5"),
        ("optimizer.warmup_steps=5", "optimizer.warmup_steps is 5"),
        ("network.dropout=2.0", "dropout is 2.0"),
        ("network.pools=(9,9,9,9)", "leaves no pixel"),
        ("packing=pmap", "packing is 'pmap'; allowed: unroll, vmap"),
        ("logs.every=0", "logs.every is 0; allowed: whole numbers from 1"),
        ("checkpoint.networks=some", "checkpoint.networks is 'some'; allowed: bases, all"),
        ("checkpoint.minutes=-1.0", "checkpoint.minutes is -1.0; allowed: numbers from 0 to"),
        ("profile_steps=(9,3)", "; such as "),
        ("precision=float16", "precision is 'float16'; allowed: float32, bfloat16"),
        ("preserved=(0,)", "preserved holds 0; allowed: whole numbers"),
        ("devices_per_column=-1", "devices_per_column is -1"),
    ],
)
def test_what_is_impossible_is_told_in_one_line(override, message):
    with pytest.raises(ConfigError, match=message) as error:
        field = override.partition("=")[0]
        others = [flag for flag in TINY if not flag.startswith(f"--config.{field}=")]
        make_plan(load_config("fashion_mnist", [*others, f"--config.{override}"]))
    assert "\n" not in str(error.value)


def with_variant(**fields) -> Plan:
    stated = plain(load_config("fashion_mnist", [*TINY, "--config.preserved=(1,2)"]))
    return make_plan(ConfigDict(stated | {"variants": {"block": fields}}))


def test_variants_and_preserved_layers_are_conditions_of_every_column():
    plan = with_variant(copied=("conv*",), frozen=("conv[134]",))
    labels = [c.label for c in plan.grid if (c.seed, c.base, c.target) == (0, "A", "B")]
    paper = ["A1B", "A1B+", "A3B", "A3B+"]
    preserved = ["A1B preserved1", "A3B preserved1", "A1B preserved2", "A3B preserved2"]
    assert labels == [*paper, *preserved, "A4B block"]
    found = {c.label: Cut(c.n, c.fine_tuned, c.variant) for c in plan.grid}
    assert found["A3B preserved2"].copied == (0, 1, 2, 3, 4)
    assert found["A3B preserved2"].frozen == (0, 1, 2)
    assert found["A4B block"].frozen == (0, 2, 3)
    assert found["A4B block"].trunk_depth == 1
    assert not any(c.variant for c in plan.grid if c.base == "random")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"copied": ("conv9",), "frozen": ()}, "variants.block.copied: no layer 'conv9' in this"),
        ({"copied": ("conv1",)}, "variants.block has copied; it needs copied and frozen"),
    ],
)
def test_a_variant_that_cannot_be_is_told(fields, message):
    with pytest.raises(ConfigError, match=message):
        with_variant(**fields)


@pytest.mark.slow
def test_the_estimate_counts_what_the_plan_holds():
    plan = make_plan(load_config("fashion_mnist", TINY))
    costs = estimate(plan)
    waves = ["base networks", "conditions", "conditions", "scratch"]
    assert [cost.wave for cost in costs] == waves
    # Of one program but for the number of steps: a step takes as much, all of them twice as much.
    base, scratch = costs[0], costs[-1]
    assert (base.steps, scratch.steps) == (5, 10)
    assert (base.networks, base.multiply_adds) == (scratch.networks, scratch.multiply_adds)
    assert sum(cost.networks for cost in costs) == len(plan.networks)
    assert sum(cost.columns for cost in costs) == sum(len(wave) for _, wave in plan.waves())
    whole = sum(leaf.size for leaf in jax.tree.leaves(plan.program(()).network.init(
        jax.random.key(0), jax.numpy.zeros((1, 28, 28, 1)))))  # fmt: skip
    assert costs[0].parameters == whole * len(plan.bases)
    assert all(cost.seconds > 0 and cost.multiply_adds > 0 for cost in costs)


def test_a_chip_that_is_planned_for_has_all_to_do(monkeypatch):
    """However many devices this machine has: five times as many columns take five times as long."""
    monkeypatch.setattr("transfer_jax.plan.estimate.plan_mesh", lambda *_: pytest.fail("its own"))
    one, five = (
        estimate(make_plan(load_config("fashion_mnist", [*TINY, f"--config.seeds={n}"])), RATE)
        for n in (1, 5)
    )
    assert len(one) == len(five) == 4
    for single, several in zip(one, five, strict=True):
        assert several.seconds == pytest.approx(5 * single.seconds)
        assert 1e9 * single.seconds > single.multiply_adds * single.steps


@pytest.mark.parametrize("over", [["treatments=()"], ["treatments=('AnB',)", "splits=('whole',)"]])
def test_a_plan_of_base_networks_alone_has_an_estimate(over):
    overrides = [*TINY, *(f"--config.{field}" for field in over)]
    (cost,) = estimate(make_plan(load_config("fashion_mnist", overrides)))
    assert cost.wave == "base networks" and cost.seconds > 0


def test_the_memory_estimate_is_near_what_xla_plans():
    plan = make_plan(load_config("fashion_mnist"))
    largest = max(estimate(plan), key=lambda cost: cost.memory)
    _, wave = list(plan.waves())[1]
    cuts = by_program(wave)[0][0].cuts
    program = plan.program(cuts)
    shapes = step_shapes(plan, program)
    step = jax.jit(program.train, donate_argnums=0)
    analysis = step.lower(*shapes).compile().memory_analysis()
    planned = analysis.temp_size_in_bytes + analysis.argument_size_in_bytes
    assert 0.8 < largest.memory / planned < 1.25


@pytest.mark.parametrize(
    ("field", "value", "attribute"),
    [
        ("data.shift", 2, "shift"),
        ("data.crop", 20, "crop"),
        ("data.mirror", False, "mirror"),
        ("data.mirror", True, "mirror"),
        ("frozen_dropout", False, "frozen_dropout"),
        ("packing", "vmap", "packing"),
    ],
)
def test_what_a_config_says_of_a_step_is_what_its_program_does(field, value, attribute):
    plan = make_plan(load_config("fashion_mnist", [*TINY, f"--config.{field}={value}"]))
    assert getattr(plan.program((Cut(1, False),)), attribute) == value


def products_of(optimizer):
    flags = [flag for flag in TINY if "optimizer" not in flag]
    flags += [f"--config.optimizer.name={optimizer}", "--config.steps=50"]
    plan = make_plan(load_config("fashion_mnist", flags))
    program = plan.program((Cut(1, False),))
    whole = multiply_adds(program.train, *step_shapes(plan, program))
    return step_multiply_adds(plan, program), whole


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_optimizer_of_the_project_has_no_products_and_is_not_traced_for_them(optimizer):
    counted, whole = products_of(optimizer)
    assert counted == whole > 0


def test_products_of_an_optimizer_of_ones_own_are_counted(tmp_path, monkeypatch):
    (tmp_path / "own_muon.py").write_text(
        "import optax\ndef muon(steps: int): return optax.contrib.muon(0.01)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    counted, whole = products_of("own_muon:muon")
    assert counted == whole > products_of("sgd")[0]
