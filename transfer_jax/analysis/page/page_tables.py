"""The tables of a run's page: of results, of targets one by one, of learning rates."""

from collections.abc import Sequence

from transfer_jax.analysis.evidence import Evidence
from transfer_jax.analysis.pretrained_tables import pretrained_tables
from transfer_jax.analysis.statistics.choices import is_pretrained
from transfer_jax.analysis.statistics.effects import Effects
from transfer_jax.analysis.tables import (
    Table,
    accuracy_table,
    boost_table,
    control_table,
    cost_table,
    gain_table,
    shown,
    split_table,
)


def result_tables(found: Sequence[Effects], parameters: Sequence[int] = ()) -> list[Table]:
    """The tables of a report: of each group, accuracies, gains, costs and boosts.

    Args:
      found: the numbers of each group.
      parameters: how many each layer has, where networks start from given weights.

    Returns:
      The tables, last what differs between groups, in percent and in percentage points.
    """
    if any(is_pretrained(own.group) for own in found):
        return pretrained_tables(found, parameters)
    makers = (accuracy_table, control_table, gain_table, cost_table, boost_table)
    return shown([*(make(own) for own in found for make in makers), split_table(found)])


def target_table(evidence: Evidence) -> Table:
    """The advice for each target by itself, where the tasks are not drawn at random.

    Args:
      evidence: the run's folder.

    Returns:
      The table; empty where all tasks are random halves.
    """
    lines = [
        (own.group, part.group.removeprefix("target "), part.verdict)
        for own in evidence.advice
        for part in own.parts
    ]
    return Table("Advice for each target", ("tasks", "target", "advice"), tuple(lines))


def rate_table(evidence: Evidence) -> Table:
    """How each family of networks did in the pilot at each learning rate, and which it got.

    Args:
      evidence: the run's folder.

    Returns:
      The table, means over the pilot's networks in percent; empty where nothing was chosen.
    """
    lines = []
    for family, rate in dict.fromkeys((row.family, row.rate) for row in evidence.rates):
        own = [row for row in evidence.rates if (row.family, row.rate) == (family, rate)]
        networks = sum(row.networks for row in own)
        accuracy = sum(row.validation * row.networks for row in own) / networks
        diverged = sum(row.diverged for row in own)
        chosen = "yes" if evidence.chosen_rates.get(family) == rate else ""
        lines.append((family, f"{rate:g}", f"{100 * accuracy:.1f}", str(diverged), chosen))
    header = ("networks", "rate", "validation accuracy, %", "diverged", "chosen")
    return Table("Learning rates, as multiples of learning_rate", header, tuple(lines))
