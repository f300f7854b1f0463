"""The report of a run: pictures and one page that opens offline."""

import html
import io
import json
from collections.abc import Mapping
from typing import Any

import matplotlib
from etils import epath
from matplotlib.figure import Figure

from transfer_jax.analysis.comparison import beside_the_authors, boost_note, claims_table, table1
from transfer_jax.analysis.figures import RC, transfer_curves
from transfer_jax.analysis.original import original_rows
from transfer_jax.analysis.page import render_page
from transfer_jax.analysis.paper_figures import paper_figures
from transfer_jax.analysis.statistics import accuracies, gains
from transfer_jax.analysis.tables import Table, treatment_table
from transfer_jax.results import Results

PAPERS_IMAGES = "imagenet2012"
LABELS = {
    "figure": "Accuracy against number of transferred layers",
    "figure2": "The paper's figure 2: accuracy against number of transferred layers",
    "figure3": "The paper's figure 3: distant tasks, random filters, both relative to base",
    "reduced": "Accuracy against number of training images of each class",
    "preserved": "Accuracy where layers above the cut are copied and trained, too",
}


def write_report(results: Results) -> list[epath.Path]:
    """Write figures as PNG and SVG, and report.html, into the run's folder.

    Args:
      results: the table of results.

    Returns:
      The files. A run of one of the paper's experiments has the paper's figures, too; one on the
      paper's images stands beside the authors' numbers.
    """
    folder = epath.Path(results.workdir)
    config = _read(folder / "config.json")
    reference = config.get("reference", "")
    same_images = str(config.get("data", {}).get("source", "")).endswith(PAPERS_IMAGES)
    theirs = original_rows(reference) if reference and same_images else ()
    figures = {"figure": transfer_curves(accuracies(results.rows))}
    if reference:
        figures |= paper_figures(results.rows, theirs)
    tables = result_tables(results)
    tables += [table for table in (claims_table(results.rows), table1(results.rows)) if table]
    if theirs:
        tables.append(beside_the_authors(results.rows, reference))
    name = str(config.get("name", folder.name))
    introduction = [
        f"{len(results.rows)} networks. {interval_note(results)} <b>n</b> layers are copied from a "
        "trained network: from one of the same task (<b>BnB</b>) or of the other task "
        "(<b>AnB</b>), and kept frozen or, with <b>+</b>, trained on.",
        html.escape(boost_note(results.rows)),
        html.escape(divergence_note(results)),
    ]
    settings = json.dumps(config, indent=2)
    title = f"{name}: how transferable are the layers?"
    return write_files(folder, "report", title, introduction, figures, tables, settings)


def write_reference(folder: epath.Path) -> list[epath.Path]:
    """Write the paper's figures, table 1 and claims from the authors' own numbers.

    Args:
      folder: where to.

    Returns:
      The files.

    Source: the logs of yosinski/convnet_transfer at 9838c27.
    """
    rows = [r for e in ("random_split", "man_natural", "random_filters") for r in original_rows(e)]
    reduced, preserved = original_rows("reduced"), original_rows("preserved")
    figures = paper_figures(rows) | paper_figures(reduced)
    figures["preserved"] = paper_figures(preserved)["preserved"]
    tables = [table for table in (claims_table(rows, reduced), table1(rows)) if table]
    tables += [beside_the_authors((), e) for e in ("random_split", "man_natural", "random_filters",
                                                   "reduced", "preserved")]  # fmt: skip
    introduction = [
        "The networks of Yosinski, Clune, Bengio and Lipson (2014), from their published training "
        "logs: what a run of the paper's configs should give.",
        html.escape(boost_note(rows)),
        "All published runs of BnB+ have target A and all of AnB+ target B, one network a cut: "
        "that is weak evidence either way. A run here crosses both.",
    ]
    title = "How transferable are features in deep neural networks? The authors' numbers"
    folder.mkdir(parents=True, exist_ok=True)
    return write_files(folder, "reference", title, introduction, figures, tables)


def write_files(
    folder: epath.Path,
    page: str,
    title: str,
    introduction: list[str],
    figures: Mapping[str, Figure],
    tables: list[Table],
    config: str = "",
) -> list[epath.Path]:
    """Write figures and a page that holds them.

    Args:
      folder: where to.
      page: name of the page's file, without ending.
      title: its heading.
      introduction: its paragraphs, as HTML.
      figures: name of the file to figure.
      tables: what follows the figures.
      config: the run's config, as text.

    Returns:
      The files.
    """
    files: dict[str, bytes] = {}
    pictures = {}
    for name, figure in figures.items():
        png, svg = io.BytesIO(), io.BytesIO()
        with matplotlib.rc_context(RC):
            figure.savefig(png, format="png", dpi=150)
            figure.savefig(svg, format="svg", metadata={"Date": None})
        files |= {f"{name}.png": png.getvalue(), f"{name}.svg": svg.getvalue()}
        pictures[LABELS[name]] = svg.getvalue().decode()
    text = render_page(title, introduction, pictures, tables, config)
    files[f"{page}.html"] = text.encode()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in files]


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


def _read(path: epath.Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
