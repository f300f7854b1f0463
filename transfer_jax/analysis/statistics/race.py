"""A race between ways to train a network: which go on, which are dropped, what is the answer.

A pure function of what was seen at each look. Whoever trains the networks asks after each look
which go on; a race that was stopped is asked again from its tables, and answers the same.

At a look a way is *dropped* if it is shown to be worse than another one by more than the margin;
the error of all looks, all ways and the choice together is at most 5%. What is left and cannot be
paid for is *set aside*, the lowest first; it is not excluded.

Source: Maron and Moore (1994), Hoeffding races, for dropping by evidence; `halving` for the rest.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from transfer_jax.analysis.statistics import halving
from transfer_jax.analysis.statistics.best import TINY
from transfer_jax.analysis.statistics.choices import cost_of, typed
from transfer_jax.analysis.statistics.crossing import Arm
from transfer_jax.analysis.statistics.race_evidence import (
    Asked,
    Compared,
    by_images,
    by_nothing,
    by_seeds,
    enough_images,
    enough_seeds,
)
from transfer_jax.analysis.statistics.race_outcome import (
    Fate,
    RaceOutcome,
    Round,
    Verdict,
    WouldDecide,
)
from transfer_jax.analysis.statistics.race_rules import Look, Rules, Seen
from transfer_jax.analysis.statistics.wording import in_points

NOTHING = Compared(np.zeros(0, bool), np.zeros(0, bool), np.zeros(0), np.zeros(0))


def race(rules: Rules, seen: Sequence[Mapping[Arm, Seen]] = ()) -> RaceOutcome:
    """What a race says after the looks so far.

    Args:
      rules: of the race.
      seen: of each look so far, what it saw of each way that was still running.

    Returns:
      The ways to train up to the next look; after the last one the answer.

    Raises:
      ValueError: a look saw other ways than were running, or other seeds than it should.

    Example:
      >>> from transfer_jax.analysis.statistics.race_telling import answer_of
      >>> from transfer_jax.grid.conditions import Treatment
      >>> full, probe = Arm(Treatment.TRANSFER_PLUS, 0, "full"), Arm(Treatment.TRANSFER, 3, "probe")
      >>> rules = Rules({full: 1.0, probe: 0.1}, margin=0.01)
      >>> [typed(arm) for arm in race(rules).going_on]
      ['full', 'probe:3']
      >>> right = np.arange(300) < 270
      >>> look = {full: Seen.of(right[None]), probe: Seen.of(right[None, ::-1] & right)}
      >>> found = race(rules, [look, look, look])
      >>> print(answer_of(found))
      Full is within a point of the best of all 2 ways, whichever that is.
    """
    if len(seen) > len(rules.looks):
        raise ValueError(f"{len(seen)} looks were seen; the race has {len(rules.looks)}")
    paid = rules.unfinished
    started = halving.begin([rules.prices(arm) for arm in paid], rules.left)
    begun = {paid[i] for i in started}
    running = tuple(arm for arm in rules.arms if arm in begun or rules.is_free(arm))
    never = tuple(_never(arm) for arm in rules.arms if arm not in running)
    outcome = RaceOutcome(rules, (), never, running)
    if not running:
        outcome = replace(outcome, would_decide=WouldDecide(budget=_whole(outcome)))
    for found in seen:
        outcome = after(outcome, found)
    return outcome


def after(outcome: RaceOutcome, seen: Mapping[Arm, Seen]) -> RaceOutcome:
    """A race after one more look.

    Args:
      outcome: the race before.
      seen: of each way that is running.

    Returns:
      As `race` of all looks at once.

    Raises:
      ValueError: other ways than these, or other seeds than it should be.
    """
    _check(outcome, seen)
    rules, number = outcome.rules, len(outcome.rounds)
    cost = sum(rules.prices(arm, number)[0] for arm in outcome.going_on)
    there = _ranked([arm for arm in outcome.going_on if not math.isnan(seen[arm].mean)], seen)
    asked = _asked(outcome, seen)
    found = _compared(rules.looks[number], there, [seen[arm] for arm in there], asked)
    kept = [arm for arm, worse in zip(there, found.worse, strict=True) if not worse]
    on = _go_on(rules, kept, number, rules.budget - outcome.cost - cost)
    verdicts = [*_verdicts(rules, number, there, on, seen, found)]
    verdicts += [_failed(arm, number) for arm in outcome.going_on if arm not in there]
    rounds = (*outcome.rounds, Round(rules.looks[number], tuple(verdicts), cost))
    images = max(own.images for own in seen.values())
    outcome = replace(outcome, rounds=rounds, going_on=tuple(on), images=images)
    if number + 1 < len(rules.looks) and on:
        return outcome
    ended = replace(outcome, going_on=(), finished=tuple(on))
    return _ended(ended, there, [seen[arm] for arm in there], found, asked)


def _ranked(arms: Sequence[Arm], seen: Mapping[Arm, Seen]) -> list[Arm]:
    """The highest first; of equals that which trains the fewest layers."""
    return sorted(arms, key=lambda arm: (-seen[arm].mean, cost_of(arm)))


def _asked(outcome: RaceOutcome, seen: Mapping[Arm, Seen]) -> Asked:
    rules, look = outcome.rules, outcome.rules.looks[len(outcome.rounds)]
    failed = any(math.isnan(own.mean) for own in seen.values())
    return Asked(
        entered=len(rules.costs),
        margin=rules.margin + (look.may_move or 0.0),
        error=rules.error_of_a_look,
        all_here=not (outcome.set_aside or outcome.failed or failed),
    )


def _compared(look: Look, arms: Sequence[Arm], seen: Sequence[Seen], asked: Asked) -> Compared:
    if not arms:
        return NOTHING
    if look.seeds > 1:
        return by_seeds(arms, seen, asked)
    return by_nothing(seen) if look.may_move is None else by_images(seen, asked)


def _go_on(rules: Rules, kept: Sequence[Arm], number: int, left: float) -> list[Arm]:
    """Ways that are not stopped for want of money."""
    if number + 1 == len(rules.looks):
        return list(kept)
    paid = [arm for arm in kept if not rules.is_there(arm)]
    able = halving.go_on([rules.prices(arm, number + 1) for arm in paid], left)
    on = {paid[i] for i in able}
    return [arm for arm in kept if arm in on or rules.is_free(arm, number + 1)]


def _verdicts(
    rules: Rules,
    number: int,
    arms: Sequence[Arm],
    on: Sequence[Arm],
    seen: Mapping[Arm, Seen],
    found: Compared,
) -> Iterator[Verdict]:
    look = rules.looks[number]
    for arm, worse, below, error in zip(
        arms, found.worse.tolist(), found.below.tolist(), found.error.tolist(), strict=True
    ):
        fate = Fate.DROPPED if worse else Fate.GOES_ON if arm in on else Fate.SET_ASIDE
        numbers = f"{typed(arm)} is {100 * below:.1f} points below {typed(arms[0])} {look}"
        numbers += f", with a standard error of {100 * error:.1f}"
        if arm == arms[0]:
            numbers = f"{typed(arm)} has the highest accuracy {look}"
        why = f"{numbers}{_ends(rules, look, fate)}."
        yield Verdict(arm, fate, number + 1, seen[arm].mean, below, error, why)


def _ends(rules: Rules, look: Look, fate: Fate) -> str:
    """What follows from the numbers."""
    if fate == Fate.GOES_ON:
        return ""
    if fate == Fate.SET_ASIDE:
        return "; there is no money to train it on, and it is not excluded"
    shown = f"; it is shown to be worse than another way by more than {in_points(rules.margin)}"
    if look.may_move:
        return f"{shown}, if it can gain no more than {in_points(look.may_move)} from here on"
    return shown


def _failed(arm: Arm, number: int) -> Verdict:
    why = f"{typed(arm)} is stopped: its network failed."
    return Verdict(arm, Fate.FAILED, number + 1, math.nan, math.nan, math.nan, why)


def _never(arm: Arm) -> Verdict:
    why = f"{typed(arm)} never began: there was no money for it, and it is not excluded."
    return Verdict(arm, Fate.SET_ASIDE, 0, math.nan, math.nan, math.nan, why)


def _ended(
    outcome: RaceOutcome, arms: Sequence[Arm], seen: Sequence[Seen], found: Compared, asked: Asked
) -> RaceOutcome:
    """The answer: of those that are as good as any, the one that trains the fewest layers."""
    budget = _whole(outcome)
    if not outcome.finished:
        return replace(outcome, would_decide=WouldDecide(budget=budget))
    near = [arm for arm, is_near in zip(arms, found.near, strict=True) if is_near]
    choice = min(near, key=cost_of, default=None)
    close = found.below <= np.maximum(found.error, outcome.rules.margin) + TINY
    beside = [arm for arm, is_close in zip(arms, close, strict=True) if is_close]
    images = seeds = None
    if choice is None:
        several = outcome.rules.about_ways
        images, seeds = (
            enough_seeds(arms, seen, asked) if several else (enough_images(seen, asked), None)
        )
    return replace(
        outcome,
        choice=choice,
        taken=choice or min(beside, key=cost_of),
        would_decide=WouldDecide(images, seeds, budget),
    )


def _whole(outcome: RaceOutcome) -> float | None:
    """The budget that sets no way aside, where some were; who failed is not trained again."""
    if not outcome.set_aside:
        return None
    return outcome.rules.enough - sum(map(outcome.to_pay, outcome.failed))


def _check(outcome: RaceOutcome, seen: Mapping[Arm, Seen]) -> None:
    """A look is of the ways that were running, all with as many seeds, on the same images."""
    number = len(outcome.rounds)
    look = outcome.rules.looks[number]
    if set(seen) != set(outcome.going_on):
        raise ValueError(
            f"look {number + 1} saw {_listed(seen)}; running: {_listed(outcome.going_on)}"
        )
    for arm, own in seen.items():
        if len(own.accuracy) != look.seeds:
            raise ValueError(
                f"look {number + 1} saw {len(own.accuracy)} seeds of {typed(arm)}; it is {look}"
            )
    if len(images := {own.images for own in seen.values()}) > 1:
        raise ValueError(
            f"look {number + 1} saw ways on {sorted(images)} images; allowed: the same"
        )


def _listed(arms: Iterable[Arm]) -> str:
    return ", ".join(sorted(map(typed, arms))) or "none"
