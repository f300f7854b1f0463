"""What races say, as advice and as tables."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scipy import special

from transfer_jax.analysis.network_of_way import network_of
from transfer_jax.analysis.raced import Raced
from transfer_jax.analysis.statistics.choices import choice_of, name_of, typed
from transfer_jax.analysis.statistics.crossing import Arm, Group
from transfer_jax.analysis.statistics.race_outcome import Fate, Verdict
from transfer_jax.analysis.statistics.race_telling import sentences
from transfer_jax.analysis.statistics.telling import Advice
from transfer_jax.analysis.tables import Table
from transfer_jax.folder.race_files import task_name
from transfer_jax.grid.pretrained import FULL

if TYPE_CHECKING:
    from transfer_jax.analysis.evidence import Evidence

# The price of what was trained, and of a network that is trained to its end.
PRICES = ("price", "to its end")
HEADER = ("way", "fate", "looks", "validation accuracy, %", "points below", *PRICES, "why")
TAIL = 0.025
RACING = "racing"


def advice_of_races(evidence: "Evidence") -> list[Advice]:
    """What the races of a run say of each group of its networks.

    Args:
      evidence: the run's folder.

    Returns:
      Advice for each of its groups, in their order; of several races in one, a part each.
    """
    found = []
    for numbers in evidence.numbers:
        races = races_in(evidence.races, numbers.group)
        each = tuple(_advice(evidence, own) for own in races)
        if len(each) == 1:
            found += each
        else:
            found.append(Advice(numbers.group.name, _several(races), (), parts=each))
    return found


def race_lines(evidence: "Evidence") -> list[str]:
    """What the races of a run say, race after race, in sentences.

    Args:
      evidence: the folder of a run that has some.

    Returns:
      Lines; of several races they begin with what each is about. Those that trained nothing to its
      end are in no group of networks, and say why.
    """
    told = [part for own in evidence.advice for part in (own.parts or (own,))]
    said = {part.group for part in told}
    told += [_advice(evidence, own) for own in evidence.races if own.task not in said]
    if len(evidence.races) == 1:
        return [line for part in told for line in (part.verdict, *part.reasons)]
    each = [f"{part.group}: {' '.join((part.verdict, *part.reasons))}" for part in told]
    return [_several(evidence.races), *each]


def _several(races: Sequence[Raced]) -> str:
    spent = sum(own.spent for own in races)
    return (
        f"There was a race for each of {len(races)} tasks, with a budget for each; together "
        f"{spent:.2f} full fine-tunings were spent."
    )


def races_in(races: Sequence[Raced], group: Group) -> list[Raced]:
    """The races for the tasks of a group of networks."""
    tasks = {task_name(at.split, at.target, group.examples or None) for at in group.places}
    return [own for own in races if own.task in tasks]


def _advice(evidence: "Evidence", own: Raced) -> Advice:
    outcome, layers = own.outcome, evidence.layers
    take = outcome.taken or (None if outcome.is_over else outcome.leader)
    words = f"{typed(take)}: {name_of(take, layers)}." if take else ""
    answer, *lines = sentences(outcome)
    paid = (
        f"With what comes first, linear heads and frozen layers, {own.spent:.2f} of a budget of "
        f"{own.file.budget:g} full fine-tunings were spent."
    )
    accuracy = _accuracy(evidence, own, take) if take else ""
    more = f"It goes on with a budget of {own.goes_on:g}." if own.goes_on else ""
    reasons = (words, accuracy, *lines, paid, _measured(own), more)
    return Advice(
        own.task,
        answer,
        tuple(filter(None, reasons)),
        choice=choice_of(outcome.choice) if outcome.decided and outcome.choice else None,
        not_excluded=tuple(map(choice_of, outcome.not_excluded)),
        margin=own.file.margin,
        taken=choice_of(outcome.taken) if outcome.taken else None,
    )


def _measured(own: Raced) -> str:
    """What the prices came to in seconds, where those of full and of all others are known."""
    if own.file.smaller:
        return ""  # What was trained in several goes began as often.
    outcome = own.outcome
    looks = {arm: outcome.looks_at(arm) for arm, cost in outcome.rules.costs.items() if cost}
    paid = {arm: sum(outcome.rules.whole(arm)[:seen]) for arm, seen in looks.items() if seen}
    full = next((arm for arm in paid if arm.variant == FULL), None)
    if full is None or len(paid) < 2 or paid.keys() - own.seconds.keys():
        return ""
    seconds, counted = sum(own.seconds[arm] for arm in paid), sum(paid.values())
    one = own.seconds[full] / paid[full]
    return (
        f"Measured: steps, looks and tests took {seconds:,.0f} s without compilation, as long as "
        f"{seconds / one:.2f} full fine-tunings of {one:,.0f} s; counted, without tests, were "
        f"{counted:.2f}."
    )


def _accuracy(evidence: "Evidence", own: Raced, taken: Arm) -> str:
    """How accurate the network to take is on test images, which decided nothing."""
    rows = [r for r in evidence.sound if task_name(r.split, r.target, r.examples) == own.task]
    row = network_of(rows, choice_of(taken))
    tested = row and evidence.test_of(row)
    if row is None or tested is None:
        return ""
    images = len(tested[1])
    low, high = interval(round(row.top1 * images), images)
    return (
        f"Its network has {100 * row.top1:.1f}% of {images} test images right "
        f"({100 * low:.1f} to {100 * high:.1f}, 95% for other images of this kind)."
    )


def interval(right: int, images: int) -> tuple[float, float]:
    """Between which shares the accuracy on all images lies, with 95%.

    Args:
      right: images that are right.
      images: all that were looked at.

    Returns:
      The least and the largest share.

    Example:
      >>> [round(share, 4) for share in interval(81, 263)]
      [0.2527, 0.3676]

    Source: Clopper and Pearson (1934), The use of confidence or fiducial limits.
    """
    low = special.betaincinv(right, images - right + 1, TAIL) if right else 0.0
    high = special.betaincinv(right + 1, images - right, 1 - TAIL) if right < images else 1.0
    return float(low), float(high)


def race_tables(races: Sequence[Raced], *, why: bool = True) -> list[Table]:
    """What became of each way, when and why; a table a race.

    Args:
      races: some.
      why: whether sentences say so, too.

    Returns:
      The tables: ways that finished first, then those that were stopped, the last ones first.
    """
    columns = len(HEADER) - (not why)
    return [
        Table(
            f"The race for {own.name}" if own.name else "What became of each way",
            HEADER[:columns],
            tuple(cells[:columns] for cells in (*map(_racing, _unseen(own)), *_seen(own))),
        )
        for own in races
    ]


def _unseen(own: Raced) -> list[Arm]:
    """Ways that are in training, and that no look has seen."""
    return [] if own.outcome.rounds else list(own.outcome.going_on)


def _racing(arm: Arm) -> tuple[str, ...]:
    return (typed(arm), RACING, "0", *[""] * (len(HEADER) - 3))


def _price(price: float) -> str:
    return f"{price:.2f}" if price else ""


def _seen(own: Raced) -> list[tuple[str, ...]]:
    return [_cells(own, verdict) for verdict in _last(own)]


def _last(own: Raced) -> list[Verdict]:
    """The last verdict on each way."""
    rounds = own.outcome.rounds
    found = {verdict.arm: verdict for verdict in own.outcome.never_began}
    found |= {verdict.arm: verdict for looked in rounds for verdict in looked.verdicts}
    return sorted(found.values(), key=lambda v: (v.fate != Fate.GOES_ON, -v.look, v.below))


def _cells(own: Raced, verdict: Verdict) -> tuple[str, ...]:
    on = "finished" if own.outcome.is_over else RACING
    prices = own.outcome.rules.whole(verdict.arm)
    seen = verdict.look > 0 and verdict.fate != Fate.FAILED
    return (
        typed(verdict.arm),
        on if verdict.fate == Fate.GOES_ON else str(verdict.fate),
        str(verdict.look),
        f"{100 * verdict.accuracy:.1f}" if seen else "",
        f"{100 * verdict.below:.1f}" if seen else "",
        _price(sum(prices[: verdict.look])),
        _price(sum(prices)),
        verdict.why,
    )
