"""How often is a race wrong, and what does it save? On tables whose truth is known.

    python experiments/race/simulate.py                        # the table of docs/report.md
    python experiments/race/simulate.py --tables=100           # sooner
    python experiments/race/simulate.py --run=runs/fashion_mnist   # curves.csv anew, of a grid

`curves.csv` holds real learning curves: those of the default run, of the transferred networks of
each split and of the selffers, the mean over its twelve columns. Other truths are made up. Each
table draws images, which are easy or hard for all networks, and what each network makes of each of
them; each network of a seed has luck of its own.
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from etils import epath
from scipy.stats import norm

from transfer_jax.analysis.statistics.best import compare
from transfer_jax.analysis.statistics.choices import cost_of
from transfer_jax.analysis.statistics.crossing import Arm
from transfer_jax.analysis.statistics.race import after, race
from transfer_jax.analysis.statistics.race_evidence import ways_of
from transfer_jax.analysis.statistics.race_outcome import RaceOutcome
from transfer_jax.analysis.statistics.race_rules import SHARES, Rules, Seen, looks_of
from transfer_jax.folder.curves import read_curves
from transfer_jax.grid.conditions import Treatment

CURVES = Path(__file__).with_name("curves.csv")
MARGIN = 0.01
# Standard deviations on the scale of the normal distribution, where images have 1: what a network
# makes of an image, of which so much is the same at another look at the network.
OWN, KEPT = 0.6, 0.8
# Frozen ways are cheaper, by this for each layer.
CHEAPER = 0.12


class Truth(NamedTuple):
    """Accuracies on all images that there are, of each way at each look of a seed."""

    arms: tuple[Arm, ...]
    accuracy: np.ndarray


class Counted(NamedTuple):
    """Shares of tables; `lost` is in points.

    Attributes:
      dropped: some way was wrongly dropped.
      chosen: the choice is worse than the best of those trained to the end by more than the margin.
      decided: there is a choice for all ways.
      same: of tables that the complete grid decides, those where the race chooses the same way.
      against: of these, those where the race excludes that way.
      complete: tables that the complete grid decides.
      saved: share of the complete grid's cost.
      lost: by how much what is taken is below the best of all ways, on average.
    """

    dropped: float
    chosen: float
    decided: float
    same: float
    against: float
    complete: float
    saved: float
    lost: float


def ways(cuts: Sequence[int]) -> tuple[Arm, ...]:
    """Frozen and fine-tuned ones."""
    both = (Treatment.TRANSFER, Treatment.TRANSFER_PLUS)
    return tuple(Arm(treatment, n) for treatment in both for n in cuts)


def real(name: str) -> Truth:
    """Curves of a complete grid."""
    lines = [line for line in csv.reader(CURVES.read_text().splitlines()) if line[0] == name]
    shares = np.linspace(0.1, 1.0, len(lines[0]) - 3)
    arms = tuple(Arm(Treatment(treatment), int(n)) for _, treatment, n, *_ in lines)
    curves = np.array([line[3:] for line in lines], float)
    return Truth(arms, np.array([np.interp(SHARES, shares, curve) for curve in curves]))


def made_up(below: Sequence[float], early: Sequence[float]) -> Truth:
    """Eight ways: by how much each is below 0.85 at the end, and further below it at first."""
    last = 0.85 - np.array(below)
    fades = np.array([1.0, 0.4, 0.0])
    return Truth(ways(range(1, 5)), last[:, None] - np.outer(early, fades))


CROSSING = (0.0, 0.02, 0.04, 0.06, 0.15, 0.12, 0.10, 0.08)
TRUTHS: dict[str, Callable[[], Truth]] = {
    **{
        f"real: {name}": lambda name=name: real(name)
        for name in ("distant transfer", "random transfer", "distant selffer", "random selffer")
    },
    "one best by 4, from the start": lambda: made_up([0.04] * 7 + [0.0], [0.0] * 8),
    "one best by 4, last at first": lambda: made_up([0.04] * 7 + [0.0], [0.0] * 7 + [0.12]),
    "all but one 0.95 below": lambda: made_up([0.0] + [0.0095] * 7, CROSSING[::-1]),
    "all but one 1.05 below": lambda: made_up([0.0] + [0.0105] * 7, CROSSING[::-1]),
}


class Table(NamedTuple):
    """What could be seen if nothing were stopped, and the truth about these networks."""

    right: np.ndarray  # way, look, image, of the first seed
    later: np.ndarray  # way, seed, image, of the others at their ends
    networks: np.ndarray


def draw(random: np.random.Generator, truth: Truth, images: int, seeds: int, luck: float) -> Table:
    """A table; luck is the standard deviation of a network's accuracy, seed by seed."""
    level: np.ndarray = np.asarray(norm.ppf(truth.accuracy))
    count, looks = len(level), level.shape[1]
    chance = luck * random.standard_normal((count, seeds)) / norm.pdf(level[:, -1:])
    easy, scale = random.standard_normal(images), np.hypot(1, OWN)
    own = random.standard_normal((count, 1, images)) * np.sqrt(KEPT)
    own = own + random.standard_normal((count, looks, images)) * np.sqrt(1 - KEPT)
    first = (level + chance[:, :1])[:, :, None] * scale + easy + OWN * own > 0
    others = random.standard_normal((count, seeds - 1, images))
    later = (level[:, -1:] + chance[:, 1:])[:, :, None] * scale + easy + OWN * others > 0
    return Table(first, later, norm.cdf(level[:, -1] + chance[:, 0]))


