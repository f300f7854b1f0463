"""The numbers of a report for other programs and for papers."""

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from transfer_jax.analysis.statistics.effects import Effect, Effects, Quantity
from transfer_jax.analysis.statistics.splits import between_splits
from transfer_jax.analysis.statistics.steps_to_reach import Reached
from transfer_jax.analysis.tables import Table
from transfer_jax.folder.extras import is_installed, needs
from transfer_jax.folder.results import Results
from transfer_jax.folder.whole_file import csv_text

if TYPE_CHECKING:
    import pandas as pd

INTERVALS = ("mean", "low", "high", "freedom", "p", "p_some", "pooled")
EFFECTS = ("group", *Quantity._fields, *INTERVALS[:6], "units", *INTERVALS[6:])
STEPS = ("group", "treatment", "variant", "n", "step", "step_of_any", "control", "steps_of_control",
         "margin")  # fmt: skip
LATEX = {"\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
         "^": r"\textasciicircum{}", "\n": " ", "&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#",
         "$": r"\$", "±": r"$\pm$", "−": "$-$", "<": "$<$", ">": "$>$"}  # fmt: skip


def effects_frame(found: Sequence[Effects]) -> "pd.DataFrame":
    """All numbers of a report, one a row.

    Returns:
      A table of shares (0.01 is a point), with the columns of `effects.csv`; nan where there is no
      interval.

    Raises:
      ExtraError: pandas is not installed.
    """
    with needs("tables", "A table of pandas"):
        import pandas as pd

    frame = pd.DataFrame(_lines(found), columns=pd.Index(EFFECTS))
    return frame.astype(dict.fromkeys(INTERVALS, float))


def _lines(found: Sequence[Effects]) -> list[list[object]]:
    effects = [*(effect for own in found for effect in own.effects), *between_splits(found)]
    return [[_cell(effect, name) for name in EFFECTS] for effect in effects]


def _steps_lines(
    found: Sequence[Effects], reached: Sequence[Sequence[Reached]]
) -> list[list[object]]:
    return [
        [own.group.name, one.arm.treatment.value, one.arm.variant, one.arm.n, one.step,
         one.step_of_any, one.control.treatment.value, one.whole, one.margin]
        for own, ways in zip(found, reached, strict=True) for one in ways
    ]  # fmt: skip


def _cell(effect: Effect, name: str) -> object:
    value = getattr(effect.quantity if name in Quantity._fields else effect, name)
    return value.value if name == "treatment" else value


def export(
    results: Results,
    found: Sequence[Effects],
    reached: Sequence[Sequence[Reached]],
    tables: Sequence[Table],
) -> dict[str, bytes]:
    """The files that other programs read.

    Args:
      reached: of each group, how soon its ways are as good as scratch.

    Returns:
      Name to content: numbers as CSV, tables as LaTeX and Markdown; numbers and results as Parquet
      where the extra `tables` is installed.
    """
    files = {
        "effects.csv": csv_text(EFFECTS, _lines(found)).encode(),
        "tables.tex": "\n".join(map(latex, tables)).encode(errors="backslashreplace"),
        "tables.md": "\n".join(map(markdown, tables)).encode(errors="backslashreplace"),
    }
    if any(reached):
        files["steps.csv"] = csv_text(STEPS, _steps_lines(found, reached)).encode()
    if not is_installed("tables"):
        return files
    frames = {"effects": effects_frame(found), "results": results.frame()}
    return files | {f"{name}.parquet": _parquet(frame) for name, frame in frames.items()}


def latex(table: Table) -> str:
    """A table for a paper; it needs the package booktabs.

    Returns:
      A `table` environment.

    Example:
      >>> print(latex(Table("gain, %", ("n", "AnB"), (("1", "+1.0±0.5"),))).splitlines()[4])
      n & AnB \\\\
    """
    lines = [" & ".join(_escaped(cell) for cell in row) + r" \\" for row in table.rows]
    head = " & ".join(_escaped(cell) for cell in table.header) + r" \\"
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{_escaped(table.title)}}}",
            rf"\begin{{tabular}}{{{'r' * len(table.header)}}}",
            r"\toprule",
            head,
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def markdown(table: Table) -> str:
    """A table for a page of notes.

    Returns:
      A heading and a table.

    Example:
      >>> print(markdown(Table("gain", ("n", "AnB"), (("1", "+1.0"),))).splitlines()[2])
      | n | AnB |
    """
    head, *body = ([_plain(cell) for cell in row] for row in (table.header, *table.rows))
    rows = [head, ["--:"] * len(head), *body]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([f"### {_plain(table.title)}", "", *lines, ""])


def _escaped(text: str) -> str:
    return "".join(LATEX.get(letter, letter) for letter in text)


def _plain(text: str) -> str:
    """Text in which Markdown finds nothing to format."""
    return re.sub(r"([\\|<>`*_\[\]#$~])", r"\\\1", " ".join(text.split("\n")))


def _parquet(frame: "pd.DataFrame") -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()
