import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest
from etils import epath

from transfer_jax.analysis.figures.paper_figures import paper_figures
from transfer_jax.analysis.page.report import write_report
from transfer_jax.analysis.paper.beside_authors import beside_the_authors, boost_note, table1
from transfer_jax.analysis.paper.original import EXPERIMENTS, as_published, original_rows
from transfer_jax.analysis.reading import read_evidence
from transfer_jax.analysis.statistics.effects import BOOST, numbers_of
from transfer_jax.analysis.statistics.inference import ONE_UNIT
from transfer_jax.cli import main
from transfer_jax.folder.results import write_rows

from .simulated import table

RANDOM_SPLIT = original_rows("random_split")


def test_table_1_is_the_published_one_when_pooled_and_not_when_paired():
    found = table1(RANDOM_SPLIT)
    assert found is not None
    for row in found.rows:
        _, base, selffer, _, own, published, published_selffer = row
        assert f"{float(base):+.1f}" == published
        assert f"{float(selffer):+.1f}" == published_selffer
        assert abs(float(own)) < 0.2
    assert "chosen on the test images" in found.title


def test_the_authors_runs_leave_open_whether_transfer_gains():
    """Their BnB+ have target A, their AnB+ target B: in no way is that a number."""
    assert boost_note(numbers_of(as_published(RANDOM_SPLIT))) == (
        "Whether transfer gains over training on from the same task is undecided: no networks of "
        "the same split, seed and target to compare."
    )


@pytest.mark.parametrize(
    ("boost", "noise", "margin", "words"),
    [
        (0.02, 0.001, 0.0, "Transfer gains over"),
        (-0.02, 0.001, 0.0, "Transfer loses against"),
        (0.0, 0.001, 0.0, "Transfer gains nothing that matters"),
        (0.0, 0.001, 1e-5, "Transfer is not shown to gain or lose"),
        (0.0, 0.03, 0.0, "Transfer is not shown to gain or lose"),
    ],
)
def test_what_a_run_says_of_transfer_against_training_on(boost, noise, margin, words):
    rows = table({"AnB+": lambda _: boost}, splits=("random-0",), noise=noise)
    (own,) = found = numbers_of(rows, margin=margin)
    note = boost_note(found)
    assert note.startswith(words)
    assert f"is {own.ranges(BOOST)[0].estimate.points()} points, mean of n = 1 to 4" in note


def test_of_one_seed_it_is_undecided_and_without_an_interval():
    found = numbers_of(table({"AnB+": lambda _: 0.02}, splits=("random-0",), seeds=1, noise=0.0))
    note = boost_note(found)
    assert note == (
        "Whether transfer gains over training on from the same task is undecided (+2.0 points): "
        f"{ONE_UNIT}."
    )
    assert boost_note(numbers_of(table({}, splits=("distant",)))) == ""


def test_means_are_those_of_the_papers_figure():
    found = {row[1:3]: row[3] for row in beside_the_authors((), "random_split").rows}
    assert found["BnB", "5"] == "59.35" and found["AnB", "7"] == "54.25"
    assert found["base", "0"] == "62.51" and found["AnB+", "7"] in ("64.64", "64.65")


def test_a_run_stands_beside_the_authors_with_its_difference():
    better = [replace(row, best10=row.best10 + 0.01) for row in RANDOM_SPLIT]
    for row in beside_the_authors(better, "random_split").rows:
        assert row[-1] == "+1.00"


def test_of_a_run_with_one_test_no_best_ten_are_told(tmp_path):
    """Where tests on the way are of a part of the images, the last one alone is of all."""
    rows = [replace(row, best10=row.top1) for row in RANDOM_SPLIT]
    rows[0] = replace(rows[0], top1=float("nan"), best10=float("nan"))
    one = "the one test of all test images"
    found = table1(rows)
    assert found is not None and one in found.title and "ten" not in found.title
    beside = beside_the_authors(rows, "random_split").title
    assert f"here accuracies of {one}" in beside and "the authors' means of a run's ten" in beside
    config = '{"name": "x", "reference": "random_split", "data": {"source": "imagenet2012"}}'
    (tmp_path / "config.json").write_text(config)
    write_rows(epath.Path(tmp_path) / "results.csv", rows[1:])
    write_report(read_evidence(epath.Path(tmp_path)))
    captions = re.findall(
        "Accuracy against number of transferred layers: [^<]*",
        (tmp_path / "report.html").read_text(),
    )
    assert captions and all(one in caption for caption in captions)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_has_a_figure(experiment):
    rows = original_rows(experiment)
    names = {"random_split": "figure2", "man_natural": "figure3", "random_filters": "figure3"}
    figures = paper_figures(rows, rows)
    assert names.get(experiment, experiment) in figures
    lines = [line for figure in figures.values() for axis in figure.axes for line in axis.lines]
    assert any(len(line.get_xdata()) >= 6 for line in lines)


def test_the_reference_is_drawn_from_the_tables_alone(tmp_path, capsys):
    assert main(["report", "--reference", str(tmp_path / "ref")]) == 0
    page = (tmp_path / "ref" / "reference.html").read_text()
    words = ("undecided", "no networks of the same split", "chosen on the test images", "+1.38")
    assert all(word in page for word in words)
    assert "+1.38±" not in page and "+0.00±" not in page
    for name in ("figure2", "figure3", "reduced", "preserved"):
        assert (tmp_path / "ref" / f"{name}.png").stat().st_size > 10_000
    assert "reference.html" in capsys.readouterr().out
    assert main(["report"]) == 2
    assert "report needs the folder of a run, or --reference" in capsys.readouterr().err


def test_a_run_on_the_papers_images_is_drawn_beside_them(tmp_path):
    config = '{"name": "x", "reference": "random_split", "data": {"source": "imagenet2012"}}'
    (tmp_path / "config.json").write_text(config)
    write_rows(epath.Path(tmp_path) / "results.csv", RANDOM_SPLIT)
    evidence = read_evidence(epath.Path(tmp_path))
    files = write_report(evidence)
    assert "figure2.png" in [Path(file).name for file in files]
    assert "beside the authors" in (epath.Path(tmp_path) / "report.html").read_text()


def test_the_tables_travel_with_their_source():
    from importlib import resources

    folder = resources.files("transfer_jax.analysis.paper") / "reference"
    assert "yosinski/convnet_transfer" in (folder / "README.md").read_text()
    assert len(list(csv.DictReader((folder / "networks.csv").read_text().splitlines()))) == 170
