"""The numbers of a report for other programs and for papers."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from transfer_jax.analysis.statistics.effects import Effect, Effects
from transfer_jax.analysis.tables import Table
from transfer_jax.folder.results import Results

if TYPE_CHECKING:
    import pandas as pd

LATEX = {"\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
         "^": r"\textasciicircum{}", "\n": " ", "&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#",
         "$": r"\$", "±": r"$\pm$", "−": "$-$", "<": "$<$", ">": "$>$"}  # fmt: skip


def effects_frame(found: Sequence[Effects]) -> "pd.DataFrame":
    """All numbers of a report, one a row.

    Args:
      found: the numbers of each group.

    Returns:
      A table of shares (0.01 is a point): `group`, `kind`, `treatment`, `variant`, `first_n`,
      `last_n`, `mean`, `low`, `high`, `freedom`, `p`, `p_some`, `units`, `pooled`, `pooled_low`,
      `pooled_high`; nan where there is no interval.
    """
    import pandas as pd

    lines = [_line(effect) for own in found for effect in own.effects]
    return pd.DataFrame(lines)


def _line(effect: Effect) -> dict[str, object]:
    fields = {k: v for k, v in vars(effect).items() if k not in ("group", "what", "values")}
    numbers = {name: np.nan if value is None else value for name, value in fields.items()}
    what = {**effect.what._asdict(), "treatment": effect.what.treatment.value}
    return {"group": effect.group, **what, **numbers}


def export(results: Results, found: Sequence[Effects], tables: Sequence[Table]) -> dict[str, bytes]:
    """The files that other programs read.

    Args:
      results: the table of results.
      found: the numbers of each group.
      tables: tables for people.

    Returns:
      Name to content: numbers as CSV and Parquet, results as Parquet, tables as LaTeX and Markdown.
    """
    files: Mapping[str, pd.DataFrame] = {
        "effects": effects_frame(found),
        "results": results.frame(),
    }
    held = {f"{name}.parquet": _parquet(frame) for name, frame in files.items()}
    return {
        "effects.csv": files["effects"].to_csv(index=False, lineterminator="\n").encode(),
        **held,
        "tables.tex": "\n".join(map(latex, tables)).encode(errors="backslashreplace"),
        "tables.md": "\n".join(map(markdown, tables)).encode(errors="backslashreplace"),
    }


def latex(table: Table) -> str:
    """A table for a paper; it needs the package booktabs.

    Args:
      table: the table.

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

    Args:
      table: the table.

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
