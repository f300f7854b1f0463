"""Two or more runs side by side: the same groups, cut by cut."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
from etils import epath
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfer_jax.analysis.evidence import Evidence
from transfer_jax.analysis.figures.bars import bars_note, draw_points, fit
from transfer_jax.analysis.figures.drawing import (
    GROUP_STYLES,
    RC,
    WIDEST,
    Ends,
    label_ends,
    name_panel,
    panels,
    room_for,
    tidy,
)
from transfer_jax.analysis.page.notes import interval_note, unfinished_note
from transfer_jax.analysis.page.report import write_page
from transfer_jax.analysis.pretrained_tables import family_comparison
from transfer_jax.analysis.statistics.choices import is_pretrained
from transfer_jax.analysis.statistics.effects import GAIN, Effect, Effects
from transfer_jax.analysis.statistics.inference import independent
from transfer_jax.analysis.tables import Table, points, title
from transfer_jax.grid.conditions import Treatment

SHOWN = (Treatment.TRANSFER, Treatment.TRANSFER_PLUS)
ABSENT = "absent"
OVER_BASE = "Accuracy of transfer less that of the target's own base network, run by run."
OVER_SCRATCH = (
    "Of networks that start from given weights: test accuracy, run by run; n counts the layers of "
    "each run's own network."
)
BETWEEN_RUNS = (
    "Differences between runs are of unpaired means, with Welch's 95% interval; where runs share "
    "test images, these are a little too wide."
)
SHARED = (
    "A run took base networks over from another (bases): where the runs here have them in common, "
    "their differences vary less than it is reckoned, and these intervals are too wide."
)


class Compared(NamedTuple):
    """A run, what it is called here, and its numbers."""

    name: str
    evidence: Evidence
    found: list[Effects]


def write_comparison(runs: Sequence[Evidence], folder: epath.Path) -> list[epath.Path]:
    """Write a page that shows runs side by side.

    Args:
      runs: the runs' folders, two or more.
      folder: where to; it is made.

    Returns:
      The files; the page is the last one.
    """
    compared = [
        Compared(name, run, run.numbers) for name, run in zip(_names(runs), runs, strict=True)
    ]
    names = list(dict.fromkeys(own.group.name for _, _, found in compared for own in found))
    tables = [_advice_table(compared), _config_table(compared)]
    papers = [name for name in names if not _starts_pretrained(name, compared)]
    tables += [_gain_table(name, compared) for name in papers]
    given = [name for name in names if name not in papers]
    tables += [family_comparison(name, _named(name, compared)) for name in given]
    with matplotlib.rc_context(RC):
        figure = _curves(papers[:WIDEST], compared) if papers else None
    notes = [
        *([OVER_BASE] if papers else []),
        *([OVER_SCRATCH] if given else []),
        BETWEEN_RUNS,
        *([SHARED] if any(run.config.get("bases") for run in runs) else []),
        *(f"{run.name}: {unfinished_note(run.evidence)}" for run in compared
          if not run.evidence.finished),
        *(f"{run.name}: {interval_note(run.found)}" for run in compared),
        *(f"{run.name}: {problem}" for run in compared for problem in run.evidence.problems),
    ]  # fmt: skip
    title = " and ".join(run.name for run in compared)
    figures = {"comparison": figure} if figure else {}
    return write_page(folder, "comparison", title, notes, figures, [t for t in tables if t.rows])


def _names(runs: Sequence[Evidence]) -> list[str]:
    """The folders' names, with as much of their paths as tells them apart."""
    parts = [run.folder.parts for run in runs]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(own[-length:]) for own in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{run.folder} ({i})" for i, run in enumerate(runs, start=1)]


def _named(group: str, compared: Sequence[Compared]) -> list[tuple[str, Effects | None]]:
    """A group in each run: the run's name and its numbers, where it has some."""
    return [
        (run.name, next((own for own in run.found if own.group.name == group), None))
        for run in compared
    ]


