"""What follows from ways that were compared: the verdict, and the reasons."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transfer_jax.analysis.statistics.best import TINY, Standing, Ways
from transfer_jax.analysis.statistics.choices import (
    Choice,
    choice_of,
    cost_of,
    is_pretrained,
    name_of,
    told_by_family,
    trains_fewest,
)
from transfer_jax.analysis.statistics.telling import Advice
from transfer_jax.analysis.statistics.ways import SHOWN, Contest
from transfer_jax.analysis.statistics.wording import capital, in_points, written
from transfer_jax.grid.conditions import Treatment
from transfer_jax.grid.pretrained import (
    FREEZE,
    FULL,
    GRADUAL,
    HEAD2TOE,
    LP_FT,
    PROBE,
    SURGICAL,
)

MORE = "{} would decide: intervals shrink with the root of their number."
# What tells an interval of the advice from that of the same number alone, which is narrower.
AT_ONCE = ", for all ways at once"
# What is said of the paper's kinds of ways, and of those that start from given weights.
KINDS = {
    (Treatment.TRANSFER, ""): "Freezing",
    (Treatment.TRANSFER_PLUS, ""): "Fine-tuned transfer",
}
PRETRAINED_KINDS = {
    (Treatment.TRANSFER, PROBE): "A linear head on frozen features",
    (Treatment.TRANSFER, HEAD2TOE): "A linear head on all layers' activations",
    (Treatment.TRANSFER_PLUS, FREEZE): "Freezing the first n layers and tuning the rest",
    (Treatment.TRANSFER_PLUS, SURGICAL): "Tuning one part",
    (Treatment.TRANSFER_PLUS, GRADUAL): "Gradual unfreezing",
    (Treatment.TRANSFER_PLUS, LP_FT): "LP-FT",
    (Treatment.TRANSFER_PLUS, FULL): "Full fine-tuning",
    (Treatment.TRANSFER, ""): "Freezing under a fresh top",
    (Treatment.TRANSFER_PLUS, ""): "Fine-tuning under a fresh top",
}


@dataclass(frozen=True)
class Found:
    """Ways with all that is known of them.

    `ways` are accuracies on the images that they are compared by; gains and half widths are on
    test images.
    """

    entered: Contest
    standing: Standing
    ways: Ways
    gains: np.ndarray
    half: np.ndarray

    def advice(self, margin: float, notes: Sequence[str]) -> Advice:
        """What follows."""
        arms, name = self.entered.arms, self.entered.group.name
        sure = np.flatnonzero(self.standing.may_be_chosen).tolist()
        left = np.flatnonzero(~self.standing.excluded).tolist()
        not_excluded = tuple(choice_of(arms[i]) for i in left)
        if not sure:
            verdict, why, taken = self._undecided(margin, left, notes)
            return Advice(name, verdict, why, not_excluded=not_excluded, margin=margin, taken=taken)
        chosen = self._cheapest(sure)
        verdict = f"{capital(self._told(chosen))}."
        if ties := self._ties():
            verdict += (
                f" {ties}; this is the cheapest of those shown to be within the margin of it."
            )
        why = (
            f"It is within {in_points(margin)} of the best of {len(arms)} ways, whichever that is, "
            "with 95% confidence.",
            *self._also(sure, chosen),
            f"Not excluded: {self._listed(left)}.",
            *notes,
        )
        gain = float(self.gains[chosen])
        interval = (gain - float(self.half[chosen]), gain + float(self.half[chosen]))
        choice = choice_of(arms[chosen])
        return Advice(
            name, verdict, why, choice, gain, interval, not_excluded, margin, taken=choice
        )

    def _undecided(
        self, margin: float, left: Sequence[int], notes: Sequence[str]
    ) -> tuple[str, tuple[str, ...], Choice | None]:
        """The verdict, its reasons, and what to take for now."""
        none = f"No way is shown to be within {in_points(margin)} of the best of {len(self.gains)}."
        if not (ties := self._ties()):
            best = max(left, key=lambda i: self.gains[i])
            verdict = f"Undecided. Highest so far: {self._told(best)}."
            more = MORE.format("More seeds or splits")
            return verdict, (f"{none} Not excluded: {self._listed(left)}.", *notes, more), None
        taken = self._cheapest(self._near_highest(margin))
        verdict = (
            f"{ties}. Take the cheapest of those within a standard error of the highest: "
            f"{self._told(taken)}."
        )
        # Rounded up: a bound that is rounded down is none.
        lost = f"{np.ceil(1000 * self.standing.below[taken]) / 10:.1f}"
        most = f"With 95% confidence it is at most {lost} points below the best, whichever that is."
        more = MORE.format("More images to compare them by, or more seeds,")
        return verdict, (most, none, *notes, more), choice_of(self.entered.arms[taken])

    def _near_highest(self, margin: float) -> list[int]:
        """Ways within one standard error, or the margin, of the one that is highest.

        Source: Breiman, Friedman, Olshen and Stone (1984), Classification and regression trees,
        section 3.4.3.
        """
        mean = self.ways.mean
        highest = int(np.argmax(mean))
        near = np.maximum(self.ways.error[highest], margin)
        return np.flatnonzero(mean >= mean[highest] - near - TINY).tolist()

    def _ties(self) -> str:
        """That ways which start from given weights tie; empty where they do not."""
        tied = np.flatnonzero(self.standing.ties).tolist()
        if len(tied) < 2 or not is_pretrained(self.entered.group):
            return ""
        count = len(self.gains)
        told = "Most ways tie" if 2 * len(tied) > count else "Some ways tie"
        return (
            f"{told}: of {count} ways, {len(tied)} are not shown to differ from the best: "
            f"{self._listed(tied)}"
        )

    def _cheapest(self, ways: Sequence[int]) -> int:
        return min(ways, key=lambda i: cost_of(self.entered.arms[i]))

    def _also(self, sure: Sequence[int], chosen: int) -> tuple[str, ...]:
        others = [i for i in sure if i != chosen]
        if not others:
            return ()
        fewer = trains_fewest(self.entered.arms[chosen])
        return (f"As good: {self._listed(others)}{'; they train more layers' if fewer else ''}.",)

    def _listed(self, ways: Sequence[int]) -> str:
        """Ways in words; those that start from given weights, of which most tie, in short."""
        arms, group = [self.entered.arms[i] for i in ways], self.entered.group
        if is_pretrained(group):
            return told_by_family(sorted(arms, key=cost_of))
        names = [name_of(arm, group.layers) for arm in arms[:SHOWN]]
        more = len(arms) - SHOWN
        return ", ".join(names) + (f" and {more} more" if more > 0 else "")

    def _told(self, i: int) -> str:
        """A way with its gain, which is never told without its interval."""
        name = name_of(self.entered.arms[i], self.entered.group.layers)
        if i == 0:
            return name
        return f"{name} ({self._gain(i)} points against {self._control}{AT_ONCE})"

    @property
    def _control(self) -> str:
        """What gains are told against, in short."""
        return told_by_family(self.entered.arms[:1])

    def _gain(self, i: int) -> str:
        return written(float(self.gains[i]), float(self.half[i]))

    def losses(self) -> tuple[str, ...]:
        """From where on freezing costs, and whether fine-tuning gains, with 95% for all at once."""
        kinds = PRETRAINED_KINDS if is_pretrained(self.entered.group) else KINDS
        sentences = []
        for kind, name in kinds.items():
            arms = list(enumerate(self.entered.arms))[1:]
            own = [i for i, arm in arms if kind == (arm.treatment, arm.variant)]
            worse = [i for i in own if self.gains[i] + self.half[i] < 0]
            better = [i for i in own if self.gains[i] - self.half[i] > 0]
            against = f" against {self._control}" * (kinds is PRETRAINED_KINDS)
            for shown, word in ((worse, "cost"), (better, "gain")):
                if shown:
                    cuts = self._cuts(shown, own)
                    sentences.append(
                        f"{name} is shown to {word} accuracy{against} {cuts}{AT_ONCE}."
                    )
            if own and not worse and not better:
                where = " at any n" if any(self.entered.arms[i].n for i in own) else ""
                sentences.append(f"{name} is not shown to cost or gain accuracy{against}{where}.")
        return tuple(sentences)

    def _cuts(self, shown: Sequence[int], own: Sequence[int]) -> str:
        """Cuts with their numbers; "from n on" only where it holds at every later cut."""
        ns = {i: self.entered.arms[i].n for i in own}
        first = min(shown, key=ns.__getitem__)
        told = {i: self._gain(i) for i in shown}
        if not ns[first]:
            return f"({told[first]} points)"
        if len(shown) > 1 and all(i in shown for i in own if ns[i] >= ns[first]):
            return f"from n = {ns[first]} on: {told[first]} points there"
        ordered = sorted(shown, key=ns.__getitem__)
        return "at n = " + ", ".join(f"{ns[i]} ({told[i]} points)" for i in ordered)
