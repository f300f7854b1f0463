"""The top of the page: what to do, why, and how sure that is."""

import html
from collections.abc import Sequence

from transfer_jax.analysis.evidence import Evidence
from transfer_jax.analysis.page.notes import divergence_note, interval_note, unfinished_note
from transfer_jax.analysis.page.page import paragraphs
from transfer_jax.analysis.paper.beside_authors import boost_note
from transfer_jax.analysis.statistics.advice import Advice
from transfer_jax.analysis.statistics.effects import CO_ADAPTATION, SPECIALISATION, Effect, Effects
from transfer_jax.analysis.tables import points, title

WORDS = (
    "n layers are copied from a trained network: from one of the same task (BnB) or of the other "
    "task (AnB), and kept frozen or, with +, trained on. Base networks are trained from scratch."
)


def summary(evidence: Evidence, found: Sequence[Effects], advice: Sequence[Advice]) -> str:
    """What stands above everything else.

    Args:
      evidence: the run's folder.
      found: the numbers of each group.
      advice: the advice for each.

    Returns:
      HTML.
    """
    notices = [unfinished_note(evidence), divergence_note(evidence.rows)]
    if not found:
        notices.append("There are no finished networks here yet: nothing can be said.")
    if evidence.problems:
        notices.append(f"What is missing: {len(evidence.problems)} lines at the end of the page.")
    parts = [f'<div class="notice">{paragraphs([text])}</div>' for text in notices if text]
    parts += [_answer(own, told) for own, told in zip(found, advice, strict=True)]
    words = [f"{len(evidence.rows)} networks. {interval_note(found)} {WORDS}"] if found else []
    return "\n".join([*parts, paragraphs([*words, boost_note(evidence.rows)])])


def _answer(own: Effects, told: Advice) -> str:
    name = html.escape(title(own))
    reasons = paragraphs([told.verdict, " ".join(told.reasons), _costs(own)])
    return f'<div class="answer">\n<h2>{name}</h2>\n{reasons}\n</div>'


def _costs(own: Effects) -> str:
    """The largest cost of either kind."""
    parts = []
    for kind in (CO_ADAPTATION, SPECIALISATION):
        shown = [effect for effect in own.of(kind) if _is_shown(effect)]
        if shown:
            worst = max(shown, key=lambda effect: effect.mean)
            cuts = f"n = {worst.what.first_n}"
            parts.append(f"{kind} costs most at {cuts}: {points(worst)} points")
        elif own.of(kind):
            parts.append(f"{kind} is not shown to cost anything at any n")
    return f"Of what frozen transfer loses, {'; '.join(parts)}." if parts else ""


def _is_shown(effect: Effect) -> bool:
    return effect.mean > 0 and effect.p_some is not None and effect.p_some < 0.05