def seen_at(table: Table, number: int, way: int) -> Seen:
    """What a look sees of a way."""
    looks = table.right.shape[1]
    if number < looks:
        return Seen.of(table.right[way, number][None])
    return Seen.of(np.concatenate([table.right[way, -1:], table.later[way, : number - looks + 1]]))


def run(rules: Rules, table: Table) -> RaceOutcome:
    """A race to its end."""
    outcome, place = race(rules), {arm: i for i, arm in enumerate(rules.arms)}
    while not outcome.is_over:
        number = len(outcome.rounds)
        seen = {arm: seen_at(table, number, place[arm]) for arm in outcome.going_on}
        outcome = after(outcome, seen)
    return outcome


def complete_choice(rules: Rules, table: Table) -> Arm | None:
    """What the complete grid says: for one seed a race that stops nobody, else advice's rule."""
    if not rules.about_ways:
        return run(Rules(rules.costs, rules.margin, looks_of((1.0,))), _last_only(table)).choice
    last = [seen_at(table, len(rules.looks) - 1, i) for i in range(len(rules.arms))]
    may = compare(ways_of(rules.arms, last), rules.margin).may_be_chosen
    return min((rules.arms[i] for i in np.flatnonzero(may)), key=cost_of, default=None)


def _last_only(table: Table) -> Table:
    return table._replace(right=table.right[:, -1:])


def simulate(
    truth: Truth,
    *,
    images: int,
    seeds: int = 1,
    budget: float = 0.5,
    luck: float = 0.005,
    early: bool = False,
    tables: int = 300,
) -> Counted:
    """Races on tables of one truth.

    Args:
      budget: share of the complete grid's cost.
      early: whether looks on the way drop, too, as if accuracy on the way were that at the end.
    """
    random = np.random.default_rng(0)
    costs = {arm: 1 - CHEAPER * arm.n * (arm.treatment == Treatment.TRANSFER) for arm in truth.arms}
    looks = looks_of(seeds=seeds, may_move=dict.fromkeys(SHARES[:-1], 0.0) if early else None)
    rules = Rules(costs, MARGIN, looks, budget * seeds * sum(costs.values()))
    counts: dict[str, list[float]] = defaultdict(list)
    for _ in range(tables):
        table = draw(random, truth, images, seeds, luck)
        known = truth.accuracy[:, -1] if rules.about_ways else table.networks
        outcome, wanted = run(rules, table), complete_choice(rules, table)
        _count(counts, outcome, dict(zip(truth.arms, known.tolist(), strict=True)))
        counts["complete"].append(wanted is not None)
        if wanted is not None:
            counts["same"].append(outcome.choice == wanted)
            counts["against"].append(wanted not in outcome.not_excluded)
    return Counted(**{name: float(np.mean(counts[name] or [np.nan])) for name in Counted._fields})