def _starts_pretrained(group: str, compared: Sequence[Compared]) -> bool:
    return any(own and is_pretrained(own.group) for _, own in _named(group, compared))


def _of(run: Compared, group: str, treatment: Treatment) -> dict[int, Effect]:
    found = [own for own in run.found if own.group.name == group]
    return {e.quantity.first_n: e for own in found for e in own.of(GAIN, treatment)}


def _curves(names: Sequence[str], compared: Sequence[Compared]) -> Figure:
    lines = [f"{treatment.value}, {run.name}" for treatment in SHOWN for run in compared]
    bars = {run.name: bars_note(run.found) for run in compared if run.found}
    told = set(bars.values())
    note = told.pop() if len(told) == 1 else " ".join(f"{n}: {text}" for n, text in bars.items())
    figure, axes = panels(len(names), room=room_for(lines, size=11), note=note)
    axes[0].set_ylabel("accuracy less that of base, points")
    ends = [_draw(axis, name, compared) for axis, name in zip(axes, names, strict=True)]
    fit(*axes, also=(0.0,))
    for axis, found in zip(axes, ends, strict=True):
        label_ends(axis, found, size=11)
    return figure


def _draw(axis: Axes, name: str, compared: Sequence[Compared]) -> Ends:
    """Draw the gains of a group in each run; where each line ends, and its colour."""
    ends: Ends = {}
    for number, run in enumerate(compared):
        colour, marker = GROUP_STYLES[number % len(GROUP_STYLES)]
        for treatment, line in zip(SHOWN, ("-", "--"), strict=True):
            curve = [effect for _, effect in sorted(_of(run, name, treatment).items())]
            if curve:
                shift = 0.08 * (number - (len(compared) - 1) / 2)
                draw_points(axis, curve, (colour, marker, line), shift=shift)
                ends[f"{treatment.value}, {run.name}"] = (100 * curve[-1].mean, colour)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set_xlabel("n, number of transferred layers")
    axis.xaxis.get_major_locator().set_params(integer=True)  # pyright: ignore
    name_panel(axis, name)
    tidy(axis)
    return ends


def _gain_table(name: str, compared: Sequence[Compared]) -> Table:
    """Each run's gains, and what the others' differ from the first one's."""
    header, columns = ["n"], []
    for treatment in SHOWN:
        first = _of(compared[0], name, treatment)
        for number, run in enumerate(compared):
            own = _of(run, name, treatment)
            header.append(f"{treatment.value}, {run.name}")
            columns.append({n: points(effect) for n, effect in own.items()})
            if number:
                header.append(f"less {compared[0].name}")
                both = own.keys() & first.keys()
                columns.append({n: _difference(own[n], first[n]) for n in both})
    ns = sorted({n for column in columns for n in column})
    rows = tuple((str(n), *(column.get(n, "") for column in columns)) for n in ns)
    return Table(f"{name}: points above base", tuple(header), rows)


def _difference(a: Effect, b: Effect) -> str:
    """Of two runs as of independent samples; too wide where they share base networks."""
    return independent(a.estimate, b.estimate).points()


def _advice_table(compared: Sequence[Compared]) -> Table:
    rows = [
        (run.name, title(own), advice.verdict)
        for run in compared
        for own, advice in zip(run.found, run.evidence.advice, strict=True)
    ]
    return Table("Advice", ("run", "tasks", "advice"), tuple(rows))


def _config_table(compared: Sequence[Compared]) -> Table:
    """The fields in which the configs differ."""
    configs = [dict(_fields(run.evidence.config)) for run in compared]
    names = sorted({name for config in configs for name in config})
    rows = []
    for name in names:
        values = [config.get(name, ABSENT) for config in configs]
        if len(set(values)) > 1:
            rows.append((name, *values))
    return Table("Where the configs differ", ("field", *(r.name for r in compared)), tuple(rows))


def _fields(config: dict[str, object], prefix: str = "") -> list[tuple[str, str]]:
    found = []
    for name, value in config.items():
        if isinstance(value, dict):
            found += _fields(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", str(value)))
    return found
