"""What a report says in sentences: how numbers were made, what diverged, what is missing."""

import json
from collections.abc import Sequence
from typing import Any

from transfer_jax.analysis.evidence import Evidence
from transfer_jax.analysis.statistics.bootstrap import REPLICATES
from transfer_jax.analysis.statistics.effects import Effects
from transfer_jax.analysis.statistics.inference import ENOUGH_SPLITS
from transfer_jax.folder.results import ResultRow
from transfer_jax.folder.whole_file import read_json

MANY = 12


def interval_note(found: Sequence[Effects]) -> str:
    """How the intervals of a report were made, in one or two sentences.

    Returns:
      The note; where there is no interval it says why.
    """
    return " ".join(dict.fromkeys(_of_group(own) for own in found))


def _of_group(own: Effects) -> str:
    group = own.group
    splits, seeds = len(group.splits), len({(p.split, p.seed) for p in group.places})
    if all(effect.high is None for effect in own.effects):
        return "Means of both targets; one seed gives no interval: run with two seeds or more."
    over = f"{splits} splits" if splits >= ENOUGH_SPLITS else f"{seeds // splits} seeds"
    examples = " and test examples" if own.sampled.examples else ""
    return f"Means of both targets; ± is a 95% interval over {over}{examples}."


def method(found: Sequence[Effects]) -> list[str]:
    """The method, for a reader who wants to check it.

    Returns:
      Paragraphs.
    """
    examples = all(own.sampled.examples for own in found)
    return [
        "Differences are paired: networks are compared with others of the same split, seed and "
        "target, then averaged over targets, seeds and splits. The columns “pooled” compare means "
        "over all networks instead, as the paper does; where treatments were run on other targets, "
        "these compare the targets, too.",
        "Intervals are Student's, with the standard error of a bootstrap in levels, of "
        f"{REPLICATES} replicates. Units are splits where there are {ENOUGH_SPLITS} or more random "
        "ones, and the intervals are then about splits like these; else units are the seeds within "
        "each split, "
        "and the intervals are about these very splits. One unit fewer than there are is drawn, "
        "and weighted up (Rao and Wu 1988), so that the variance is unbiased also for a handful. "
        + (
            "Test examples are weighed at random, too (Rubin 1981), and count with what units have "
            "in common of them, since the rest is in the differences between units already. "
            "Degrees of freedom are Satterthwaite's."
            if examples
            else "Test examples were not drawn: which ones each network gets right was not kept."
        ),
        "p is the probability of so large a difference if there were none, adjusted by Holm's "
        "method for all cuts of its column, so that “at some n” may be said of any of them. "
        "Intervals of single cuts are not adjusted.",
        "The advice takes, of all ways that are within a point of the best in 95% of the "
        "replicates, the one that trains the fewest layers. Ways are compared on validation "
        "images, where the run has some, and what they gain is told on test images. It holds for "
        "networks and data like those of this run.",
    ]


def divergence_note(rows: Sequence[ResultRow]) -> str:
    """Which networks diverged, and when.

    Returns:
      One sentence; empty where none did.
    """
    found = [
        f"{row.setting} seed {row.seed} {row.label} at step {row.diverged}"
        for row in rows
        if row.diverged
    ]
    if not found:
        return ""
    more = f" and {len(found) - MANY} more" if len(found) > MANY else ""
    return (
        f"Diverged, and counted with the accuracy that was left ({len(found)} of "
        f"{len(rows)} networks): {'; '.join(found[:MANY])}{more}."
    )


def unfinished_note(evidence: Evidence) -> str:
    """How much of a run is there.

    Returns:
      One sentence or two; empty where the run is finished.
    """
    if evidence.finished:
        return ""
    planned = f" of {evidence.planned}" if evidence.planned else ""
    found = f"This run is not finished: {len(evidence.rows)}{planned} networks so far."
    return f"{found} Numbers will move." if evidence.rows else found


def config_text(evidence: Evidence) -> str:
    """The config of a run.

    Returns:
      JSON; empty where there is none.
    """
    if not evidence.config:
        return ""
    text = json.dumps(evidence.config, indent=2, ensure_ascii=False)
    return text.encode(errors="backslashreplace").decode()  # half a letter has no other spelling


def _images_lines(data: dict[str, Any]) -> list[str]:
    counts = data.get("images")
    if not isinstance(counts, dict):
        return []
    numbers = ", ".join(f"{count} {subset}" for subset, count in counts.items())
    return [f"# images {numbers}; digest {data.get('digest')}"]


def repeat_text(evidence: Evidence) -> str:
    """The command that trains the same networks again, and what they were trained with.

    Returns:
      Lines for a shell; empty where the config is not there.
    """
    if not evidence.config:
        return ""
    versions = read_json(evidence.folder / "versions.json")
    lines = [f"# {name} {version}" for name, version in versions.items()]
    lines += _images_lines(read_json(evidence.folder / "data.json"))
    config = evidence.folder / "config.json"
    return "\n".join([*lines, f"transfer-jax run --config={config} --workdir=runs/again"])
