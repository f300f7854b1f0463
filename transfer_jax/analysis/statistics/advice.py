"""How many layers to transfer, and whether to freeze them: a choice, its reason, how sure it is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from transfer_jax.analysis.statistics import margins
from transfer_jax.analysis.statistics.best import Standing, against_control, compare
from transfer_jax.analysis.statistics.bootstrap import Sampler
from transfer_jax.analysis.statistics.contrasts import RANDOM_HALVES, family_of
from transfer_jax.analysis.statistics.crossing import Arm, Group, of_targets
from transfer_jax.analysis.statistics.images import TestOf
from transfer_jax.analysis.statistics.inference import Word
from transfer_jax.analysis.statistics.ways import (
    SHOWN,
    TRANSFERRED,
    Choice,
    Contest,
    choice_of,
    contest,
    cost_of,
    name_of,
)
from transfer_jax.grid.conditions import Treatment

HALVES = ("A", "B")
BASE_ARM, SCRATCH_ARM = Arm(Treatment.BASE, 0), Arm(Treatment.SCRATCH, 0)


@dataclass(frozen=True)
class Advice:
    """What a table says; accuracies, gains and margins are shares, 0.01 is a point.

    Attributes:
      group: what it is about: tasks, or one target of them.
      verdict: the answer in one line.
      reasons: sentences.
      choice: "scratch", ("frozen", n), ("tuned", n) or a variant's name, with n where it has one;
        None where the evidence does not decide.
      gain: test accuracy of the choice less that of training from scratch; None without a choice.
      interval: its 95% interval, which holds for all ways at once, so also for the one that was
        chosen; None where there is none.
      not_excluded: choices that are not shown to be worse than the best by more than the margin.
      margin: a difference that does not matter.
      parts: advice for each target, or for each kind of splits, where these are asked apart.
    """

    group: str
    verdict: str
    reasons: tuple[str, ...]
    choice: Choice | None = None
    gain: float | None = None
    interval: tuple[float, float] | None = None
    not_excluded: tuple[Choice, ...] = ()
    margin: float = 0.0
    parts: "tuple[Advice, ...]" = ()

    @property
    def decided(self) -> bool:
        """Whether there is a choice."""
        return self.choice is not None

    @property
    def reason(self) -> str:
        """The reasons, as a paragraph."""
        return " ".join(self.reasons)

    def __str__(self) -> str:
        """All of it, for a terminal."""
        own = "\n".join((f"{self.group}: {self.verdict}", *(f"  {line}" for line in self.reasons)))
        return "\n".join((own, *map(str, self.parts)))


class Judged(NamedTuple):
    """Networks, and the images that they are judged by."""

    group: Group
    test_of: TestOf


def advise_group(
    tested: Judged,
    validated: Judged | None = None,
    *,
    margin: float = 0.0,
    seed: int = 0,
) -> Advice:
    """Choose how to train the target networks of one group, and of each of its targets.

    Of the ways that may be called the best, but for the margin, it takes the one that trains the
    fewest layers; from scratch comes before fine-tuning, and that before variants. It chooses on
    validation images, where there are some, and tells the gain on test images. Halves of random
    splits are draws like splits themselves; any other targets are asked one by one, too.

    Args:
      tested: its networks, judged by test images.
      validated: the same networks, judged by validation images.
      margin: a difference that does not matter; 0 for the rule of `margins`.
      seed: of the draws.

    Returns:
      The advice; undecided where no way is shown to be as good as the best.
    """
    group = tested.group
    targets = sorted({place.target for place in group.places})
    whole = _advise(tested, validated, margin, 1, seed)
    halves = family_of(group.splits[0]) == RANDOM_HALVES and set(targets) <= set(HALVES)
    if halves or len(targets) < 2:
        return whole
    parts = []
    for target in targets:
        by = validated and _of_target(validated, target)
        parts.append(_advise(_of_target(tested, target), by, margin, len(targets), seed))
    return _unless_targets_disagree(whole, tuple(parts))


def _of_target(judged: Judged, target: str) -> Judged:
    group = of_targets(judged.group, [target])
    return Judged(replace(group, name=f"target {target}"), judged.test_of)


def _unless_targets_disagree(whole: Advice, parts: tuple[Advice, ...]) -> Advice:
    """The sum is withheld where what is chosen for it is shown to be wrong for a target."""
    known = [part for part in parts if part.not_excluded]
    common = set.intersection(*(set(part.not_excluded) for part in known)) if known else None
    wrong = [part.group for part in known if whole.choice not in (None, *part.not_excluded)]
    if not wrong and (common or common is None):
        return replace(whole, parts=parts)
    why = (
        f"What is best for all together is shown to be worse by more than the margin for "
        f"{_and(wrong)}."
        if wrong
        else "No way is left that is not shown to be worse than the best for some target."
    )
    return replace(
        whole,
        verdict="No advice for all targets together: they disagree; see the advice for each.",
        reasons=(f"Targets disagree. {why}", *whole.reasons),
        choice=None,
        gain=None,
        interval=None,
        parts=parts,
    )


def _advise(
    tested: Judged, validated: Judged | None, margin: float, among: int, seed: int
) -> Advice:
    group = tested.group
    if group.control is None or not any(arm.treatment in TRANSFERRED for arm in group.arms):
        missing = "transferred" if group.control else "base"
        told = f"No advice: {missing} networks are missing."
        return Advice(group.name, told, (told,), margin=margin)
    entered = contest(group)
    if len(entered.arms) < 2:
        told = "No advice: no way of transfer has the networks that it would be compared by."
        return Advice(group.name, told, (told, *entered.left_out), margin=margin)
    error = 1 - float(entered.means()[0])
    used = margin or margins.margin_of(error)
    asked = _margin_told(used, error, margin)
    on_test = entered.ways(*tested)
    judged = entered.ways(*(validated or tested))
    if on_test is None or judged is None:
        return _one_seed(entered, used, (asked, *entered.left_out))
    standing = compare(judged[0], used, seed=seed, among=among)
    half = against_control(on_test[0], seed=seed)
    gains = on_test[0].mean - on_test[0].mean[0]
    found = _Found(entered, standing, gains, half)
    notes = (
        *found.losses(),
        _chosen_on(validated is not None),
        *(() if on_test[1] else (ON_THESE_EXAMPLES,)),
        asked,
        *((CLOSE,) if standing.is_close else ()),
        *entered.left_out,
    )
    return _first(tested, used, found.advice(used, notes))


def _first(tested: Judged, margin: float, advice: Advice) -> Advice:
    """What stands before all else: that base networks are not converged."""
    told = Sampler(*tested).estimate({SCRATCH_ARM: 1.0, BASE_ARM: -1.0})
    if told is None or told.word(margin) != Word.ABOVE or told.mean <= margin:
        return advice
    line = f"Base networks are not converged: scratch twice as long gains {told.points()} points."
    return replace(advice, verdict=f"{line} {advice.verdict}", reasons=(line, *advice.reasons))


CLOSE = "A verdict is within the Monte-Carlo error of its threshold: it is not taken for shown."
ON_THESE_EXAMPLES = (
    "Which test examples each network gets right is not known: intervals are about these very "
    "examples."
)


def _chosen_on(on_validation: bool) -> str:
    if on_validation:
        return "Ways are compared on validation images; what they gain is told on test images."
    return (
        "There are no validation images, so ways are compared on the test images themselves: the "
        "gain of the best is flattered, which its interval allows for."
    )


def _margin_told(used: float, error: float, asked: float) -> str:
    if asked:
        return f"The margin is {points_of(used)}, as asked for."
    return (
        f"The margin is {points_of(used)}: the smaller of a point and a tenth of the error of "
        f"training from scratch, {error:.1%}."
    )


def _one_seed(entered: Contest, margin: float, notes: Sequence[str]) -> Advice:
    means = entered.means()
    best = int(np.argmax(means))
    gain = "" if best == 0 else f" ({100 * (means[best] - means[0]):+.1f} points, no interval)"
    return Advice(
        entered.group.name,
        "Undecided: one seed shows no spread. Highest so far: "
        f"{name_of(entered.arms[best])}{gain}.",
        ("One seed shows no spread: run with two seeds or more.", *notes),
        not_excluded=tuple(map(choice_of, entered.arms)),
        margin=margin,
    )


@dataclass(frozen=True)
class _Found:
    """Ways with all that is known of them; gains and half widths are on test images."""

    entered: Contest
    standing: Standing
    gains: np.ndarray
    half: np.ndarray

    def advice(self, margin: float, notes: Sequence[str]) -> Advice:
        """What follows."""
        arms, name = self.entered.arms, self.entered.group.name
        sure = np.flatnonzero(self.standing.may_be_chosen).tolist()
        left = np.flatnonzero(~self.standing.excluded).tolist()
        not_excluded = tuple(choice_of(arms[i]) for i in left)
        if not sure:
            best = max(left, key=lambda i: self.gains[i])
            verdict = f"Undecided. Highest so far: {self._told(best)}."
            why = (
                f"No way is shown to be within {points_of(margin)} of the best of {len(arms)}. Not "
                f"excluded: {_listed([arms[i] for i in left])}.",
                *notes,
                "More seeds or splits would decide: intervals shrink with the root of their "
                "number.",
            )
            return Advice(name, verdict, why, not_excluded=not_excluded, margin=margin)
        chosen = min(sure, key=lambda i: cost_of(arms[i]))
        verdict = f"{self._told(chosen)[0].upper()}{self._told(chosen)[1:]}."
        why = (
            f"It is within {points_of(margin)} of the best of {len(arms)} ways, whichever that is, "
            "with 95% confidence.",
            *self._also(sure, chosen),
            *notes,
        )
        gain = float(self.gains[chosen])
        interval = (gain - float(self.half[chosen]), gain + float(self.half[chosen]))
        choice = choice_of(arms[chosen])
        return Advice(name, verdict, why, choice, gain, interval, not_excluded, margin)

    def _also(self, sure: Sequence[int], chosen: int) -> tuple[str, ...]:
        arms = [self.entered.arms[i] for i in sure if i != chosen]
        if not arms:
            return ()
        frozen = self.entered.arms[chosen]
        fewer = cost_of(frozen)[0] == 0
        return (f"As good: {_listed(arms)}{'; they train more layers' if fewer else ''}.",)

    def _told(self, i: int) -> str:
        """A way with its gain, which is never told without its interval."""
        name = name_of(self.entered.arms[i])
        if i == 0:
            return name
        gain, half = 100 * self.gains[i], 100 * self.half[i]
        return f"{name} ({gain:+.1f}±{half:.1f} points against scratch, for all ways at once)"

    def losses(self) -> tuple[str, ...]:
        """From where on freezing costs, and whether fine-tuning gains, with 95% for all at once."""
        sentences = []
        for treatment, name in zip(TRANSFERRED, ("Freezing", "Fine-tuned transfer"), strict=True):
            own = [
                i
                for i, arm in enumerate(self.entered.arms)
                if arm.treatment == treatment and not arm.variant
            ]
            worse = [i for i in own if self.gains[i] + self.half[i] < 0]
            better = [i for i in own if self.gains[i] - self.half[i] > 0]
            if worse:
                sentences.append(f"{name} is shown to cost accuracy {self._cuts(worse, own)}.")
            if better:
                sentences.append(f"{name} is shown to gain accuracy {self._cuts(better, own)}.")
            if own and not worse and not better:
                sentences.append(f"{name} is not shown to cost or gain accuracy at any n.")
        return tuple(sentences)

    def _cuts(self, shown: Sequence[int], own: Sequence[int]) -> str:
        """Cuts with their numbers; "from n on" only where it holds at every later cut."""
        ns = {i: self.entered.arms[i].n for i in own}
        first = min(shown, key=ns.__getitem__)
        told = {i: f"{100 * self.gains[i]:+.1f}±{100 * self.half[i]:.1f}" for i in shown}
        if len(shown) > 1 and all(i in shown for i in own if ns[i] >= ns[first]):
            return f"from n = {ns[first]} on: {told[first]} points there"
        ordered = sorted(shown, key=ns.__getitem__)
        return "at n = " + ", ".join(f"{ns[i]} ({told[i]} points)" for i in ordered)


def points_of(share: float) -> str:
    """A share in points.

    Args:
      share: a difference of accuracies.

    Returns:
      Such as "0.5 points".

    Example:
      >>> points_of(0.01), points_of(0.0025)
      ('1 point', '0.25 points')
    """
    number = f"{100 * share:.2g}"
    return f"{number} point" if number == "1" else f"{number} points"


def _listed(arms: Sequence[Arm]) -> str:
    names = [name_of(arm) for arm in arms[:SHOWN]]
    more = len(arms) - SHOWN
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)
