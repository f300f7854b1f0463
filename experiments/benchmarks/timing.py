"""Rivals in turn within one run; medians, ratios, a table and a JSON file."""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from transfer_jax.plan.versions import versions


def seconds(step: Callable[[], Any]) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def in_turn(
    rivals: Mapping[str, Callable[[], Any]], rounds: int, warm_up: int = 2
) -> dict[str, list[float]]:
    """Times of every rival, in seconds: each once a round, after some calls to warm up."""
    for step in track(rivals.values(), "compiling", transient=True):
        for _ in range(warm_up):
            step()
    times: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in track(range(rounds), "timing", transient=True):
        for name, step in rivals.items():
            times[name].append(seconds(step))
    return times


def ratio(times: Mapping[str, Sequence[float]], name: str, baseline: str) -> float:
    """Median over rounds of the time of one rival over that of another."""
    pairs = zip(times[name], times[baseline], strict=True)
    return statistics.median(a / b for a, b in pairs)


def beside(times: Mapping[str, Sequence[float]], baseline: str) -> list[dict[str, Any]]:
    """A row a rival: its median, and its time over that of another."""
    return [
        {
            "way": name,
            "median ms": 1e3 * statistics.median(own),
            "ratio": ratio(times, name, baseline),
        }
        for name, own in times.items()
    ]


def arguments(doc: str | None, rounds: int | None = 7) -> argparse.ArgumentParser:
    """What every benchmark takes; None for one that has no rounds."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    if rounds:
        parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    return parser


def show(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows as a table."""
    table = Table(title=title, title_justify="left")
    for name in rows[0]:
        table.add_column(name, justify="left" if name == next(iter(rows[0])) else "right")
    for row in rows:
        table.add_row(*(_text(value) for value in row.values()))
    Console().print(table)


def write(rows: Sequence[Mapping[str, Any]], path: Path | None) -> None:
    """Write rows, with versions and device, as JSON, if a file was asked for."""
    if path:
        content = {"rows": list(rows), "versions": versions()}
        path.write_text(json.dumps(content, indent=2) + "\n")


def _text(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"
