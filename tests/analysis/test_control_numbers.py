"""What is said of controls: against tables whose numbers are known, worked out by hand."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from transfer_jax.analysis.control_tables import against_fewer, control_tables
from transfer_jax.analysis.figures.control_figures import control_figures
from transfer_jax.analysis.statistics.control_numbers import (
    barriers,
    profiles,
    put_back,
    stitched,
    transfers,
)
from transfer_jax.analysis.statistics.ranks import FEWER, ranks
from transfer_jax.analysis.tables import shown
from transfer_jax.folder.control_results import ControlRow
from transfer_jax.folder.results import ResultRow

CUTS = (1, 2, 3, 4, 5)
COLUMNS = [("distant", seed, *pair) for seed in range(4) for pair in ("AB", "BA")]
TWO, LOGME, LEEP = "two-runs", "raw-logme", "leep"


def network(column, n: int, top1: float) -> ResultRow:
    """A base network at n = 0, else one of frozen transfer."""
    split, seed, base, target = column
    kind = ("AnB", base) if n else ("base", "")
    numbers = {"top1": top1, "validation": None, "best10": top1, "loss": 0.5}
    return ResultRow(
        split, seed, *kind, target, n, not n, variant="", examples=0, step=50, diverged=0, **numbers
    )


def control(
    column, name: str, n: int, value: float, at: float = 0.0, layer: str = ""
) -> ControlRow:
    return ControlRow(*column, 0, name, n, layer, at, value)


def tau(xs, ys) -> float:
    """Kendall's tau where there are no ties: pairs in the same order less the others."""
    pairs = list(itertools.combinations(range(len(xs)), 2))
    return float(np.mean([np.sign((xs[i] - xs[j]) * (ys[i] - ys[j])) for i, j in pairs]))


def half(values) -> float:
    """Of Student's 95% interval of a mean."""
    return float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture
def measured(random):
    """Accuracies and scores of eight columns, four seeds."""
    accuracies = 0.9 - 0.05 * np.arange(5) + random.normal(0, 0.1, (8, 5))
    reached = {
        c: dict(zip(CUTS, own, strict=True)) for c, own in zip(COLUMNS, accuracies, strict=True)
    }
    scores = {c: dict(zip(CUTS, random.normal(size=5), strict=True)) for c in COLUMNS}
    networks = [network(c, n, y) for c, by_n in reached.items() for n, y in by_n.items()]
    rows = [control(c, LOGME, n, x) for c, by_n in scores.items() for n, x in by_n.items()]
    return reached, scores, networks, rows


def test_taus_and_their_differences_have_intervals_over_seeds(measured):
    reached, scores, networks, rows = measured
    own, trivial = {}, {}
    for column in COLUMNS:
        ys = list(reached[column].values())
        own.setdefault(column[1], []).append(tau(list(scores[column].values()), ys))
        trivial.setdefault(column[1], []).append(tau([-n for n in CUTS], ys))
    logme, fewer = ranks(rows, networks)
    assert (logme.predictor, fewer.predictor) == (LOGME, FEWER)
    of_seeds = [np.mean(own[seed]) for seed in range(4)]
    over = [np.mean(own[seed]) - np.mean(trivial[seed]) for seed in range(4)]
    assert logme.tau.mean == pytest.approx(np.mean(of_seeds))
    assert logme.tau.half_width() == pytest.approx(half(of_seeds))
    assert fewer.tau.mean == pytest.approx(np.mean(list(trivial.values())))
    assert logme.over_fewer.mean == pytest.approx(np.mean(over))
    assert logme.over_fewer.half_width() == pytest.approx(half(over))
    assert logme.columns == fewer.columns == 8
    assert logme.tau.units == 4


def test_columns_and_cuts_are_no_units(measured):
    """The same column twice, under the name of another base, says nothing new."""
    _, _, networks, rows = measured
    once = ranks(rows, networks)[0]
    more = [replace(row, base=f"{row.base}2") for row in networks if row.n]
    also = [replace(row, base=f"{row.base}2") for row in rows]
    twice = ranks([*rows, *also], [*networks, *more])[0]
    assert twice.columns == 16
    assert twice.tau.half_width() == pytest.approx(once.tau.half_width())


