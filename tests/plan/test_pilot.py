"""Which networks a pilot trains, and what it costs."""

from dataclasses import replace

import jax.numpy as jnp
import pytest
from ml_collections import ConfigDict

from tests.conftest import TINY
from transfer_jax.grid.families import Family, family_of
from transfer_jax.grid.grid import columns
from transfer_jax.plan.config import load_config
from transfer_jax.plan.estimate import Rate, estimate
from transfer_jax.plan.fields import ConfigError, plain
from transfer_jax.plan.optimizer_fields import AdamW, Caffe, Sgd, in_state, make_optimizer, rates_of
from transfer_jax.plan.pilot import PILOT_SEED, pilot_plans
from transfer_jax.plan.plan import Plan, make_plan

RATES = "--config.optimizer.rates=(3.0,0.3,1.0)"


def plan_of(*flags: str) -> Plan:
    return make_plan(load_config("fashion_mnist", [*TINY, RATES, *flags]))


def test_one_rate_is_no_choice():
    assert pilot_plans(make_plan(load_config("fashion_mnist", TINY))) == {}
    assert pilot_plans(plan_of("--config.optimizer.rates=(0.5,)")) == {}


def test_a_pilot_trains_base_networks_and_what_copies_from_the_other_task_at_every_rate():
    plans = pilot_plans(plan_of())
    assert list(plans) == [0.3, 1.0, 3.0]
    for rate, plan in plans.items():
        assert [c.label for c in plan.bases] == ["baseA", "baseB"]
        names = {column.name for column in columns(plan.grid)}
        assert names == {f"distant.seed{PILOT_SEED}.{pair}" for pair in ("A-B", "B-A")}
        cuts = {cut.label for column in columns(plan.grid) for cut in column.cuts}
        assert cuts == {"1", "1+", "3", "3+"}
        assert plan.config.optimizer.rates == (rate,)  # pyright: ignore
        assert {c.seed for c in plan.networks} == {PILOT_SEED}


def test_it_is_the_same_whatever_the_runs_seeds_are_of_which_its_own_is_none():
    one, many = (pilot_plans(plan_of(f"--config.seeds={n}"))[1.0] for n in (1, 5))
    assert one.networks == many.networks
    # The largest number of seeds that a config may have.
    with pytest.raises(ConfigError, match="to 1000"):
        load_config("fashion_mnist", [f"--config.seeds={PILOT_SEED + 1}"])
    assert PILOT_SEED not in range(1000)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["treatments=('BnB','BnB+')"], {"A-A", "B-B"}),
        (["treatments=('AnB','BnB')"], {"A-B", "B-A"}),
        # AnB leaves the fine-tuned ones out.
        (["treatments=('AnB','BnB','BnB+')"], {"A-B", "B-A", "A-A", "B-B"}),
        (["treatments=('random',)"], {"random-A", "random-B"}),
        (["treatments=('random','AnB')"], {"A-B", "B-A"}),
        (["treatments=('scratch',)"], set()),
        (["treatments=()"], set()),
        (["splits=('whole',)"], {"A-A"}),
        (["examples=(0,5)", "treatments=('AnB',)"],
         {"A-B", "B-A", "A-B.first5", "B-A.first5"}),
    ],
)  # fmt: skip
def test_every_family_of_the_grid_is_tried(flags, expected):
    plan = plan_of(*(f"--config.{flag}" for flag in flags))
    tried = pilot_plans(plan)[1.0]
    assert {c.name.partition(f"seed{PILOT_SEED}.")[2] for c in columns(tried.grid)} == expected
    families = [
        {family_of(cut) for column in columns(own.networks) for cut in column.cuts}
        for own in (plan, tried)
    ]
    assert families[0] == families[1] >= {Family.SCRATCH}


