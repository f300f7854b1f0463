"""The top of the page: what to do, why, and how sure that is."""

import re
from collections.abc import Sequence

from transfer_jax.analysis.evidence import Evidence
from transfer_jax.analysis.page.notes import (
    chance_note,
    divergence_note,
    interval_note,
    unfinished_note,
)
from transfer_jax.analysis.page.page import Answer
from transfer_jax.analysis.paper.beside_authors import boost_note
from transfer_jax.analysis.statistics.effects import (
    CO_ADAPTATION,
    OVER_RANDOM,
    SPECIALISATION,
    Effect,
    Effects,
)
from transfer_jax.analysis.statistics.splits import LESS, between_splits
from transfer_jax.analysis.statistics.telling import Advice
from transfer_jax.analysis.tables import points, title
from transfer_jax.grid.conditions import Treatment

# How cuts were picked; with numbers beside them, what their intervals are.
TOGETHER = "(p adjusted for all cuts)"
WITH_INTERVALS = "(p adjusted for all cuts; each interval is of its cut alone)"
WORDS = (
    "n layers are copied from a trained network: from one of the same task (BnB) or of the other "
    "task (AnB), and kept frozen or, with +, trained on. Base networks are trained from scratch."
)


PRETRAINED = (
    "{all} begin with the weights of {weights} and a new head; n counts layers from the "
    "input. What each family is stands under “What is what”."
)


def notices(evidence: Evidence, found: Sequence[Effects]) -> list[str]:
    """What a reader must know before anything else: what is unfinished, diverged or missing."""
    lines = [unfinished_note(evidence), divergence_note(evidence.rows)]
    if not evidence.rows:
        lines.append("There are no finished networks here yet: nothing can be said.")
    if evidence.problems:
        lines.append(f"What is missing: {len(evidence.problems)} lines at the end of the page.")
    return list(filter(None, lines))


def answers(found: Sequence[Effects], advice: Sequence[Advice]) -> list[Answer]:
    """The advice for each group of networks, and its reasons."""
    return [
        Answer(
            title(own),
            [
                told.verdict,
                " ".join(told.reasons),
                _costs(own),
                _over_random(own),
            ],
        )
        for own, told in zip(found, advice, strict=True)
    ]


def introduction(evidence: Evidence, found: Sequence[Effects]) -> list[str]:
    """How many networks there are, what intervals are over, and what the words mean."""
    said = WORDS
    if evidence.is_pretrained:
        fresh = any(row.treatment == Treatment.SCRATCH for row in evidence.rows)
        who = "All but scratch" if fresh else "All"
        said = PRETRAINED.format(all=who, weights=_weights(evidence))
    words = [f"{len(evidence.rows)} networks. {interval_note(found)} {said}"] if found else []
    return [*words, chance_note(evidence), boost_note(found), *split_sentences(found)]


def _weights(evidence: Evidence) -> str:
    """The name of the file that layers come from."""
    network = evidence.config.get("network")
    path = str(network.get("weights") or "") if isinstance(network, dict) else ""
    return re.split(r"[/\\]", path.rstrip("/"))[-1] or "a file"


def _costs(own: Effects) -> str:
    """Where either kind of cost is shown; the largest is not picked, for that it is was not tested.

    Of the largest of many numbers the interval of one is too short ("the winner's curse").
    """
    parts, said = [], ""
    for kind in (CO_ADAPTATION, SPECIALISATION):
        effects = [effect for effect in own.of(kind) if effect.estimate.spreads]
        if shown := [effect for effect in effects if _is_shown(effect)]:
            parts.append(f"{kind} costs at {_of_all(shown, effects)}")
            said = WITH_INTERVALS
        elif effects and all(effect.estimate.is_within(own.margin) for effect in effects):
            parts.append(f"{kind} costs nothing that matters at any n")
        elif effects:
            parts.append(f"{kind} is not shown to cost anything at any n")
            said = said or TOGETHER
    told = " ".join(filter(None, ["; ".join(parts), said]))
    return f"Of what frozen transfer loses, {told}." if parts else ""


def _over_random(own: Effects) -> str:
    """Where transferred layers are shown to be better than random ones."""
    effects = [effect for effect in own.of(OVER_RANDOM) if effect.estimate.spreads]
    shown = [effect for effect in effects if _is_shown(effect)]
    if not effects:
        return ""
    if not shown:
        told = "are not shown to be better than random ones at any n"
        return f"Frozen, transferred layers {told} {TOGETHER}."
    told = f"are better than random ones at {_of_all(shown, effects)}"
    return f"Frozen, transferred layers {told} {WITH_INTERVALS}."


def split_sentences(found: Sequence[Effects]) -> list[str]:
    """Whether transfer costs more on some splits than on others, where that was tested."""
    sentences = []
    frozen = [e for e in between_splits(found) if e.quantity.treatment == Treatment.TRANSFER]
    for name in dict.fromkeys(effect.group for effect in frozen):
        effects = [e for e in frozen if e.group == name and e.estimate.spreads]
        halves, _, other = name.partition(LESS)
        parts = [
            f"{word} on {other} than on {halves} at {_listed(own)}"
            for word, sign in (("more", 1), ("less", -1))
            if (own := [effect for effect in effects if _is_shown(effect, sign)])
        ]
        if parts:
            sentences.append(f"Frozen transfer costs {', and '.join(parts)} {WITH_INTERVALS}.")
        elif effects:
            told = f"is not shown to cost more or less on {other} than on {halves} at any n"
            sentences.append(f"Frozen transfer {told} {TOGETHER}.")
    return sentences


def _of_all(shown: Sequence[Effect], effects: Sequence[Effect]) -> str:
    """Cuts where something is shown, and that it is not at the others."""
    rest = "" if len(shown) == len(effects) else ", which is not shown at other cuts"
    return f"{_listed(shown)}{rest}"


def _listed(effects: Sequence[Effect]) -> str:
    """Cuts with their numbers."""
    return "n = " + ", ".join(f"{e.quantity.first_n} ({points(e)} points)" for e in effects)


def _is_shown(effect: Effect, sign: int = 1) -> bool:
    """Whether it is above 0, or below, also if it is picked of all cuts."""
    return sign * effect.mean > 0 and effect.p_some is not None and effect.p_some < 0.05