def _count(
    counts: dict[str, list[float]], outcome: RaceOutcome, truth: Mapping[Arm, float]
) -> None:
    best = max(truth.values())
    counts["dropped"].append(any(truth[v.arm] >= best - MARGIN for v in outcome.dropped))
    last = [verdict.arm for verdict in outcome.rounds[-1].verdicts]
    there = [truth[arm] for arm in (last if outcome.set_aside else truth)]
    choice, taken = outcome.choice, outcome.taken
    counts["chosen"].append(choice is not None and truth[choice] < max(there) - MARGIN)
    counts["decided"].append(outcome.decided)
    counts["saved"].append(outcome.saved)
    counts["lost"].append(100 * (best - truth[taken]) if taken else np.nan)


def write_curves(folder: epath.Path) -> None:
    """Mean curves of a complete grid of the paper's kind, by split and by transfer or selffer."""
    found: dict[tuple[str, Arm], list[list[float]]] = defaultdict(list)
    for path in sorted((folder / "curves").glob("*.csv")):
        split = path.name.partition(".")[0].partition("-")[0]
        for label, curve in read_curves(path).items():
            base, n, target, plus = label[0], label[1:-1].rstrip("AB+"), label.rstrip("+")[-1], "+"
            if base in "AB" and n.isdigit():
                kind = "selffer" if base == target else "transfer"
                tuned = Treatment.TRANSFER_PLUS if label.endswith(plus) else Treatment.TRANSFER
                found[f"{split} {kind}", Arm(tuned, int(n))].append(list(curve.values()))
    lines = [
        [name, arm.treatment.value, arm.n, *np.mean(curves, axis=0).round(4).tolist()]
        for (name, arm), curves in sorted(found.items())
    ]
    with CURVES.open("w") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)


def moves() -> str:
    """By how much the difference of two real curves changes from a look to the end, at most."""
    told = []
    for look, share in enumerate(SHARES[:-1]):
        gains = [found.accuracy[:, -1] - found.accuracy[:, look] for found in map(real, names())]
        told.append(f"{100 * max(np.ptp(own) for own in gains):.1f} points from {share:.3g} on")
    return ", ".join(told)


def names() -> list[str]:
    """The grids in `curves.csv`."""
    return list(dict.fromkeys(line[0] for line in csv.reader(CURVES.read_text().splitlines())))


SETTINGS = (
    {"images": 300, "seeds": 1, "budget": 0.5},
    {"images": 3000, "seeds": 1, "budget": 0.5},
    {"images": 3000, "seeds": 1, "budget": 1.0},
    {"images": 3000, "seeds": 1, "budget": 1.0, "early": True},
    {"images": 3000, "seeds": 3, "budget": 0.35},
    {"images": 3000, "seeds": 3, "budget": 1.0},
)
SHOWN = ("images", "seeds", "budget", "early")
HEAD = (
    "| truth | images | seeds | budget | early looks drop | dropped | chosen | decided | same | "
    "against | complete | "
)


def main() -> None:
    """The table, a line a truth and setting."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tables", type=int, default=300)
    parser.add_argument("--only", default="", help="truths with this in their name")
    parser.add_argument("--run", help="a run's folder, to write curves.csv from")
    given = parser.parse_args()
    if given.run:
        write_curves(epath.Path(given.run))
        return
    print(f"The difference of two real curves changes by up to {moves()}.")
    print(f"{HEAD}saved | lost |", flush=True)
    for name, truth in ((name, own) for name, own in TRUTHS.items() if given.only in name):
        for own in SETTINGS:
            # Ways with several seeds are compared by draws, which take longer.
            tables = given.tables if own["seeds"] == 1 else given.tables // 3
            found = simulate(truth(), **own, tables=tables)
            shares = " | ".join(f"{100 * value:.1f}" for value in found[:-1])
            told = " | ".join(str(own.get(name, False)) for name in SHOWN)
            print(f"| {name} | {told} | {shares} | {found.lost:.2f} |", flush=True)


if __name__ == "__main__":
    main()
