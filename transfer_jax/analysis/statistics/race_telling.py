"""What came of a race in sentences: the answer first, then what it is about and what it cost."""

from collections.abc import Iterator, Sequence

from transfer_jax.analysis.statistics.choices import told_by_family, typed
from transfer_jax.analysis.statistics.race_outcome import Fate, RaceOutcome, Verdict
from transfer_jax.analysis.statistics.wording import at_least, capital, in_points


def sentences(outcome: RaceOutcome) -> list[str]:
    """All that a race says.

    Args:
      outcome: what came of it, or did so far.

    Returns:
      Sentences, the answer first.
    """
    numbers = _more_images(outcome), *_stopped(outcome), _more_money(outcome)
    lines = (answer_of(outcome), _heads(outcome), _about(outcome), *numbers, _price(outcome))
    return [line for line in lines if line]


def answer_of(outcome: RaceOutcome) -> str:
    """The answer.

    Args:
      outcome: what came of a race, or did so far.

    Returns:
      A sentence.
    """
    if not outcome.is_over:
        return _so_far(outcome)
    if not outcome.finished:
        return _none_finished(outcome)
    rules, count = outcome.rules, len(outcome.finished)
    if len(rules.costs) == 1:
        return f"{capital(typed(outcome.finished[0]))} was the only way that was asked about."
    near, left = in_points(rules.margin), _lost(outcome)
    if outcome.choice is not None:
        lead = f"{capital(typed(outcome.choice))} is within {near} of the best of"
        if outcome.decided:
            return f"{lead} all {len(rules.costs)} ways, whichever that is."
        if count > 1:
            return f"{lead} the {count} ways trained to the end{left}."
    if count == 1:
        return f"Only {typed(outcome.finished[0])} is left of those trained to the end{left}."
    told = f"Of the {count} ways that finished none is shown to be the best"
    return f"{told} ({told_by_family(outcome.finished)}): {_take(outcome)}{left}."


def _so_far(outcome: RaceOutcome) -> str:
    if not outcome.rounds:
        return "No way was looked at yet."
    found = outcome.rounds[-1]
    lead = found.verdicts[0]
    return f"So far the highest is {typed(lead.arm)} with {lead.accuracy:.1%}, {found.look}."


def _none_finished(outcome: RaceOutcome) -> str:
    if outcome.rounds:
        return "No way was trained to the end: every network that was trained failed."
    rules = outcome.rules
    least = min(sum(rules.prices(arm)) for arm in rules.arms)
    budget, least = rules.first + rules.budget, rules.first + rules.paid_before + least
    return f"A budget of {budget:.3g} trains no way to its end; one: {at_least(least)}."


def _lost(outcome: RaceOutcome) -> str:
    """How many ways the answer knows nothing of."""
    aside, failed = len(outcome.set_aside), len(outcome.failed)
    left = f"; {aside} set aside, not excluded" if aside else ""
    return left + (f"; {failed} failed" if failed else "")


def _take(outcome: RaceOutcome) -> str:
    """What to take where nothing is decided."""
    assert outcome.taken is not None and outcome.leader is not None
    taken, leader = typed(outcome.taken), typed(outcome.leader)
    if outcome.taken != outcome.leader:
        cheapest = "the cheapest of those within a standard error of the highest"
        return f"take {taken}, {cheapest}, {leader}"
    alike = sum(verdict.below <= 0 for verdict in outcome.rounds[-1].verdicts)
    return f"take {leader}, the " + (f"cheapest of the {alike} highest" if alike > 1 else "highest")


def _heads(outcome: RaceOutcome) -> str:
    """What was compared where the budget trains nothing but linear heads."""
    costs = outcome.rules.costs
    if not outcome.is_over or not outcome.finished or not any(costs.values()):
        return ""
    # Those that were dropped or failed at the last look were trained, too.
    if any(costs[verdict.arm] for verdict in outcome.rounds[-1].verdicts):
        return ""
    return "These are linear heads alone: no way that trains layers was trained to its end."


def _about(outcome: RaceOutcome) -> str:
    if not outcome.is_over or not outcome.finished:
        return ""
    what = (
        "ways, on new seeds and new images"
        if outcome.rules.about_ways
        else "these networks, on new images; one seed does not tell of others"
    )
    rules, race = outcome.rules, "the whole race"
    if rules.about_ways and rules.budgets > 1:
        # Whoever buys more until something is decided has as many chances to be wrong.
        race = f"the race of each of {rules.budgets} budgets"
    return f"With {1 - rules.error:.0%} for {race}, this is about {what}."


def _stopped(outcome: RaceOutcome) -> Iterator[str]:
    """Which ways were stopped: a sentence for each fate and look."""
    found: dict[tuple[Fate, int], list[Verdict]] = {}
    for verdict in (*outcome.dropped, *outcome.failed, *outcome.set_aside):
        found.setdefault((verdict.fate, verdict.look), []).append(verdict)
    for (fate, look), stopped in sorted(found.items(), key=lambda item: item[0]):
        when = str(outcome.rounds[look - 1].look) if look else "before the first step"
        ways = told_by_family([verdict.arm for verdict in stopped])
        yield f"{capital(fate)} {when}: {ways}{_left(outcome, fate, stopped)}."


def _left(outcome: RaceOutcome, fate: Fate, stopped: Sequence[Verdict]) -> str:
    """What is left to pay for ways that were set aside; why others failed."""
    if fate == Fate.FAILED:
        return "; their loss was no number, as with too high a learning rate"
    if fate == Fate.SET_ASIDE:
        return f"; to their ends for {at_least(sum(map(outcome.to_pay, stopped)))} more"
    return ""


def _more_images(outcome: RaceOutcome) -> str:
    """What would decide between ways that are at their ends; of others, money does."""
    if outcome.choice is not None or len(outcome.finished) < 2:
        return ""
    need = outcome.would_decide
    numbers = (need.images, "validation images"), (need.seeds, "seeds")
    told = [f"{number:,} {name}" for number, name in numbers if number is not None]
    between = f"would decide between the finished ways ({outcome.images:,} images now)"
    return f"About {' or '.join(told)} {between}." if told else ""


def _more_money(outcome: RaceOutcome) -> str:
    if (budget := outcome.would_decide.budget) is None:
        return ""
    more = ", and goes on from here" if outcome.rounds else ""
    others = "others " if outcome.failed else ""
    return f"A budget of {at_least(budget)} would train all {others}to the end{more}."


def _price(outcome: RaceOutcome) -> str:
    if not outcome.rounds:
        return ""
    told = f"{abs(outcome.saved):.0%} {'less' if outcome.saved >= 0 else 'more'}"
    looks = "" if outcome.saved >= 0 else ", since networks were looked at on their way"
    return f"Training cost {outcome.cost:.3g}, {told} than the complete grid{looks}."