def test_one_seed_has_no_interval_and_shows_nothing(measured):
    _, _, networks, rows = measured
    found = ranks([r for r in rows if r.seed == 0], [r for r in networks if r.seed == 0])
    assert all(one.tau.half_width() is None for one in found)
    assert against_fewer(found[0]).startswith("not shown to differ from “fewer layers” (")
    assert "±" not in against_fewer(found[0])


def test_seeds_whose_taus_are_all_alike_are_not_sure_of_them():
    """Of three cuts tau is -1, -1/3, 1/3 or 1: two seeds agree by chance."""
    columns = [c for c in COLUMNS if c[1] < 2]
    networks = [network(c, n, y) for c in columns for n, y in ((1, 0.9), (2, 0.7), (3, 0.8))]
    rows = [control(c, LOGME, n, y) for c in columns for n, y in ((1, 0.9), (2, 0.7), (3, 0.8))]
    logme, fewer = ranks(rows, networks)
    assert (logme.tau.mean, fewer.tau.mean) == (pytest.approx(1), pytest.approx(1 / 3))
    assert logme.over_fewer.half_width() > 1
    assert against_fewer(logme).startswith("not shown to differ")


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (lambda n, y, draw: y, "better than"),
        (lambda n, y, draw: -y, "worse than"),
        (lambda n, y, draw: -float(n), "as well as"),
        (lambda n, y, draw: draw - 0.3 * n, "not shown to differ from"),
    ],
)
def test_a_score_is_told_beside_fewer_layers(measured, random, score, said):
    reached, _, networks, _ = measured
    rows = [
        control(c, LEEP, n, score(n, y, random.normal()))
        for c in COLUMNS
        for n, y in reached[c].items()
    ]
    assert against_fewer(ranks(rows, networks)[0]).startswith(f"{said} “fewer layers”")
    (table,) = shown(control_tables(rows, networks))
    assert [line[1] for line in table.rows] == ["LEEP of an LDA", "fewer layers"]
    assert table.rows[0][3].startswith(said)


def test_columns_without_a_tau_are_counted(measured):
    _, _, networks, rows = measured
    spoilt = [replace(r, value=np.nan) if r.seed == 1 and r.n == 3 else r for r in rows]
    spoilt = [replace(r, value=1.0) if r.seed == 2 and r.base == "A" else r for r in spoilt]
    logme, fewer = ranks(spoilt, networks)
    assert (logme.columns, logme.without) == (5, 3)
    assert (fewer.columns, fewer.without) == (8, 0)
    table = next(t for t in shown(control_tables(spoilt, networks)) if "scores" in t.title)
    assert table.rows[0][4] == "5, 3 without a τ"


def line(column, n, first, middle, last):
    at = {0.0: first, 0.3: 0.0, 0.5: middle, 1.0: last}
    return [control(column, TWO, n, value, place) for place, value in at.items()]


def test_a_barrier_is_what_is_lost_half_way_beside_that_from_scratch(random):
    losses = random.normal(0.02, 0.01, (4, 2))
    scratch = random.normal(0.3, 0.01, (4, 2))
    rows = []
    for i, column in enumerate(COLUMNS):
        lost, alone = losses[i // 2, i % 2], scratch[i // 2, i % 2]
        rows += line(column, 3, 0.8, 0.75 - lost, 0.7) + line(column, 0, 0.6, 0.6 - alone, 0.6)
    first, tuned = barriers(rows)
    assert (first.n, tuned.n) == (0, 3)
    assert tuned.lost.mean == pytest.approx(losses.mean())
    assert tuned.lost.half_width() == pytest.approx(half(losses.mean(axis=1)))
    assert first.lost.mean == pytest.approx(scratch.mean())
    over = (losses - scratch).mean(axis=1)
    assert tuned.over_scratch.mean == pytest.approx(over.mean())
    assert tuned.over_scratch.half_width() == pytest.approx(half(over))
    (table,) = shown(control_tables(rows, [network(c, 0, 0.8) for c in COLUMNS]))
    assert [row[3] for row in table.rows] == ["a barrier", "a barrier"]
    assert table.rows[0][4:] == ("", "")
    assert table.rows[1][5] == "lower"


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ((0.001, 0.0, -0.001, 0.0), "no barrier"),
        ((0.03, -0.02, 0.01, 0.0), "a barrier is not shown"),
        ((-0.01, -0.02, -0.01, -0.02), "better half way"),
    ],
)
def test_no_barrier_is_said_only_where_it_is_shown_to_be_small(lost, said):
    rows = [r for c in COLUMNS for r in line(c, 1, 0.8, 0.8 - lost[c[1]], 0.8)]
    (table,) = shown(control_tables(rows, [network(c, 0, 0.8) for c in COLUMNS]))
    assert table.rows[0][3] == said


