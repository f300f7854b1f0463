"""The page and its files: of a whole run, of part of one, and of folders tampered with."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from etils import epath

from transfer_jax.analysis.evidence import Evidence
from transfer_jax.analysis.figures.curve_figures import transfer_curves
from transfer_jax.analysis.page.notes import interval_note
from transfer_jax.analysis.page.page_tables import rate_table, result_tables, target_table
from transfer_jax.analysis.page.report import write_report
from transfer_jax.analysis.reading import read_evidence
from transfer_jax.analysis.statistics.crossing import groups
from transfer_jax.analysis.statistics.effects import effects
from transfer_jax.cli import main
from transfer_jax.folder.rates import RateRow, write_chosen, write_rates
from transfer_jax.folder.results import ResultRow, Results, rows_of, write_rows
from transfer_jax.grid.grid import PAPER, base_conditions, columns, condition_grid


def rows(seeds: int = 3, splits=("random-0", "far <1>")) -> list[ResultRow]:
    grid = condition_grid(4, splits=splits, seeds=range(seeds), treatments=(*PAPER, "random"))
    found = []
    for column in [*columns(base_conditions(grid)), *columns(grid)]:
        worth = [
            0.9 - 0.05 * cut.n * (not cut.fine_tuned) - column.seed / 100 for cut in column.cuts
        ]
        found += rows_of(column, worth, worth, [0] * len(worth), 10)
    return found


def folder_of(path: Path, found: list[ResultRow]) -> Evidence:
    write_rows(epath.Path(path) / "results.csv", found)
    return read_evidence(epath.Path(path))


def report(path: Path, found: list[ResultRow]) -> str:
    evidence = folder_of(path, found)
    write_report(evidence)
    return (path / "report.html").read_text()


class Checker(HTMLParser):
    """Collects what a page would load, and checks that tags are closed in order."""

    ALONE = ("meta", "link", "path", "use", "image", "input")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.cells = 0

    def handle_starttag(self, tag, attrs):
        if tag not in self.ALONE:
            self.open.append(tag)
        self._note(tag, attrs)

    def handle_startendtag(self, tag, attrs):
        self._note(tag, attrs)

    def _note(self, tag, attrs):
        self.cells += tag == "td"
        self.ids += [v for k, v in attrs if k == "id" and tag in ("h2", "section")]
        self.loads += [
            v for k, v in attrs
            if k in ("src", "href") and v and not v.startswith(("#", "data:"))
        ]  # fmt: skip

    def handle_endtag(self, tag):
        if tag not in self.ALONE:
            assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing(tmp_path):
    page = report(tmp_path, rows())
    checker = Checker()
    checker.feed(page)
    assert checker.open == [] and checker.loads == []
    assert len(set(checker.ids)) == len(checker.ids)
    assert "url(http" not in page and "@import" not in page
    assert checker.cells >= 2 * (4 * 7 + 3 * 6)
    for words in ("The paper&#39;s claims", "Method", "Bonferroni", "far &lt;1&gt; split"):
        assert words in page
    assert "<1>" not in page
    assert len(page) < 3_000_000


def test_the_rates_that_a_pilot_chose_are_shown(tmp_path):
    """Of 1 and 3 networks the mean accuracy is (0.5 + 3 * 0.9) / 4 = 80%."""
    tried = [
        RateRow("far", "A", 0, "frozen", 1.0, 0.25, 4, 0),
        RateRow("far", "A", 0, "frozen", 3.0, 0.5, 1, 1),
        RateRow("far", "B", 0, "frozen", 3.0, 0.9, 3, 0),
    ]
    plain = report(tmp_path, rows(1))
    assert "Learning rates" not in plain
    write_rates(epath.Path(tmp_path) / "rates.csv", tried)
    write_chosen(epath.Path(tmp_path) / "rates.json", {"frozen": 3.0})
    found = read_evidence(epath.Path(tmp_path))
    assert rate_table(found).rows == (
        ("frozen", "1", "25.0", "0", ""),
        ("frozen", "3", "80.0", "1", "yes"),
    )
    page = report(tmp_path, rows(1))
    assert "Learning rates, as multiples of learning_rate" in page
    assert "Multiples of learning_rate: frozen 3." in page


def test_the_advice_stands_above_the_contents(tmp_path):
    page = report(tmp_path, rows())
    assert page.index('class="answer"') < page.index("<nav") < page.index("<figure")
    assert page.count('class="answer"') == 2


def test_figures_are_svg_and_png_and_have_words(tmp_path):
    page = report(tmp_path, rows())
    for name in ("figure", "networks", "distance", "decomposition"):
        assert (tmp_path / f"{name}.png").stat().st_size > 5000
        svg = (tmp_path / f"{name}.svg").read_text()
        assert "<text" not in svg, "letters are paths, so that a journal has no fonts to look for"
    assert page.count("<figcaption>") == page.count('role="img"') == 4
    assert min(map(len, re.findall(r'role="img" tabindex="0" aria-label="([^"]*)"', page))) > 40


def test_the_figure_draws_every_treatment_of_every_split():
    figure = transfer_curves([effects(group, {}.get) for group in groups(rows())])
    assert len(figure.axes) == 4
    names = {"base", "BnB", "BnB+", "AnB", "AnB+", "random,\nfrozen"}
    for axis in figure.axes[::2]:
        assert {text.get_text() for text in axis.texts} == names
        heights = sorted(text.get_position()[1] for text in axis.texts)
        low, high = axis.get_ylim()
        assert min(b - a for a, b in pairwise(heights)) >= 0.05 * (high - low)


def test_the_same_results_give_the_same_files(tmp_path):
    evidence = folder_of(tmp_path, rows())
    files = write_report(evidence)
    first = [file.read_bytes() for file in files]
    assert first == [file.read_bytes() for file in write_report(evidence)]


def test_tables_show_means_intervals_and_differences():
    tables = result_tables([effects(group, {}.get) for group in groups(rows())])
    assert [table.title for table in tables][:4] == [
        "random-0 split: test accuracy, %",
        "random-0 split: points above the target's own base network",
        "random-0 split: what each cut costs and gains, points",
        "random-0 split: the boost of AnB+ over ranges of cuts, points",
    ]
    assert tables[0].header == ("n", "base", "BnB", "BnB+", "AnB", "AnB+", "random, frozen")
    assert tables[0].rows[0][:2] == ("0", "89.0±2.5")
    # Accuracies have two digits: 4.3 times the root of 2 of 1/12 point over three seeds.
    assert tables[1].rows[2] == ("3", *["-15.0±1.0", "+0.0±1.0"] * 2, "-15.0±1.0")
    n, cost, p, pooled, *_ = tables[2].rows[2]
    assert (n, cost, p, pooled) == ("3", "+15.0±1.0", "<0.001", "+15.0")


def test_one_seed_gives_no_interval_and_the_page_says_why(tmp_path):
    page = report(tmp_path, rows(seeds=1))
    assert "one seed gives no interval" in page
    found = read_evidence(epath.Path(tmp_path)).numbers
    assert "±" not in str([t for t in result_tables(found) if "accuracy" in t.title])


def test_the_note_says_what_intervals_are_over():
    found = [effects(group, {}.get) for group in groups(rows(3))]
    assert interval_note(found) == "Means of both targets; ± is a 95% interval over 3 seeds."
    many = rows(2, splits=("random-0", "random-1", "random-2"))
    note = interval_note([effects(group, {}.get) for group in groups(many)])
    assert "over 3 splits" in note


def test_files_for_other_programs_hold_the_same_numbers(tmp_path):
    report(tmp_path, rows())
    csv, parquet = (
        pd.read_csv(tmp_path / "effects.csv"),
        pd.read_parquet(tmp_path / "effects.parquet"),
    )
    assert list(csv.columns) == list(parquet.columns) and len(csv) == len(parquet)
    one = csv[(csv.group == "random-0") & (csv.kind == "gain over base") & (csv.treatment == "AnB")]
    assert one.sort_values("first_n")["mean"].tolist() == pytest.approx([-0.05, -0.10, -0.15])
    frame = pd.read_parquet(tmp_path / "results.parquet")
    pd.testing.assert_frame_equal(frame, Results.read(tmp_path).frame())
    assert len(frame) == len(rows()) and frame["top1"].between(0, 1).all()
    tex, markdown = (tmp_path / "tables.tex").read_text(), (tmp_path / "tables.md").read_text()
    assert tex.count(r"\begin{tabular}") == tex.count(r"\end{tabular}") == markdown.count("### ")
    assert r"89.0$\pm$2.5" in tex and "| 89.0±2.5 |" in markdown
    assert not re.search(r"(?<!\\)[%_#]", tex.replace("\\%", ""))


def test_an_empty_folder_gives_a_page_that_says_so(tmp_path):
    evidence = read_evidence(epath.Path(tmp_path))
    write_report(evidence)
    page = (tmp_path / "report.html").read_text()
    assert "no finished networks" in page and "nothing can be said" in page
    Checker().feed(page)


def test_part_of_a_run_is_shown_as_unfinished(tmp_path):
    (tmp_path / "columns").mkdir()
    (tmp_path / "plan.json").write_text('{"networks": 192}')
    found = rows()
    by_column: dict[str, list[ResultRow]] = {}
    for row in found:
        by_column.setdefault(row.column, []).append(row)
    for name, own in list(by_column.items())[:20]:
        write_rows(epath.Path(tmp_path) / "columns" / f"{name.replace('<1>', '1')}.csv", own)
    evidence = read_evidence(epath.Path(tmp_path))
    write_report(evidence, reload_seconds=5)
    page = (tmp_path / "report.html").read_text()
    assert f"not finished: {len(evidence.rows)} of 192 networks so far" in page
    assert '<meta http-equiv="refresh" content="5">' in page


@pytest.mark.parametrize("absent", ["base", "BnB", "BnB+", "AnB", "AnB+"])
def test_missing_treatments_are_named_and_the_rest_is_shown(absent, tmp_path):
    page = report(tmp_path, [row for row in rows() if row.treatment != absent])
    assert f"not run: {absent}" in page and "<figure" in page


def test_everything_but_base_networks_may_be_missing(tmp_path):
    page = report(tmp_path, [row for row in rows() if row.treatment == "base"])
    assert "No advice: transferred networks are missing." in page


def test_diverged_networks_are_named(tmp_path):
    found = rows()
    page = report(tmp_path, [replace(found[0], diverged=7, top1=0.1), *found[1:]])
    assert "Failed, and counted nowhere" in page and "seed 0 baseA diverged at step 7" in page


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda text: text.replace(",AnB,", ",CnD,", 1), "no treatment is called &#39;CnD&#39;"),
        (lambda text: re.sub(r"0\.8\d+,,0\.8\d+", "8.5,,8.5", text, count=1), "is no share"),
        (lambda text: text + text.splitlines()[1] + "\n", "is there twice; the first is kept"),
        (lambda text: "\n".join(text.splitlines()[:-5]) + "\n", "networks, other cuts"),
        (lambda text: text.replace("random-0,0,", "random-0,zero,", 1), "seed is &#39;zero&#39;"),
    ],
    ids=["treatment", "share", "twice", "cut off", "no number"],
)  # fmt: skip
def test_a_table_edited_by_hand_is_read_as_far_as_it_can_be(edit, words, tmp_path):
    write_rows(epath.Path(tmp_path) / "results.csv", rows())
    path = tmp_path / "results.csv"
    path.write_text(edit(path.read_text()))
    evidence = read_evidence(epath.Path(tmp_path))
    write_report(evidence)
    assert words in (tmp_path / "report.html").read_text()


def test_examples_of_another_table_are_not_used(tmp_path):
    """A row that was edited no longer fits the test that was kept of it."""
    from transfer_jax.folder.correctness import write_correctness
    from transfer_jax.grid.conditions import Column, Cut

    base = Column("random-0", 0, None, "A", (Cut(0, True),))
    right = np.array([[True, True, False, True]])
    path = epath.Path(tmp_path) / "correct" / f"{base.name}.npz"
    write_correctness(path, base, right, np.arange(4), np.ones(4, bool))
    row = rows_of(base, [0.75], [1.0], [0], 1)[0]
    evidence = Evidence(epath.Path(tmp_path), (row,))
    test = evidence.test_of(row)
    assert test is not None and test[1].tolist() == [1, 1, 0, 1]
    assert evidence.test_of(replace(row, top1=0.9)) is None


def test_damaged_files_beside_the_table_are_left_out(tmp_path):
    evidence = folder_of(tmp_path, rows())
    for name in ("correct", "filters", "controls", "curves"):
        (tmp_path / name).mkdir()
        for row in evidence.rows[:3]:
            (tmp_path / name / f"{row.column}.npz").write_bytes(b"PK\x03\x04 no archive")
            (tmp_path / name / f"{row.column}.csv").write_text("no,table\n1")
    (tmp_path / "split_images.npz").write_bytes(b"")
    (tmp_path / "config.json").write_text('{"name": "x", "data": 3, "reference": []}')
    evidence = read_evidence(epath.Path(tmp_path))
    write_report(evidence)
    page = (tmp_path / "report.html").read_text()
    assert "x: how transferable" in page
    assert f"controls/{evidence.rows[0].column}.csv is damaged: line 2" in page


def test_the_config_can_be_run_again(tmp_path, capsys):
    folder_of(tmp_path, rows())
    (tmp_path / "config.json").write_text(json.dumps({"name": "again"}))
    assert main(["report", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text()
    assert f"transfer-jax run --config={tmp_path}/config.json" in page
    assert "Next: open" in capsys.readouterr().out


def test_runs_stand_side_by_side(tmp_path, capsys):
    better = [replace(row, top1=row.top1 + 0.01 * (row.treatment == "AnB")) for row in rows()]
    for name, found in (("a", rows()), ("b", better)):
        (tmp_path / name).mkdir()
        folder_of(tmp_path / name, found)
        (tmp_path / name / "config.json").write_text(json.dumps({"name": "x", "steps": len(name)
                                                                 + (name == "b")}))  # fmt: skip
    assert main(["report", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    page = (tmp_path / "comparison" / "comparison.html").read_text()
    checker = Checker()
    checker.feed(page)
    assert checker.open == [] and checker.loads == []
    assert "+1.0±0.9" in page and "Where the configs differ" in page
    assert "<td>steps</td><td>1</td><td>2</td>" in page
    assert (tmp_path / "comparison" / "comparison.svg").exists()
    assert "comparison.html" in capsys.readouterr().out


def test_a_watched_run_is_reported_until_it_is_finished(tmp_path, monkeypatch, capsys):
    """The run finishes while the watcher sleeps."""
    from transfer_jax.commands import report

    (tmp_path / "columns").mkdir()
    found = rows()
    write_rows(epath.Path(tmp_path) / "columns" / "one.csv", found[:4])
    slept = []

    def sleep(seconds: float) -> None:
        assert "not finished" in (tmp_path / "report.html").read_text()
        slept.append(seconds)
        write_rows(epath.Path(tmp_path) / "results.csv", found)

    monkeypatch.setattr(report.time, "sleep", sleep)
    assert main(["report", "--watch", "--every=7", str(tmp_path)]) == 0
    assert slept == [7]
    page = (tmp_path / "report.html").read_text()
    assert "not finished" not in page and "http-equiv" not in page
    assert f"{len(found)} networks" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([], 2, "report needs the folder of a run, or --reference"),
        (["nowhere"], 1, "nowhere is not there"),
        (["--every=0", "."], 2, "--every is 0; allowed: whole numbers from 1"),
    ],
)
def test_bad_arguments_are_one_line(arguments, status, words, capsys):
    assert main(["report", *arguments]) == status
    assert words in capsys.readouterr().err


def test_targets_of_named_splits_have_advice_of_their_own(tmp_path):
    """Freezing is free for target A and costs for B: one answer for both would be wrong."""
    found = [
        replace(row, top1=row.top1 + 0.05 * row.n)
        if (row.treatment, row.target) == ("AnB", "A") else row
        for row in rows()
    ]  # fmt: skip
    evidence = folder_of(tmp_path, found)
    table = target_table(evidence)
    assert [line[:2] for line in table.rows] == [("far <1>", "A"), ("far <1>", "B")]
    assert table.rows[0][2].startswith("Transfer the first 3 layers and freeze them")
    assert table.rows[1][2].startswith("Train from scratch")


def test_networks_that_cannot_be_compared_leave_empty_cells(tmp_path):
    """Base networks of one seed, BnB of another, AnB of a third: nothing is paired."""
    kept = {"base": 0, "BnB": 1, "AnB": 2}
    page = report(tmp_path, [row for row in rows() if row.seed == kept.get(row.treatment)])
    text = re.sub(r"<(svg|script).*?</\1>", "", page, flags=re.DOTALL)
    assert "nan" not in text.lower()
    assert "No advice" in page


def test_a_damaged_file_of_single_images_is_named(tmp_path):
    """Without them intervals are other ones: it is not passed over."""
    folder = epath.Path(tmp_path)
    found = rows()
    write_rows(folder / "results.csv", found)
    damaged = folder / "correct" / f"{found[0].column}.npz"
    damaged.parent.mkdir()
    damaged.write_bytes(b"PK, and no more")
    (told,) = [line for line in read_evidence(folder).problems if "correct" in line]
    assert damaged.name in told and told.endswith("; intervals are without single images")
