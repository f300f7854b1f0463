"""How soon each way is as accurate as training from scratch is in the end.

Source: He, Girshick and Dollár (2018), Rethinking ImageNet pre-training.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from transfer_jax.analysis.statistics.bootstrap import Contrast, sample
from transfer_jax.analysis.statistics.crossing import Arm, Cell, Group
from transfer_jax.analysis.statistics.inference import Estimate, Spread
from transfer_jax.folder.curves import Curve
from transfer_jax.folder.results import ResultRow
from transfer_jax.grid.conditions import Treatment

# The accuracy of a network at every test on the way.
CurveOf = Callable[[ResultRow], Curve]
WAYS = (Treatment.TRANSFER, Treatment.TRANSFER_PLUS)
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
      whole: the steps of the control.
      margin: a difference of accuracy that does not matter.
    """

    arm: Arm
    control: Arm
    step: int | None
    whole: int
    margin: float

    @property
    def share(self) -> float | None:
        """The step as a share of the control's steps."""
        return None if self.step is None else self.step / self.whole


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
    found = sample(Group(group.name, group.examples, rows), contrasts, lambda _: None)
    estimates = [
        Estimate(float(mean), () if error != error else (Spread(float(error), float(freedom)),),
                 int(units))
        for mean, error, freedom, units in zip(
            found.mean, found.error, found.freedom, found.units, strict=True)
    ]  # fmt: skip
    return dict(zip(steps, estimates, strict=True))


def steps_to_reach(group: Group, curve_of: CurveOf, margin: float) -> list[Reached]:
    """When each way is first shown to be as accurate as its control is in the end.

    Args:
      curve_of: the tests of a network on its way.
      margin: a difference of accuracy that does not matter.

    Returns:
      The control first, then each way of transfer that was tested on its way.
    """
    control = group.control
    if control is None:
        return []
    rows = [row for found in group.rows[control].values() for row in found]
    whole = max(row.step for row in rows)
    found = []
    for arm in (control, *(arm for arm in group.arms if arm.treatment in WAYS)):
        curve = by_step(group, arm, curve_of, less=control)
        if len(curve) > 1:
            found.append(Reached(arm, control, _first(curve, margin), whole, margin))
    return found


def _first(curve: Mapping[int, Estimate], margin: float) -> int | None:
    """The first step from which on the interval never goes below the margin.

    Tests go back from the last step and end with the first that fails, so that all of them
    together are wrong as seldom as one.
    """
    first = None
    for step in sorted(curve, reverse=True):
        half = curve[step].half_width()
        if half is None or not curve[step].mean - half >= -margin:
            break
        first = step
    return first


def reach_sentence(found: Sequence[Reached], arm: Arm) -> str:
    """How soon a way is as accurate as its control is in the end.

    Args:
      found: the steps of all ways.
      arm: the way.

    Returns:
      A sentence; empty where it is not shown, or takes as many steps.
    """
    own = next((reached for reached in found if reached.arm == arm), None)
    if own is None or own.arm == own.control or own.share is None or own.share >= 1:
        return ""
    scratch = next(reached for reached in found if reached.arm == own.control)
    name = own.control.treatment.value
    itself = "" if scratch.step is None else f"; {name} itself is there after {scratch.step}"
    layers = "the first layer" if arm.n == 1 else f"the first {arm.n} layers"
    how = "fine-tuned" if arm.treatment == Treatment.TRANSFER_PLUS else "frozen"
    return (
        f"Transferring {layers}, {how}, reaches {name}'s final accuracy to within "
        f"{_points(own.margin)} in {_share(own.share)} of its steps ({own.step} of {own.whole}"
        f"{itself}). The steps of the network that layers come from are not counted."
    )


def _share(share: float) -> str:
    """Such as "a fifth"; in per cent where there is no such word.

    Example:
      >>> _share(0.2), _share(0.37)
      ('a fifth', '37%')
    """
    near = min(FRACTIONS, key=lambda fraction: abs(fraction - share))
    return FRACTIONS[near] if abs(near - share) < ROUNDED else f"{share:.0%}"


def _points(margin: float) -> str:
    return "a point" if margin == 0.01 else f"{100 * margin:.2g} points"
