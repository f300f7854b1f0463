"""How many layers to transfer, and whether to freeze them: a choice, its reason, how sure it is."""

from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from typing import NamedTuple

from transfer_jax.analysis.statistics import margins
from transfer_jax.analysis.statistics.answer import Found
from transfer_jax.analysis.statistics.best import against_control, compare
from transfer_jax.analysis.statistics.choices import TRANSFERRED, is_pretrained
from transfer_jax.analysis.statistics.crossing import (
    RANDOM_HALVES,
    Arm,
    Group,
    family_of,
    groups,
    kind,
    of_targets,
)
from transfer_jax.analysis.statistics.failures import failures, without
from transfer_jax.analysis.statistics.images import TestOf
from transfer_jax.analysis.statistics.inference import Word
from transfer_jax.analysis.statistics.sampling import Sampler
from transfer_jax.analysis.statistics.telling import (
    CLOSE,
    ON_THESE_EXAMPLES,
    Advice,
    chosen_on,
    margin_told,
    one_seed,
)
from transfer_jax.analysis.statistics.ways import contest, reference, told_place
from transfer_jax.folder.results import ResultRow
from transfer_jax.grid.conditions import Treatment

HALVES = ("A", "B")
BASE_ARM, SCRATCH_ARM = Arm(Treatment.BASE, 0), Arm(Treatment.SCRATCH, 0)


class Judged(NamedTuple):
    """Networks, and the images that they are judged by."""

    group: Group
    test_of: TestOf


class Networks(NamedTuple):
    """Networks of any groups, the images that they are judged by, the names of their layers."""

    rows: Sequence[ResultRow]
    test_of: TestOf
    layers: tuple[str, ...] = ()


def advise_each(
    tested: Networks,
    validated: Networks | None = None,
    *,
    margin: float = 0.0,
    kind_of: Callable[[str], str] = kind,
) -> list[Advice]:
    """Advice on each group of some networks.

    Args:
      tested: the networks, judged by test images.
      validated: the same in the same order, judged by validation images.
      margin: a difference that does not matter; 0 for the rule of `margins`.
      kind_of: what kind of split one is a draw of.

    Returns:
      The advice, in the order of the groups.
    """
    own = [Judged(group, tested.test_of) for group in groups(tested.rows, kind_of, tested.layers)]
    if validated is None:
        return [advise_group(judged, margin=margin) for judged in own]
    by = [
        Judged(group, validated.test_of) for group in groups(validated.rows, kind_of, tested.layers)
    ]
    return [advise_group(*both, margin=margin) for both in zip(own, by, strict=True)]


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
    first = _not_converged(tested, whole.margin)
    halves = family_of(group.splits[0]) == RANDOM_HALVES and set(targets) <= set(HALVES)
    if halves or len(targets) < 2:
        return _after(first, whole)
    # A way that failed on one target is out of the question for all.
    failed = contest(group).failed if reference(group) else frozenset[Arm]()
    parts = []
    for target in targets:
        by = validated and _of_target(validated, target, failed)
        own = _of_target(tested, target, failed)
        parts.append(_advise(own, by, margin, len(targets), seed))
    return _after(first, _unless_targets_disagree(whole, tuple(parts)))


def _of_target(judged: Judged, target: str, without: Set[Arm]) -> Judged:
    group = of_targets(judged.group, [target])
    rows = {arm: held for arm, held in group.rows.items() if arm not in without}
    return Judged(replace(group, name=f"target {target}", rows=rows), judged.test_of)


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
        reasons=(f"Targets disagree. {why}",),
        choice=None,
        gain=None,
        interval=None,
        taken=None,
        not_excluded=tuple(choice for choice in whole.not_excluded if choice in (common or ())),
        parts=parts,
    )


def _advise(
    tested: Judged, validated: Judged | None, margin: float, among: int, seed: int
) -> Advice:
    group = tested.group
    compared = reference(group)
    if compared is None or not any(arm.treatment in TRANSFERRED for arm in group.arms):
        missing = "transferred" if compared else "base"
        told = f"No advice: {missing} networks are missing."
        return Advice(group.name, told, (told,), margin=margin)
    entered = contest(group)
    if len(entered.arms) < 2:
        told = "No advice: no way of transfer has the networks that it would be compared by."
        return Advice(group.name, told, (told, *entered.left_out), margin=margin)
    compared_on = entered.means((validated or tested).group)
    pretrained = is_pretrained(group)
    error = 1 - float(compared_on.max() if pretrained else compared_on[0])
    used = margin or margins.margin_of(error)
    of = "the best way" if pretrained else "training from scratch"
    asked = margin_told(used, error, margin, of + " on validation images" * bool(validated))
    on_test = entered.ways(*tested)
    judged = entered.ways(*(validated or tested))
    if on_test is None or judged is None:
        return one_seed(entered, compared_on, used, (asked, *entered.left_out))
    standing = compare(judged[0], used, seed=seed, among=among)
    half = against_control(on_test[0], seed=seed)
    gains = on_test[0].mean - on_test[0].mean[0]
    found = Found(entered, standing, judged[0], gains, half)
    notes = (
        *found.losses(),
        chosen_on(validated is not None),
        *(() if on_test[1] else (ON_THESE_EXAMPLES,)),
        asked,
        *((CLOSE,) if standing.is_close else ()),
        *entered.left_out,
    )
    return found.advice(used, notes)


def _not_converged(tested: Judged, margin: float) -> tuple[str, tuple[str, ...]]:
    """Whether scratch gains by the whole budget, and what cannot be asked for it."""
    group = tested.group
    if not {SCRATCH_ARM, BASE_ARM} <= set(group.rows):
        return "", ()
    failed = failures(group, [SCRATCH_ARM, BASE_ARM])
    # A scratch network is a way's rival, and named as such.
    named = tuple(
        f"{told_place(place)}: its base network {why}."
        for (arm, place), why in failed.items()
        if arm == BASE_ARM
    )
    told = Sampler(without(group, failed), tested.test_of).estimate(
        {SCRATCH_ARM: 1.0, BASE_ARM: -1.0}
    )
    if told is None or told.word(margin) != Word.ABOVE or told.mean <= margin:
        return "", named
    gain = f"scratch with the whole budget gains {told.points()} points"
    return f"Base networks are not converged: {gain}. ", named


def _after(first: tuple[str, tuple[str, ...]], advice: Advice) -> Advice:
    """The same with a line before its verdict, and more reasons."""
    line, reasons = first
    return replace(advice, verdict=line + advice.verdict, reasons=(*advice.reasons, *reasons))


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)