def test_a_difference_that_does_not_matter_is_smaller_where_base_is_nearly_perfect():
    """Half a point is nothing at 80%, and all of what is left at 99.5%."""
    lost = (0.004, 0.005, 0.005, 0.006)
    rows = [r for c in COLUMNS for r in line(c, 1, 0.9, 0.9 + lost[c[1]] - 0.005, 0.9)]
    told = []
    for top1 in (0.8, 0.995):
        (table,) = shown(control_tables(rows, [network(c, 0, top1) for c in COLUMNS]))
        told.append(table.rows[0][3])
    assert told == ["no barrier", "a barrier is not shown"]


def test_stitches_are_told_beside_base_and_frozen_transfer(random):
    trained = random.normal(-0.05, 0.01, (4, 2))
    rows, networks = [], []
    for i, column in enumerate(COLUMNS):
        rows.append(control(column, "stitching", 2, 0.8 + trained[i // 2, i % 2], 50.0))
        rows.append(control(column, "stitching", 2, 0.1))
        networks += [network(column, 0, 0.8), network(column, 2, 0.7)]
    found = stitched(rows, networks)["distant", 2]
    assert found["trained"].mean == pytest.approx(trained.mean())
    assert found["trained"].half_width() == pytest.approx(half(trained.mean(axis=1)))
    assert found["untrained"].mean == pytest.approx(-0.7)
    assert found["frozen"].mean == pytest.approx(-0.1)
    (table,) = shown(control_tables(rows, networks))
    assert table.rows[0][5] == "below base"


def test_lines_of_figures_are_means_over_seeds(random):
    values = random.normal(0.7, 0.1, (4, 2))
    rows = [
        control(c, "debiased-cka", 1, values[i // 2, i % 2], layer="conv1")
        for i, c in enumerate(COLUMNS)
    ]
    found = profiles(rows)[1]["conv1"]
    assert found.mean == pytest.approx(values.mean())
    assert found.half_width() == pytest.approx(half(values.mean(axis=1)))


def test_a_layer_put_back_is_told_beside_the_same_network_as_it_is(random):
    whole, lost = random.normal(0.7, 0.1, (4, 2)), random.normal(0.2, 0.01, (4, 2))
    rows = []
    for i, column in enumerate(COLUMNS):
        place = (i // 2, i % 2)
        rows.append(control(column, "reinitialisation", 1, whole[place]))
        rows.append(control(column, "reinitialisation", 1, whole[place] - lost[place], layer="fc"))
    found = put_back(rows)
    assert found.keys() == {(1, "fc")}
    assert found[1, "fc"].mean == pytest.approx(-lost.mean())
    assert found[1, "fc"].half_width() == pytest.approx(half(lost.mean(axis=1)))


def test_random_halves_are_units_of_one_group():
    halves = [(f"random-{i}", 0, *pair) for i in range(3) for pair in ("AB", "BA")]
    rows = [r for i, c in enumerate(halves) for r in line(c, 1, 0.8, 0.7 + 0.01 * (i // 2), 0.8)]
    (found,) = barriers(rows)
    assert (found.tasks, found.lost.units) == ("random halves", 3)
    assert found.lost.half_width() == pytest.approx(half([0.1, 0.09, 0.08]))


def test_what_an_earlier_version_measured_is_named_and_not_drawn(measured):
    _, _, networks, _ = measured
    old = [
        control(c, name, n, 0.5, layer="conv1" if name == "cka" else "")
        for c in COLUMNS
        for n in CUTS
        for name in ("cka", "barrier", "logme")
    ]
    assert control_figures(old, networks) == {}
    (table,) = shown(control_tables(old, networks))
    assert "earlier version" in table.title
    assert [line[0] for line in table.rows] == ["cka", "barrier", "logme"]


def test_columns_that_transfer_nothing_are_left_out():
    bases = ("A", "B", "random", "scratch")
    rows = [control(("distant", 0, base, "B"), TWO, 1, 0.5) for base in bases]
    few = replace(rows[0], examples=5)
    assert transfers([*rows, few]) == rows[:1]
