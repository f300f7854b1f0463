"""The top of the page: what to do, why, and how sure that is."""

from collections.abc import Sequence

from transfer_jax.analysis.evidence import Evidence
from transfer_jax.analysis.page.notes import divergence_note, interval_note, unfinished_note
from transfer_jax.analysis.page.page import Answer
from transfer_jax.analysis.paper.beside_authors import boost_note
from transfer_jax.analysis.statistics.advice import Advice
from transfer_jax.analysis.statistics.effects import CO_ADAPTATION, SPECIALISATION, Effect, Effects
from transfer_jax.analysis.tables import points, title

WORDS = (
    "n layers are copied from a trained network: from one of the same task (BnB) or of the other "
    "task (AnB), and kept frozen or, with +, trained on. Base networks are trained from scratch."
)


def notices(evidence: Evidence, found: Sequence[Effects]) -> list[str]:
    """What a reader must know before anything else: what is unfinished, diverged or missing."""
    lines = [unfinished_note(evidence), divergence_note(evidence.rows)]
    if not found:
        lines.append("There are no finished networks here yet: nothing can be said.")
    if evidence.problems:
        lines.append(f"What is missing: {len(evidence.problems)} lines at the end of the page.")
    return list(filter(None, lines))


def answers(found: Sequence[Effects], advice: Sequence[Advice]) -> list[Answer]:
    """The advice for each group of networks, and its reasons."""
    return [
        Answer(title(own), [told.verdict, " ".join(told.reasons), _costs(own)])
        for own, told in zip(found, advice, strict=True)
    ]


def introduction(evidence: Evidence, found: Sequence[Effects]) -> list[str]:
    """How many networks there are, what intervals are over, and what the words mean."""
    words = [f"{len(evidence.rows)} networks. {interval_note(found)} {WORDS}"] if found else []
    return [*words, boost_note(evidence.rows)]


def _costs(own: Effects) -> str:
    """The largest cost of either kind."""
    parts = []
    for kind in (CO_ADAPTATION, SPECIALISATION):
        shown = [effect for effect in own.of(kind) if _is_shown(effect)]
        if shown:
            worst = max(shown, key=lambda effect: effect.mean)
            cuts = f"n = {worst.quantity.first_n}"
            parts.append(f"{kind} costs most at {cuts}: {points(worst)} points")
        elif own.of(kind):
            parts.append(f"{kind} is not shown to cost anything at any n")
    return f"Of what frozen transfer loses, {'; '.join(parts)}." if parts else ""


def _is_shown(effect: Effect) -> bool:
    return effect.mean > 0 and effect.p_some is not None and effect.p_some < 0.05
