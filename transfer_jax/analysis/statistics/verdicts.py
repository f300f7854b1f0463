"""When a claim about accuracies holds, fails, or is undecided.

A claim that something is *above* something else at several cuts holds where its interval is above 0
at every one of them: an intersection-union test, which needs no correction. It fails where, at some
cut, the difference is shown to be below 0 or within the margin; since one cut is picked of several,
with intervals that hold at once for all cuts of all parts of the claim (Bonferroni). A claim that
two things are *the same* holds where they are shown to be within the margin of each other at every
cut (two one-sided tests), and fails where they are shown to differ at some cut, again for all cuts
at once. All else is undecided, with the reason.

Source: Berger (1982), Multiparameter hypothesis testing and acceptance sampling, for
intersection-union tests; Schuirmann (1987) for equivalence.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from transfer_jax.analysis.statistics.inference import Estimate, Word
from transfer_jax.analysis.statistics.wording import in_points

HOLDS, FAILS, UNDECIDED, NOT_RUN = "holds", "fails", "undecided", "not run"
# What a claim is of: the cut in words, empty where there is one number; None where it was not run.
Parts = Mapping[str, Estimate | None]


@dataclass(frozen=True)
class Verdict:
    """What a table says about a claim: `holds`, `fails`, `undecided` or `not run`, and why.

    `questions` are what it came of: as a part of a larger claim it is judged again.
    """

    verdict: str
    evidence: str
    questions: tuple["Question", ...] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True)
class Question:
    """What is asked at each cut.

    Attributes:
      parts: the difference at each cut.
      margin: a difference that does not matter.
      name: of the difference.
      digits: of the numbers in the evidence.
      right: what must be found at each cut, for the claim to hold.
      wrong: what makes it fail where it is found at some cut.
      in_unit: writes the margin.
    """

    parts: Parts
    margin: float
    name: str
    digits: int
    right: frozenset[Word]
    wrong: frozenset[Word]
    in_unit: Callable[[float], str] = in_points

    def verdict(self, among: int) -> Verdict:
        """The verdict, where a cut that fails is picked of so many."""
        found, margin, right = self._found, self.margin, self.right
        if not found or len(found) < len(self.parts):
            return Verdict(NOT_RUN, "", (self,))
        words = {cut: _word(estimate, margin, right) for cut, estimate in found.items()}
        if set(words.values()) <= right:
            return self._told(HOLDS)
        missed = {cut: word for cut, word in words.items() if word not in right}
        picked = {cut: _word(found[cut], margin, right, among=among) for cut in missed}
        if against := {cut: word for cut, word in picked.items() if word in self.wrong}:
            return self._told(FAILS, _reasons(against, found, self.in_unit(margin)))
        return self._told(UNDECIDED, _reasons(missed, found, self.in_unit(margin)))

    @property
    def _found(self) -> dict[str, Estimate]:
        return {cut: estimate for cut, estimate in self.parts.items() if estimate is not None}

    def _told(self, verdict: str, reasons: str = "") -> Verdict:
        """With the numbers, and what they are of where there are numbers."""
        found = self._found
        numbers = _listed({cut: estimate.points(self.digits) for cut, estimate in found.items()})
        evidence = "; ".join(filter(None, (numbers, reasons)))
        if self.name and any(estimate.units for estimate in found.values()):
            evidence = f"{self.name}{', ' if any(found) else ': '}{evidence}"
        return Verdict(verdict, evidence, (self,))


def above(
    parts: Parts,
    margin: float,
    name: str = "",
    *,
    digits: int = 1,
    in_unit: Callable[[float], str] = in_points,
) -> Verdict:
    """Whether differences are above 0, all of them.

    Args:
      parts: the difference at each cut.
      margin: a difference that does not matter.
      name: of the difference.
      digits: of the numbers in the evidence.
      in_unit: writes the margin, which has the unit of the differences.

    Returns:
      The verdict.

    Example:
      >>> from transfer_jax.analysis.statistics.inference import Spread
      >>> sure, open = (Estimate(0.02, (Spread(error, 3.0),), 4) for error in (0.001, 0.1))
      >>> above({"n = 1": sure}, 0.01, "BnB − base")
      Verdict(verdict='holds', evidence='BnB − base, n = 1: +2.0±0.3')
      >>> above({"n = 1": sure, "n = 2": open}, 0.01).verdict
      'undecided'
    """
    right, wrong = frozenset({Word.ABOVE}), frozenset({Word.BELOW, Word.SAME})
    return Question(parts, margin, name, digits, right, wrong, in_unit).verdict(among=len(parts))


def same(parts: Parts, margin: float, name: str = "") -> Verdict:
    """Whether differences are within the margin of 0, all of them.

    Args:
      parts: the difference at each cut.
      margin: a difference that does not matter.
      name: of the difference.

    Returns:
      The verdict.

    Example:
      >>> from transfer_jax.analysis.statistics.inference import Spread
      >>> near, open = (Estimate(0.0, (Spread(error, 3.0),), 4) for error in (0.001, 0.1))
      >>> same({"": near}, 0.01).verdict, same({"": open}, 0.01).verdict
      ('holds', 'undecided')
    """
    right, wrong = frozenset({Word.SAME}), frozenset({Word.ABOVE, Word.BELOW})
    return Question(parts, margin, name, 1, right, wrong).verdict(among=len(parts))


def every(*verdicts: Verdict) -> Verdict:
    """Several verdicts on the parts of one claim.

    Args:
      *verdicts: one a part.

    Returns:
      It holds if all do, and fails if one does, at a cut picked of those of all parts; it is not
      run if one is not.

    Example:
      >>> every(Verdict("holds", "+1"), Verdict("undecided", "+0"))
      Verdict(verdict='undecided', evidence='+1; +0')
    """
    questions = tuple(question for verdict in verdicts for question in verdict.questions)
    among = sum(len(question.parts) for question in questions)
    parts = [
        part
        for verdict in verdicts
        for part in ([asked.verdict(among) for asked in verdict.questions] or [verdict])
    ]
    found = [part.verdict for part in parts]
    order = (NOT_RUN, FAILS, UNDECIDED, HOLDS)
    evidence = "; ".join(part.evidence for part in parts if part.evidence)
    return Verdict(next(name for name in order if name in found), evidence, questions)


def _word(estimate: Estimate, margin: float, right: frozenset[Word], among: int = 1) -> Word:
    """Of what is both within the margin and off 0, that which is claimed."""
    if Word.SAME in right and estimate.is_within(margin, among=among):
        return Word.SAME
    return estimate.word(margin, among=among)


def _reasons(words: Mapping[str, Word], found: Mapping[str, Estimate], margin: str) -> str:
    """What is said of cuts, those of one word together."""
    told: dict[str, list[str]] = {}
    for cut, word in words.items():
        said = {
            Word.ABOVE: "above 0",
            Word.BELOW: "below 0",
            Word.SAME: f"within {margin} of 0",
            Word.OPEN: found[cut].lacks or "not shown to differ",
        }[word]
        told.setdefault(said, []).append(cut)
    if len(found) == 1:
        return next(iter(told))
    return "; ".join(f"{said} at {_cuts(cuts)}" for said, cuts in told.items())


def _cuts(cuts: list[str]) -> str:
    """The cuts, the letter n once."""
    return ", ".join([cuts[0], *(cut.removeprefix("n = ") for cut in cuts[1:])])


def _listed(numbers: Mapping[str, str]) -> str:
    """The numbers that there are, each with its cut."""
    return ", ".join(f"{cut}: {text}" if cut else text for cut, text in numbers.items() if text)
