"""How many layers to transfer, and whether to freeze them: a choice, its reason, how sure it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from transfer_jax.analysis.statistics.crossing import Arm
from transfer_jax.analysis.statistics.effects import GAIN, Effect, Effects
from transfer_jax.analysis.statistics.students import CONFIDENCE
from transfer_jax.analysis.tables import points
from transfer_jax.grid.conditions import Treatment

# As good as the best: within a point.
MARGIN = 0.01
SHOWN = 4
SCRATCH = Arm(Treatment.BASE, 0)


@dataclass(frozen=True)
class Option:
    """A way to train the target network.

    Attributes:
      arm: base networks stand for training from scratch.
      effect: test accuracy less that of training from scratch; None for that itself.
      chance: how probable it is that no other way is better by more than the margin, on
        validation images where there are some.
    """

    arm: Arm
    effect: Effect | None
    chance: float

    @property
    def gain(self) -> float:
        """Test accuracy less that of training from scratch."""
        return 0.0 if self.effect is None else self.effect.mean

    @property
    def name(self) -> str:
        """What to do."""
        if self.arm == SCRATCH:
            return "train from scratch"
        layers = "first layer" if self.arm.n == 1 else f"first {self.arm.n} layers"
        tuned = self.arm.treatment == Treatment.TRANSFER_PLUS
        return f"transfer the {layers} and {'fine-tune everything' if tuned else 'freeze them'}"


@dataclass(frozen=True)
class Advice:
    """What a table says about one group of networks.

    Attributes:
      group: its name.
      verdict: the answer in one line.
      reasons: sentences.
      choice: the way to go; None where the evidence does not decide.
      options: all ways, the most probable first; none where there are no chances.
    """

    group: str
    verdict: str
    reasons: tuple[str, ...]
    choice: Option | None
    options: tuple[Option, ...]


def advise(found: Effects, *, margin: float = MARGIN, seed: int = 0) -> Advice:
    """Choose how to train the target network.

    Of the ways that are as good as the best but for the margin, with 95% confidence over all ways
    at once, it takes the one that trains the fewest layers; from scratch comes before fine-tuning.
    It chooses on validation images, where there are some, and tells the gain on test images.

    Args:
      margin: a difference of accuracy that does not matter.
      seed: of the draws.

    Returns:
      The advice; undecided where no way is shown to be as good as the best.

    Source: Hsu (1981), Simultaneous confidence intervals for all distances from the "best".
    """
    judged = found.validation or found
    name, gains = found.group.name, _gains(judged)
    tested = {gain.arm: gain.effect for gain in _gains(found)}
    if SCRATCH not in found.group.rows or not gains:
        missing = "transferred" if SCRATCH in found.group.rows else "base"
        return Advice(name, f"No advice: {missing} networks are missing.", (), None, ())
    freedom = min(gain.effect.freedom or 0.0 for gain in gains)
    reasons = (_chosen_on(found), *_losses(found))
    if any(gain.effect.high is None for gain in gains) or not freedom:
        best = max(gains, key=lambda gain: gain.effect.mean)
        arm = best.arm if best.effect.mean > 0 else SCRATCH
        shown = Option(arm, tested.get(arm), np.nan)
        verdict = f"Undecided: one seed shows no spread. Highest so far: {_told(shown)}."
        return Advice(name, verdict, ("Run with two seeds or more.", _chosen_on(found)), None, ())
    options = _options(gains, tested, judged, freedom, margin, np.random.default_rng(seed))
    sure = [option for option in options if option.chance >= CONFIDENCE]
    if not sure:
        return _undecided(name, options, reasons, margin)
    choice = min(sure, key=_cost)
    how_sure = (
        f"Within {_within(margin)} of the best of {len(options)} ways in "
        f"{choice.chance:.1%} of the replicates."
    )
    alike = [option for option in sure if option != choice]
    fewer = "; they train more layers" if alike and _cost(choice)[0] == 0 else ""
    also = (f"As good: {_listed(alike)}{fewer}.",) if alike else ()
    verdict = f"{_told(choice)[0].upper()}{_told(choice)[1:]}."
    return Advice(name, verdict, (how_sure, *also, *reasons), choice, options)


def _chosen_on(found: Effects) -> str:
    if found.validation:
        return "Ways are compared on validation images; what they gain is told on test images."
    return (
        "There are no validation images, so ways are compared on the test images themselves: the "
        "gain of the best is flattered."
    )


def _undecided(
    name: str, options: tuple[Option, ...], reasons: tuple[str, ...], margin: float
) -> Advice:
    first = options[0]
    rest = [option for option in options[1:] if option.chance >= 1 - CONFIDENCE]
    verdict = f"Undecided. Most probable: {_told(first)}."
    others = f"; not excluded are {_listed(rest)}" if rest else ""
    how_sure = (
        f"No way is shown to be within {_within(margin)} of the best: this one is in "
        f"{first.chance:.1%} of the replicates{others}."
    )
    more = "More seeds or splits would decide: intervals shrink with the root of their number."
    return Advice(name, verdict, (how_sure, *reasons, more), None, options)


class _Gain(NamedTuple):
    arm: Arm
    effect: Effect
    place: int


def _gains(found: Effects) -> list[_Gain]:
    """What transfer gains at each cut, and where its draws stand."""
    arms = (Treatment.TRANSFER, Treatment.TRANSFER_PLUS)
    return [
        _Gain(Arm(effect.quantity.treatment, effect.quantity.first_n), effect, place)
        for place, effect in enumerate(found.effects)
        if effect.quantity.kind == GAIN and effect.quantity.treatment in arms
        if effect.quantity.first_n == effect.quantity.last_n and not effect.quantity.variant
        if not np.isnan(effect.mean)
    ]


def _options(
    gains: Sequence[_Gain],
    tested: Mapping[Arm, Effect],
    judged: Effects,
    freedom: float,
    margin: float,
    random: np.random.Generator,
) -> tuple[Option, ...]:
    places = [gain.place for gain in gains]
    deviations = judged.sampled.draws[:, places]
    # Few units leave their spread uncertain; with this factor normal draws become Student's.
    wider = np.sqrt(freedom / random.chisquare(freedom, (len(deviations), 1)))
    drawn = judged.sampled.mean[places] + deviations * wider
    drawn = np.concatenate([np.zeros((len(drawn), 1)), drawn], axis=1)
    chances = _near_best(drawn, margin)
    arms = [SCRATCH, *(gain.arm for gain in gains)]
    options = [
        Option(arm, tested.get(arm), float(chance))
        for arm, chance in zip(arms, chances, strict=True)
    ]
    return tuple(sorted(options, key=lambda option: -option.chance))


def _near_best(
    drawn: Float[np.ndarray, "replicate option"], margin: float
) -> Float[np.ndarray, " option"]:
    return (drawn >= drawn.max(axis=1, keepdims=True) - margin).mean(axis=0)


def _cost(option: Option) -> tuple[int, int]:
    """Fewer trained layers first; then nothing to transfer; then the most layers reused."""
    order = (Treatment.TRANSFER, Treatment.BASE, Treatment.TRANSFER_PLUS)
    return order.index(option.arm.treatment), -option.arm.n


def _losses(found: Effects) -> tuple[str, ...]:
    """From where on freezing costs, and whether fine-tuned transfer gains, at 95%."""
    frozen, tuned = (
        found.of(GAIN, treatment) for treatment in (Treatment.TRANSFER, Treatment.TRANSFER_PLUS)
    )
    costly = [e for e in frozen if e.mean < 0 and e.p_some is not None and e.p_some < 0.05]
    sentences = []
    if costly:
        first = min(costly, key=lambda e: e.quantity.first_n)
        sentences.append(
            f"Freezing is shown to cost accuracy from n = {first.quantity.first_n} on: "
            f"{points(first)} points there (all cuts tested together)."
        )
    elif frozen and frozen[0].p_some is not None:
        sentences.append("Freezing is not shown to cost accuracy at any n.")
    for effect in found.ranges(GAIN)[:1]:
        if tuned and effect.low is not None and effect.high is not None:
            sure = "gains" if effect.low > 0 else "loses" if effect.high < 0 else ""
            text = f"{sure} accuracy" if sure else "is not shown to gain or lose"
            cuts = f"n = {effect.quantity.first_n} to {effect.quantity.last_n}"
            sentences.append(
                f"Fine-tuned transfer {text}: {points(effect)} points, mean of {cuts}."
            )
    return tuple(sentences)


def _told(option: Option) -> str:
    if option.effect is None:
        return option.name
    return f"{option.name} ({points(option.effect)} points against scratch)"


def _listed(options: Sequence[Option]) -> str:
    names = [option.name for option in options[:SHOWN]]
    more = len(options) - SHOWN
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def _within(margin: float) -> str:
    return "a point" if margin == MARGIN else f"{100 * margin:g} points"
