"""What a report says of a run in sentences: what failed or is missing, how to repeat it."""

import json
import shlex
from collections.abc import Sequence
from typing import Any

from transfer_jax.analysis.evidence import Evidence
from transfer_jax.analysis.statistics.effects import Effects
from transfer_jax.analysis.statistics.failures import failed_rows
from transfer_jax.analysis.statistics.inference import are_splits
from transfer_jax.folder.results import ResultRow
from transfer_jax.folder.whole_file import read_json
from transfer_jax.grid.pretrained import NOT_WITH_WEIGHTS

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
    many = len({place.target for place in group.places}) > 1
    means = "Means of both targets; " if many else ""
    if all(not effect.estimate.spreads for effect in own.effects):
        told = f"{means}one seed gives no interval over seeds: run with two or more."
        return told[0].upper() + told[1:]
    over = f"{splits} splits" if are_splits(group.splits) else f"{seeds // splits} seeds"
    examples = " and test examples" if own.sampled.examples else ""
    return f"{means}± is a 95% interval over {over}{examples}."


def chance_note(evidence: Evidence) -> str:
    """What accuracy is had without learning anything.

    Returns:
      A sentence; empty where it is not known.
    """
    splits = {row.split for row in evidence.rows}
    found = [100 * share for name in splits for share in evidence.chance.get(name, ())]
    if not found:
        return ""
    low, high = f"{min(found):.1f}", f"{max(found):.1f}"
    shares = f"{low}%" if low == high else f"{low}% to {high}%, by the task,"
    return f"Whoever always guesses the most frequent class has {shares} right: that is chance."


def divergence_note(rows: Sequence[ResultRow]) -> str:
    """Which networks failed, and how.

    Returns:
      One sentence; empty where none did.
    """
    found = [
        f"{row.setting} seed {row.seed} {row.label} {why}" for row, why in failed_rows(rows).items()
    ]
    if not found:
        return ""
    more = f" and {len(found) - MANY} more" if len(found) > MANY else ""
    return (
        f"Failed, and counted nowhere ({len(found)} of {len(rows)} networks): "
        f"{'; '.join(found[:MANY])}{more}."
    )


def unfinished_note(evidence: Evidence) -> str:
    """How much of a run is there.

    Returns:
      One sentence or two; empty where the run is finished.
    """
    over = evidence.races and all(own.outcome.is_over for own in evidence.races)
    if evidence.finished or (over and not evidence.rows):
        return ""
    planned = f" of {evidence.planned}" if evidence.planned else ""
    found = f"This run is not finished: {len(evidence.rows)}{planned} networks so far."
    return f"{found} Numbers will move." if evidence.rows else found


def config_text(evidence: Evidence) -> str:
    """The config of a run, without the fields that mean nothing in it.

    Returns:
      JSON; empty where there is none.
    """
    if not evidence.config:
        return ""
    without = NOT_WITH_WEIGHTS if evidence.is_pretrained else ("families", "budget")
    own = {name: value for name, value in evidence.config.items() if name not in without}
    text = json.dumps(own, indent=2, ensure_ascii=False)
    return text.encode(errors="backslashreplace").decode()  # half a letter has no other spelling


def _images_lines(data: dict[str, Any]) -> list[str]:
    counts = data.get("images")
    if not isinstance(counts, dict):
        return []
    numbers = ", ".join(f"{count} {subset}" for subset, count in counts.items())
    return [f"# images {numbers}; digest {data.get('digest')}"]


def repeat_text(evidence: Evidence) -> str:
    """The command that trained them, for a folder of its own, and what they were trained with.

    Returns:
      Lines for a shell; empty where the config is not there.
    """
    if not evidence.config:
        return ""
    versions = read_json(evidence.folder / "versions.json")
    lines = [f"# {name} {version}" for name, version in versions.items()]
    lines += _images_lines(read_json(evidence.folder / "data.json"))
    typed = read_json(evidence.folder / "plan.json").get("command")
    if not isinstance(typed, str) or not typed.isprintable():
        typed = f"transfer-jax run --config={shlex.quote(str(evidence.folder / 'config.json'))}"
    return "\n".join([*lines, f"{typed} --workdir=runs/again"])
