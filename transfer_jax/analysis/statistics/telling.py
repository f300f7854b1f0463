"""What is said of ways that were compared: the verdict, and the reasons."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transfer_jax.analysis.statistics.best import Standing
from transfer_jax.analysis.statistics.crossing import Arm
from transfer_jax.analysis.statistics.ways import (
    SHOWN,
    TRANSFERRED,
    Choice,
    Contest,
    choice_of,
    cost_of,
    name_of,
)
from transfer_jax.analysis.statistics.wording import in_points, written

CLOSE = "A verdict is within the Monte-Carlo error of its threshold: it is not taken for shown."
# What tells an interval of the advice from that of the same number alone, which is narrower.
AT_ONCE = ", for all ways at once"
ON_THESE_EXAMPLES = (
    "Which test examples each network gets right is not known: intervals are about these very "
    "examples."
)


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


@dataclass(frozen=True)
class Found:
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
                f"No way is shown to be within {in_points(margin)} of the best of {len(arms)}. Not "
                f"excluded: {_listed([arms[i] for i in left])}.",
                *notes,
                "More seeds or splits would decide: intervals shrink with the root of their "
                "number.",
            )
            return Advice(name, verdict, why, not_excluded=not_excluded, margin=margin)
        chosen = min(sure, key=lambda i: cost_of(arms[i]))
        verdict = f"{self._told(chosen)[0].upper()}{self._told(chosen)[1:]}."
        why = (
            f"It is within {in_points(margin)} of the best of {len(arms)} ways, whichever that is, "
            "with 95% confidence.",
            *self._also(sure, chosen),
            f"Not excluded: {_listed([arms[i] for i in left])}.",
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
        return f"{name} ({self._gain(i)} points against scratch{AT_ONCE})"

    def _gain(self, i: int) -> str:
        return written(float(self.gains[i]), float(self.half[i]))

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
                cuts = self._cuts(worse, own)
                sentences.append(f"{name} is shown to cost accuracy {cuts}{AT_ONCE}.")
            if better:
                cuts = self._cuts(better, own)
                sentences.append(f"{name} is shown to gain accuracy {cuts}{AT_ONCE}.")
            if own and not worse and not better:
                sentences.append(f"{name} is not shown to cost or gain accuracy at any n.")
        return tuple(sentences)

    def _cuts(self, shown: Sequence[int], own: Sequence[int]) -> str:
        """Cuts with their numbers; "from n on" only where it holds at every later cut."""
        ns = {i: self.entered.arms[i].n for i in own}
        first = min(shown, key=ns.__getitem__)
        told = {i: self._gain(i) for i in shown}
        if len(shown) > 1 and all(i in shown for i in own if ns[i] >= ns[first]):
            return f"from n = {ns[first]} on: {told[first]} points there"
        ordered = sorted(shown, key=ns.__getitem__)
        return "at n = " + ", ".join(f"{ns[i]} ({told[i]} points)" for i in ordered)


def chosen_on(on_validation: bool) -> str:
    """By which images ways are chosen.

    Args:
      on_validation: whether by others than the gain is told on.

    Returns:
      A sentence.
    """
    if on_validation:
        return "Ways are compared on validation images; what they gain is told on test images."
    return (
        "There are no validation images, so ways are compared on the test images themselves: the "
        "gain of the best is flattered, which its interval allows for."
    )


def margin_told(used: float, error: float, asked: float) -> str:
    """Which margin counts, and why.

    Args:
      used: it.
      error: of training from scratch.
      asked: what was asked for; 0 for the rule.

    Returns:
      A sentence.
    """
    if asked:
        return f"The margin is {in_points(used)}, as asked for."
    return (
        f"The margin is {in_points(used)}: the smaller of a point and a tenth of the error of "
        f"training from scratch, {error:.1%}."
    )


def one_seed(entered: Contest, margin: float, notes: Sequence[str]) -> Advice:
    """The advice where nothing is known of the spread.

    Args:
      entered: the ways.
      margin: a difference that does not matter.
      notes: further sentences.

    Returns:
      It, undecided.
    """
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


def _listed(arms: Sequence[Arm]) -> str:
    names = [name_of(arm) for arm in arms[:SHOWN]]
    more = len(arms) - SHOWN
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")
