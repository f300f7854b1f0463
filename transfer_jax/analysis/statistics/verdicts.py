"""When a claim about accuracies holds, fails, or is undecided.

A claim that something is *above* something else holds if the one-sided 95% interval of the
difference lies above 0 and the sign is right at every cut; it fails if an advantage of half a point
is excluded (two-sided 95%); else it is undecided. A claim that two things are *the same* holds if
their means are within half a point, and fails if they are not and the interval excludes 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from transfer_jax.analysis.statistics.contrasts import Estimate

HOLDS, FAILS, UNDECIDED, NOT_RUN = "holds", "fails", "undecided", "not run"
MARGIN = 0.005


@dataclass(frozen=True)
class Verdict:
    """What a table says about a claim: `holds`, `fails`, `undecided` or `not run`, and why."""

    verdict: str
    evidence: str


def above(estimate: Estimate | None, signs: Sequence[float] = ()) -> Verdict:
    """Whether a difference is above 0.

    Args:
      estimate: the difference; None where it was not run.
      signs: the same difference at each cut, every one of which must be above 0.

    Returns:
      The verdict.

    Example:
      >>> above(Estimate(0.02, 0.001, 9)).verdict, above(Estimate(0.0, 0.001, 9)).verdict
      ('holds', 'fails')
    """
    if estimate is None:
        return Verdict(NOT_RUN, "")
    evidence = str(estimate)
    if estimate.mean > estimate.bound(sides=1):
        wrong = sum(sign <= 0 for sign in signs)
        if not wrong:
            return Verdict(HOLDS, evidence)
        return Verdict(UNDECIDED, f"{evidence}, but not at {wrong} of {len(signs)} cuts")
    excluded = estimate.mean + estimate.bound() < MARGIN
    return Verdict(FAILS if excluded else UNDECIDED, evidence)


def same(estimate: Estimate | None) -> Verdict:
    """Whether a difference is 0, but for half a point.

    Args:
      estimate: the difference; None where it was not run.

    Returns:
      The verdict.

    Example:
      >>> same(Estimate(0.004, 0.01, 9)).verdict, same(Estimate(0.02, 0.001, 9)).verdict
      ('holds', 'fails')
    """
    if estimate is None:
        return Verdict(NOT_RUN, "")
    evidence = str(estimate)
    if abs(estimate.mean) <= MARGIN:
        return Verdict(HOLDS, evidence)
    return Verdict(FAILS if abs(estimate.mean) > estimate.bound() else UNDECIDED, evidence)


def every(*verdicts: Verdict) -> Verdict:
    """Several verdicts on the parts of one claim.

    Args:
      *verdicts: one a part.

    Returns:
      It holds if all do, and fails if one does; it is not run if one is not.

    Example:
      >>> every(Verdict("holds", "+1"), Verdict("undecided", "+0"))
      Verdict(verdict='undecided', evidence='+1; +0')
    """
    found = [verdict.verdict for verdict in verdicts]
    order = (NOT_RUN, FAILS, UNDECIDED, HOLDS)
    evidence = "; ".join(verdict.evidence for verdict in verdicts if verdict.evidence)
    return Verdict(next(name for name in order if name in found), evidence)
