import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from etils import epath

from transfer_jax.analysis.figures import transfer_curves
from transfer_jax.analysis.report import interval_note, result_tables, write_report
from transfer_jax.analysis.statistics import accuracies
from transfer_jax.grid import PAPER, base_conditions, columns, condition_grid
from transfer_jax.results import Results, rows_of


def results(workdir: epath.Path, seeds: int = 3) -> Results:
    grid = condition_grid(
        4, splits=("random-0", "far <1>"), seeds=range(seeds), treatments=(*PAPER, "random")
    )
    rows = []
    for column in [*columns(base_conditions(grid)), *columns(grid)]:
        worth = [
            0.9 - 0.05 * cut.n * (not cut.fine_tuned) - column.seed / 100 for cut in column.cuts
        ]
        rows += rows_of(column, worth, worth, [0] * len(worth), 10)
    return Results(tuple(rows), str(workdir))


class Checker(HTMLParser):
    """Collects what a page would load, and checks that tags are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.cells = 0

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "path", "use"):
            self.open.append(tag)
        self.cells += tag == "td"
        self.loads += [v for k, v in attrs if k in ("src", "href") and v and not v.startswith("#")]

    def handle_startendtag(self, tag, attrs):
        self.cells += tag == "td"

    def handle_endtag(self, tag):
        if tag not in ("meta", "path", "use"):
            assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing(tmp_path):
    files = write_report(results(epath.Path(tmp_path)))
    assert [file.name for file in files] == ["figure.png", "figure.svg", "report.html"]
    page = files[2].read_text()
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert checker.loads == []
    assert "url(http" not in page and "@import" not in page
    assert checker.cells >= 2 * (4 * 7 + 3 * 6)
    assert "The paper&#x27;s claims" in page and "AnB+ less BnB+" in page
    assert "far &lt;1&gt; split" in page and "<1>" not in page
    assert len(page) < 3_000_000


def test_the_figure_draws_every_treatment_of_every_split(tmp_path):
    figure = transfer_curves(accuracies(results(epath.Path(tmp_path)).rows))
    assert len(figure.axes) == 2
    for axis in figure.axes:
        words = {text.get_text() for text in axis.texts}
        assert words == {"base", "BnB", "BnB+", "AnB", "AnB+", "random,\nfrozen"}
        heights = sorted(text.get_position()[1] for text in axis.texts if text.get_text() != "base")
        low, high = axis.get_ylim()
        gaps = [b - a for a, b in pairwise(heights)]
        assert min(gaps) >= 0.05 * (high - low)


def test_the_same_results_give_the_same_picture(tmp_path):
    table = results(epath.Path(tmp_path))
    first = [file.read_bytes() for file in write_report(table)]
    assert first == [file.read_bytes() for file in write_report(table)]


def test_tables_show_means_intervals_and_differences(tmp_path):
    tables = result_tables(results(epath.Path(tmp_path)))
    assert [table.title for table in tables][:2] == [
        "random-0 split: test accuracy, %",
        "random-0 split: points above the target's own base network",
    ]
    assert tables[0].header == ("n", "base", "BnB", "BnB+", "AnB", "AnB+", "random, frozen")
    assert tables[0].rows[0][:2] == ("0", "89.0±2.5")
    assert tables[1].rows[2] == ("3", *["-15.0±0.0", "+0.0±0.0"] * 2, "-15.0±0.0")


@pytest.mark.parametrize(("seeds", "words"), [(3, "95% interval over 3 seeds"), (1, "one seed")])
def test_the_note_says_how_the_intervals_were_made(seeds, words, tmp_path):
    table = results(epath.Path(tmp_path), seeds)
    assert words in interval_note(table)
    assert bool(re.search("±", str(result_tables(table)))) == (seeds > 1)
    write_report(table)
    assert words in (tmp_path / "report.html").read_text()