def test_other_choices_of_layers_count_by_whether_anything_copied_is_trained():
    stated = plain(load_config("fashion_mnist", [*TINY, RATES, "--config.preserved=(1,)"]))
    variants = {
        "block": {"copied": ("conv*",), "frozen": ("conv[134]",)},
        "still": {"copied": ("conv[12]",), "frozen": ("conv[123]",)},
        "none": {"copied": (), "frozen": ("conv1",)},
    }
    plan = make_plan(ConfigDict(stated | {"variants": variants, "schedules": ("lp-ft",)}))
    found = {cut.label: family_of(cut) for column in columns(plan.grid) for cut in column.cuts}
    assert {label: str(family) for label, family in found.items()} == {
        "1": "frozen", "1+": "fine-tuned", "3": "frozen", "3+": "fine-tuned",
        "1 preserved1": "fine-tuned", "3 preserved1": "fine-tuned",
        "1+ lp-ft": "fine-tuned", "3+ lp-ft": "fine-tuned",
        "4 block": "fine-tuned", "2 still": "frozen", "0 none": "scratch", "0+": "scratch",
    }  # fmt: skip


def test_what_it_tries_has_the_programs_of_the_grid():
    plan = plan_of()
    grid = {plan.program_key(c.cuts, c.trainings) for _, wave in plan.waves() for c in wave}
    for own in pilot_plans(plan).values():
        for column in columns(own.networks):
            assert own.program_key(column.cuts, column.trainings) in grid


def test_its_costs_are_counted():
    """Three rates: of the base networks of one seed, and of half of the columns that copy."""
    plan = plan_of("--config.seeds=1")
    base, pairs, *own = estimate(plan, Rate(1e9, 1.0))
    of_base, of_pairs = own[0], own[1]
    assert [base.wave, pairs.wave] == ["pilot: base networks", "pilot: conditions"]
    assert base.networks == 3 * of_base.networks and base.multiply_adds == 3 * of_base.multiply_adds
    assert 2 * pairs.networks == 3 * of_pairs.networks
    assert 2 * pairs.multiply_adds == 3 * of_pairs.multiply_adds
    # It compiles nothing of its own, and is not judged by test images.
    assert base.compile_seconds == pairs.compile_seconds == 0
    assert base.seconds < 3 * of_base.seconds
    assert sum(cost.networks for cost in own) == len(plan.networks)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("data.validation_share=0.0", r"rates holds 3 rates, but task A has no validation images"),
        ("optimizer.rates=()", "optimizer.rates is empty; "),
        ("optimizer.rates=(0.0,1.0)", "optimizer.rates holds 0.0; allowed: numbers above 0"),
        ("optimizer.rates=(1.0,1.0)", "optimizer.rates holds 1.0 twice"),
        ("optimizer.rates=3.0", r"optimizer.rates is 3.0; allowed: a tuple of numbers"),
    ],
)
def test_rates_that_cannot_be_chosen_among_are_told(flag, message):
    with pytest.raises(ConfigError, match=message):
        plan_of(f"--config.{flag}")


def test_one_rate_needs_no_validation_images():
    plan = plan_of("--config.data.validation_share=0.0", "--config.optimizer.rates=(0.5,)")
    assert plan.recipe.validation_examples == 0


OF_ALL = {"learning_rate": 0.5, "weight_decay": 0.125}
BY_LAYER = {"head_multiple": 8.0, "layer_decay": 0.5}
BETAS = {"beta1": 0.75, "beta2": 0.5}


@pytest.mark.parametrize(
    ("fields", "held"),
    [
        (Sgd(), OF_ALL),
        (Caffe(), OF_ALL),
        (Sgd(**BY_LAYER), OF_ALL | BY_LAYER),
        (Sgd(head_multiple=8.0), OF_ALL | {"head_multiple": 8.0, "layer_decay": 1.0}),
        (AdamW(**BETAS), OF_ALL | BETAS | {"head_multiple": 1.0, "layer_decay": 1.0}),
        (AdamW(**BETAS, **BY_LAYER), OF_ALL | BETAS | BY_LAYER),
    ],
)
def test_a_rate_multiplies_the_learning_rate_in_the_state_and_nothing_else(fields, held):
    fields = replace(fields, learning_rate=0.25, weight_decay=0.125, rates=(2.0,))
    assert in_state(fields, 2.0) == held
    params = {"w": jnp.zeros(2)}
    state = make_optimizer(fields, 50, layers=("w",)).init(params)
    found = {name: float(value) for name, value in state.hyperparams.items()}  # pyright: ignore
    assert found == held | {"learning_rate": 0.25}
    assert rates_of(fields) == (2.0,)
