"""Advice as a value, and sentences that stand in every one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transfer_jax.analysis.statistics.choices import Choice, choice_of, is_pretrained, name_of
from transfer_jax.analysis.statistics.ways import Contest
from transfer_jax.analysis.statistics.wording import in_points

CLOSE = "A verdict is within the Monte-Carlo error of its threshold: it is not taken for shown."
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
      gain: test accuracy of the choice less that of training from scratch (of the way that trains
        the most, where nothing is from scratch and weights were given); None without a choice.
      interval: its 95% interval, which holds for all ways at once, so also for the one that was
        chosen; None where there is none.
      not_excluded: choices that are not shown to be worse than the best by more than the margin.
      margin: a difference that does not matter.
      parts: advice for each target, or for each kind of splits, where these are asked apart.
      taken: what to take for now: the choice; where ways that start from given weights tie, the
        cheapest of those whose accuracy is within the margin of the highest; else None.
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
    taken: Choice | None = None

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


def margin_told(used: float, error: float, asked: float, of: str) -> str:
    """Which margin counts, and why.

    Args:
      used: it.
      error: of the way that the rule looks at.
      asked: what was asked for; 0 for the rule.
      of: that way, in words.

    Returns:
      A sentence.
    """
    if asked:
        return f"The margin is {in_points(used)}, as asked for."
    return (
        f"The margin is {in_points(used)}: the smaller of a point and a tenth of the error of "
        f"{of}, {error:.1%}."
    )


def one_seed(entered: Contest, judged: np.ndarray, margin: float, notes: Sequence[str]) -> Advice:
    """The advice where nothing is known of the spread.

    Args:
      entered: the ways.
      judged: accuracy of each on the images that they are compared by.
      margin: a difference that does not matter.
      notes: further sentences.

    Returns:
      It, undecided.
    """
    means, arms = entered.means(), entered.arms
    best = int(np.argmax(judged))
    gain = "" if best == 0 else f" ({100 * (means[best] - means[0]):+.1f} points, no interval)"
    return Advice(
        entered.group.name,
        "Undecided: one seed shows no spread. Highest so far: "
        f"{name_of(arms[best], entered.group.layers)}{gain}.",
        ("One seed shows no spread: run with two seeds or more.", *notes),
        not_excluded=tuple(map(choice_of, arms)),
        margin=margin,
        taken=choice_of(arms[best]) if is_pretrained(entered.group) else None,
    )
