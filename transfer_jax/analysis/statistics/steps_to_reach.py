"""How soon each way is as accurate as training from scratch is in the end.

Source: He, Girshick and Dollár (2018), Rethinking ImageNet pre-training.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from transfer_jax.analysis.statistics.choices import (
    TRANSFERRED,
    Choice,
    choice_of,
    is_pretrained,
    name_of,
)
from transfer_jax.analysis.statistics.contrasts import Contrast
from transfer_jax.analysis.statistics.crossing import Arm, Cell, Group
from transfer_jax.analysis.statistics.effects import Effects
from transfer_jax.analysis.statistics.inference import Estimate
from transfer_jax.analysis.statistics.sampling import Sampler
from transfer_jax.analysis.statistics.students import CONFIDENCE
from transfer_jax.analysis.statistics.wording import capital, in_points
from transfer_jax.folder.curves import Curve
from transfer_jax.folder.results import ResultRow
from transfer_jax.grid.conditions import Treatment

# The accuracy of a network at every test on the way.
CurveOf = Callable[[ResultRow], Curve]
FRACTIONS = {1 / 10: "a tenth", 1 / 5: "a fifth", 1 / 4: "a quarter", 1 / 3: "a third",
             1 / 2: "half", 2 / 3: "two thirds", 3 / 4: "three quarters"}  # fmt: skip
ROUNDED = 0.005


@dataclass(frozen=True)
class Reached:
    """From which step on a way is as accurate as its control is in the end, but for the margin.

    Attributes:
      arm: the way.
      control: what it is compared with.
      step: the first tested step from which on this is shown; None where it is not.
      step_of_any: the same where the way is picked from all of them (Bonferroni).
      whole: the steps of the control.
      margin: a difference of accuracy that does not matter.
    """

    arm: Arm
    control: Arm
    step: int | None
    step_of_any: int | None
    whole: int
    margin: float


def by_step(
    group: Group, arm: Arm, curve_of: CurveOf, *, less: Arm | None = None
) -> dict[int, Estimate]:
    """The accuracy of an arm at every test on the way.

    Args:
      arm: one of the group's.
      curve_of: the tests of a network on its way.
      less: an arm whose final accuracy is subtracted, paired; None subtracts nothing.

    Returns:
      Step to estimate, over splits and seeds: which images a network gets right is kept of its end
      only. Empty where a network of the arm has no curve.
    """
    own = {row: curve_of(row) for rows in group.rows[arm].values() for row in rows}
    steps = sorted(set.intersection(*(set(curve) for curve in own.values())))
    if not steps:
        return {}
    at = {step: Arm(arm.treatment, arm.n, f"{arm.variant} after {step}") for step in steps}
    rows: dict[Arm, Mapping[Cell, tuple[ResultRow, ...]]] = {
        at[step]: {
            place: tuple(replace(row, top1=own[row][step]) for row in found)
            for place, found in group.rows[arm].items()
        }
        for step in steps
    }
    subtracted: Contrast = {} if less is None else {less: -1.0}
    contrasts = [{at[step]: 1.0, **subtracted} for step in steps]
    rows |= {} if less is None else {less: group.rows[less]}
    sampler = Sampler(Group(group.name, group.examples, rows), lambda _: None)
    return dict(zip(steps, sampler.sample(contrasts).estimates, strict=True))


def steps_to_reach(own: Effects, curve_of: CurveOf) -> list[Reached]:
    """When each way is first shown to be as accurate as its control is in the end.

    Args:
      own: the numbers of a group; those of the end count test images, too.
      curve_of: the tests of a network on its way.

    Returns:
      The control first, then each way of transfer that was tested on its way.
    """
    group, control, margin = own.group, own.group.control, own.margin
    if control is None:
        return []
    rows = [row for found in group.rows[control].values() for row in found]
    whole = max(row.step for row in rows)
    ways, found = [arm for arm in group.arms if arm.treatment in TRANSFERRED], []
    for arm in (control, *ways):
        curve = by_step(group, arm, curve_of, less=control)
        if len(curve) > 1:
            final = own.estimate({arm: 1.0, control: -1.0})
            curve |= {max(curve): final} if final and arm != control else {}
            step, step_of_any = (_first(curve, margin, among) for among in (1, len(ways) or 1))
            found.append(Reached(arm, control, step, step_of_any, whole, margin))
    return found


def _first(curve: Mapping[int, Estimate], margin: float, among: int) -> int | None:
    """The first step from which on the interval never goes below the margin.

    Tests go back from the last step and end with the first that fails, so that all of them
    together are wrong as seldom as one.
    """
    first = None
    for step in sorted(curve, reverse=True):
        half = curve[step].half_width(1 - (1 - CONFIDENCE) / among)
        if half is None or not curve[step].mean - half >= -margin:
            break
        first = step
    return first


def steps_sentence(
    found: Sequence[Reached], choice: Choice | None, group: Group | None = None
) -> str:
    """How soon the chosen way, else the fastest, is as accurate as its control is in the end.

    Args:
      found: the steps of all ways.
      choice: the way that is advised; None, or "scratch", for the fastest of all.
      group: the networks; None where their layers come from base networks.

    Returns:
      A sentence; empty where it is not shown, or takes as many steps.
    """
    transferred = [one for one in found if one.arm != one.control]
    ways = [(one, one.step) for one in transferred if choice_of(one.arm) == choice]
    if not ways:
        fast = [(one, one.step_of_any) for one in transferred]
        ways = sorted((way for way in fast if way[1] is not None), key=lambda way: way[1] or 0)
    if not ways or ways[0][1] is None or ways[0][1] >= ways[0][0].whole:
        return ""
    own, step = ways[0][0], ways[0][1]
    reaches = _reaches(own, step, found[0])
    if group is not None and is_pretrained(group):
        way = capital(name_of(own.arm, group.layers))
        return f"“{way}” reaches {reaches}. The pretraining is not counted."
    way = f"Transferring {_how(own.arm)}, reaches"
    return f"{way} {reaches}. The steps of the network that layers come from are not counted."


def _how(arm: Arm) -> str:
    layers = "the first layer" if arm.n == 1 else f"the first {arm.n} layers"
    tuned = arm.treatment == Treatment.TRANSFER_PLUS
    how = f"as {arm.variant} does" if arm.variant else "fine-tuned" if tuned else "frozen"
    return f"{layers}, {how}"


def _reaches(own: Reached, step: int, itself: Reached) -> str:
    name = own.control.treatment.value
    there = "" if itself.step is None else f"; {name} itself is there after {itself.step}"
    return (
        f"{name}'s final accuracy to within {in_points(own.margin)} in "
        f"{_share(step / own.whole)} of its steps ({step} of {own.whole}{there})"
    )


def _share(share: float) -> str:
    """Such as "a fifth"; in per cent where there is no such word.

    Example:
      >>> _share(0.2), _share(0.37)
      ('a fifth', '37%')
    """
    near = min(FRACTIONS, key=lambda fraction: abs(fraction - share))
    return FRACTIONS[near] if abs(near - share) < ROUNDED else f"{share:.0%}"
