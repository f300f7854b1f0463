"""The report of a run: two pictures and one page that opens offline."""

import html
import io
import json
from typing import Any

import matplotlib
from etils import epath

from transfer_jax.analysis.figures import RC, transfer_curves
from transfer_jax.analysis.page import STYLE
from transfer_jax.analysis.statistics import accuracies, gains
from transfer_jax.analysis.tables import Table, treatment_table
from transfer_jax.results import Results


def write_report(results: Results) -> list[epath.Path]:
    """Write figure.png, figure.svg and report.html into the run's folder.

    Args:
      results: the table of results.

    Returns:
      The files.
    """
    folder = epath.Path(results.workdir)
    figure = transfer_curves(accuracies(results.rows))
    png, svg = io.BytesIO(), io.BytesIO()
    with matplotlib.rc_context(RC):
        figure.savefig(png, format="png", dpi=150)
        figure.savefig(svg, format="svg", metadata={"Date": None})
    page = render_page(results, svg.getvalue().decode(), _read(folder / "config.json"))
    files = {"figure.png": png.getvalue(), "figure.svg": svg.getvalue()}
    for name, content in (files | {"report.html": page.encode()}).items():
        (folder / name).write_bytes(content)
    return [folder / name for name in (*files, "report.html")]


def result_tables(results: Results) -> list[Table]:
    """The tables of a report: of each split, accuracies and gains over the base networks.

    Args:
      results: the table of results.

    Returns:
      The tables, in percent and in percentage points.
    """
    tables = []
    found, gained = accuracies(results.rows), gains(results.rows)
    for split in dict.fromkeys(row.setting for row in results.rows):
        name = f"{split} split: test accuracy, %"
        tables.append(treatment_table(name, [c for c in found if c.setting == split]))
        name = f"{split} split: points above the target's own base network"
        cells = [c for c in gained if c.setting == split]
        tables.append(treatment_table(name, cells, signed=True))
    return tables


def interval_note(results: Results) -> str:
    """How the numbers of a report were made, in one sentence.

    Args:
      results: the table of results.

    Returns:
      The sentence; for one seed it says why there is no interval.
    """
    seeds = len({row.seed for row in results.rows})
    if seeds < 2:
        return "Means of both targets; one seed gives no interval: run with two seeds or more."
    return f"Means of both targets; ± is a 95% interval over {seeds} seeds (Student's t)."


def divergence_note(results: Results) -> str:
    """Which networks diverged, and when.

    Args:
      results: the table of results.

    Returns:
      One sentence; empty where none did.
    """
    found = [
        f"{row.setting} seed {row.seed} {row.base}{row.n}{row.target}"
        f"{'+' if row.fine_tuned else ''}{' ' if row.variant else ''}{row.variant} "
        f"at step {row.diverged}"
        for row in results.rows
        if row.diverged
    ]
    if not found:
        return ""
    return (
        f"Diverged, and counted with the accuracy that was left ({len(found)} of "
        f"{len(results.rows)} networks): {'; '.join(found)}."
    )


def render_page(results: Results, svg: str, config: dict[str, Any]) -> str:
    """The page as HTML, with nothing to load.

    Args:
      results: the table of results.
      svg: the figure.
      config: the run's config.

    Returns:
      The page.
    """
    name = html.escape(str(config.get("name", epath.Path(results.workdir).name)))
    picture = svg[svg.index("<svg") :]
    tables = "\n".join(_html_table(table) for table in result_tables(results))
    settings = html.escape(json.dumps(config, indent=2))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}: how transferable are the layers?</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{name}: how transferable are the layers?</h1>
<p>{len(results.rows)} networks. {interval_note(results)}
<b>n</b> layers are copied from a trained network: from one of the same task (<b>BnB</b>) or of the
other task (<b>AnB</b>), and kept frozen or, with <b>+</b>, trained on.</p>
<figure role="img" tabindex="0" aria-label="Accuracy against number of transferred layers;
the numbers are in the tables below">{picture}</figure>
{tables}
<p>{html.escape(divergence_note(results))}</p>
<h2>Config</h2>
<pre tabindex="0">{settings}</pre>
</main>
</body>
</html>
"""


def _html_table(table: Table) -> str:
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in table.header)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in table.rows
    )
    return (
        f'<h2>{html.escape(table.title)}</h2>\n<div class="scroll" tabindex="0"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _read(path: epath.Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
