"""The page, the terminal and the files of a run that starts from given weights."""

import csv
import html
import json
import re
import shutil
from dataclasses import replace

import pytest
from etils import epath

from transfer_jax.analysis.asked_network import asked_network
from transfer_jax.analysis.best_network import best_network, seed_of
from transfer_jax.analysis.figures.curve_figures import points_of_networks
from transfer_jax.analysis.figures.family_figures import family_curves
from transfer_jax.analysis.page.notes import config_text
from transfer_jax.analysis.page.report import write_report
from transfer_jax.analysis.pretrained_tables import family_table, share_trained
from transfer_jax.analysis.reading import read_evidence
from transfer_jax.cli import main
from transfer_jax.folder.results import read_rows, write_rows
from transfer_jax.grid.conditions import Treatment

from .pretrained import (
    ALL_LAYERS,
    BY_NAME,
    LAYERS,
    PARAMETERS,
    SCRATCH,
    TRUTH,
    Arm,
    folder_of,
    probe,
    tuned,
)
from .test_report import Checker

# Words of the paper's experiment, which this is not.
FOREIGN = (
    "base network", "BnB", "selffer", "co-adapt", "specialisation", "both targets", "task A",
    "whole split", "claim", "twice as long", "whole budget", "not run:", "boost", "converged",
    "transferred from", "task B", "nan",
)  # fmt: skip


def text_of(page: str) -> str:
    """What is read of a page: without drawings, scripts, styles and the config."""
    page = page.split('<h2 id="how-to-repeat-it">')[0]
    page = re.sub(r"<(svg|script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> epath.Path:
    folder = folder_of(tmp_path_factory.mktemp("run") / "flowers")
    write_report(read_evidence(folder))
    return folder


def test_the_page_speaks_of_families_and_of_nothing_else(run):
    page = (run / "report.html").read_text()
    checker = Checker()
    checker.feed(page)
    assert checker.open == [] and checker.loads == []
    text = text_of(page)
    found = [word for word in FOREIGN if word.lower() in text.lower()]
    assert found == []
    for words in (
        "flowers: which layers to freeze, which to tune?",
        "Most ways tie: of 16 ways, ",
        "are not shown to differ from the best: ",
        "begin with the weights of resnet18.safetensors and a new head",
        "What is what",
        "Accuracy by family and n",
        "only the layers from the cut before n to n tuned, and the head",
        "The pretraining is not counted.",
        "Kumar et al. (2022)",
    ):
        assert words in text, words


def test_the_page_says_which_network_to_take_and_what_to_type(run):
    text = text_of((run / "report.html").read_text())
    best = best_network(read_evidence(run))
    assert best is not None
    assert best.told in text and f"take: {best.way}, seed {best.row.seed}, the most " in best.told
    assert best.command == f"transfer-jax export {run} --way=best --to=best.safetensors"
    assert best.command in text
    assert str(run / "networks" / best.row.column) in best.told
    assert (run / "networks" / best.row.column).exists()


def test_the_network_to_take_is_the_best_of_its_way_on_validation_images(run):
    evidence = read_evidence(run)
    best = best_network(evidence)
    assert best is not None and best.row.validation is not None
    like = [r for r in evidence.rows if (r.variant, r.n) == (best.row.variant, best.row.n)]
    assert best.row.validation == max(row.validation or 0 for row in like)
    assert best.way == f"{best.row.variant}:{best.row.n}"


def test_without_networks_that_were_kept_nothing_is_promised(tmp_path):
    folder = folder_of(tmp_path / "run", TRUTH)
    shutil.rmtree(folder / "networks")
    write_report(read_evidence(folder))
    text = text_of((folder / "report.html").read_text())
    assert "What it trained was not kept" in text and "transfer-jax export" not in text


def test_the_terminal_has_the_table_the_words_and_what_comes_next(run, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["report", str(run)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for words in (
        "all classes: test accuracy by family and n",
        "layer2.1",
        "freeze: the first n layers frozen, all others tuned from pretrained, under a new head",
        "full: everything tuned, under a new head (in the paper: AnB+ where n is all but the head)",
        "Most ways tie: of 16 ways",
        f"Next: transfer-jax export {run} --way=best --to=best.safetensors",
    ):
        assert words in out, words
    assert [word for word in FOREIGN if word in out] == []


def test_the_numbers_are_in_a_file_of_their_own(run):
    with (run / "families.csv").open() as file:
        lines = list(csv.DictReader(file))
    rows = read_rows(run / "results.csv")
    assert len(lines) == len(TRUTH | BY_NAME)
    (line,) = [x for x in lines if (x["family"], x["n"]) == ("freeze", "5")]
    own = [row.top1 for row in rows if (row.variant, row.n) == ("freeze", 5)]
    scratch = [row.top1 for row in rows if row.treatment == "scratch"]
    mean = sum(own) / 3
    assert float(line["accuracy"]) == pytest.approx(mean, abs=1e-6)
    assert float(line["gain"]) == pytest.approx(mean - sum(scratch) / 3, abs=1e-6)
    assert float(line["low"]) < mean < float(line["high"])
    assert float(line["gain_low"]) < float(line["gain"]) < float(line["gain_high"])
    assert (line["layer"], line["networks"], line["treatment"]) == ("layer2.1", "3", "AnB+")
    assert "### all classes: test accuracy by family and n" in (run / "tables.md").read_text()


@pytest.mark.parametrize(
    ("arm", "share"),
    [
        # Of 100, 200, 200, 400, 400, 800, 800 and 80 parameters, 2980 in all.
        (SCRATCH, 1.0),
        (tuned("full"), 1.0),
        (tuned("freeze", 5), (800 + 800 + 80) / 2980),
        (tuned("freeze", 7), 80 / 2980),
        (tuned("surgical", 5), (400 + 400 + 80) / 2980),
        (tuned("surgical", 3), (100 + 200 + 200 + 80) / 2980),
        (Arm(Treatment.TRANSFER, 3), (400 + 400 + 800 + 800 + 80) / 2980),
        (Arm(Treatment.TRANSFER_PLUS, 3), 1.0),
        (probe(3), None),
        (ALL_LAYERS, None),
        (probe(7), 80 / 2980),
    ],
)
def test_the_share_of_parameters_that_is_trained(run, arm, share):
    (own,) = read_evidence(run).numbers
    assert share_trained(own, arm, PARAMETERS) == pytest.approx(share)
    assert share_trained(own, arm, ()) is None


def test_names_of_layers_stand_in_the_table_where_they_are_known(run, tmp_path):
    evidence = read_evidence(run)
    assert evidence.layers == LAYERS and evidence.parameters == PARAMETERS
    table = family_table(evidence.numbers[0], PARAMETERS)
    assert table.header == (
        "family", "n", "up to layer", "accuracy, %", "points above scratch", "parameters trained"
    )  # fmt: skip
    assert [row[:3] for row in table.rows[:5]] == [
        ("probe", "1", "stem"), ("probe", "3", "layer1.1"), ("probe", "5", "layer2.1"),
        ("probe", "7", "layer3.1"), ("freeze", "1", "stem"),
    ]  # fmt: skip
    folder = folder_of(tmp_path / "run", TRUTH)
    for plan in ({}, {"layers": 3}, {"layers": ["a", 2]}, {"layers": ["a"], "parameters": ["x"]}):
        (folder / "plan.json").write_text(json.dumps(plan))
        found = read_evidence(folder)
        assert found.parameters == () and len(found.layers) == (plan.get("parameters") == ["x"])
    plain = family_table(found.numbers[0])
    assert plain.header[2] == "up to layer" and plain.rows[1][2] == ""


def test_ways_without_an_n_are_not_said_to_have_0_layers(run):
    figure = points_of_networks(read_evidence(run).numbers)
    ticks = {t.get_text() for axis in figure.axes for t in axis.get_xticklabels()}
    assert "no n" in ticks and "0" not in ticks


@pytest.mark.parametrize("kept", [True, False])
def test_of_a_probe_the_head_is_what_is_kept(kept, tmp_path):
    folder = folder_of(tmp_path / "a run", {SCRATCH: 0.3, probe(3): 0.9})
    if kept:
        (folder / "heads").mkdir()
        (folder / "heads" / "whole.A.npz").write_bytes(b"")
    best = best_network(read_evidence(folder))
    assert best is not None and best.way == "probe:3"
    asked = f"transfer-jax export '{folder}' --way=best --to=best.safetensors"
    assert best.command == (asked if kept else "")
    assert ("heads/whole.A.npz" in best.told) == kept
    assert "take: probe:3, which is the same for every seed (" in best.told


def test_a_head_on_all_layers_stands_in_tables_and_figures_where_ways_without_an_n_do(tmp_path):
    folder = folder_of(
        tmp_path / "run", {SCRATCH: 0.3, probe(3): 0.5, ALL_LAYERS: 0.9, tuned("full"): 0.6}
    )
    (folder / "heads").mkdir()
    (folder / "heads" / "whole.A.npz").write_bytes(b"")
    evidence = read_evidence(folder)
    table = family_table(evidence.numbers[0], PARAMETERS)
    places = [(row[0], row[1], row[2], row[-1]) for row in table.rows]
    assert places[:2] == [("probe", "3", "layer1.1", "a head"), ("head2toe", "", "", "a head")]
    figure = family_curves(evidence.numbers)
    assert "head2toe" in {text.get_text() for axis in figure.axes for text in axis.texts}
    best = best_network(evidence)
    assert best is not None and best.way == "head2toe"
    assert "heads/whole.A.npz" in best.told and "the same for every seed" in best.told
    write_report(evidence)
    text = html.unescape(text_of((folder / "report.html").read_text()))
    assert "Train a linear head on all layers' activations, all of them frozen (+" in text
    assert "Evci et al. (2022)" in text and "So is head2toe, the linear head on" in text
    others = folder_of(tmp_path / "others", {SCRATCH: 0.3, probe(3): 0.5, tuned("full"): 0.6})
    write_report(read_evidence(others))
    assert "head2toe" not in (others / "report.html").read_text()
    with (folder / "families.csv").open() as file:
        (line,) = [x for x in csv.DictReader(file) if x["family"] == "head2toe"]
    assert (line["n"], line["treatment"], line["networks"]) == ("0", "AnB", "3")


def test_a_lone_seed_is_not_the_most_accurate_of_several(tmp_path):
    folder = folder_of(tmp_path / "run", {SCRATCH: 0.3, tuned("full"): 0.9})
    write_rows(folder / "results.csv", [r for r in read_rows(folder / "results.csv") if not r.seed])
    evidence = read_evidence(folder)
    (row,) = [r for r in evidence.rows if r.variant == "full"]
    assert seed_of(evidence, row) == "seed 0"


def test_of_several_targets_the_command_names_the_way_and_the_task(tmp_path):
    folder = folder_of(tmp_path / "run", {SCRATCH: 0.3, tuned("full"): 0.9})
    rows = read_rows(folder / "results.csv")
    rows += [replace(row, target="B") for row in rows]
    write_rows(folder / "results.csv", rows)
    best = best_network(read_evidence(folder))
    assert best is not None
    assert f" --way=full --task=whole.{best.row.target} --to=" in best.command


ONLY = {
    "scratch and probes": {SCRATCH: 0.3, probe(3): 0.5, probe(7): 0.6},
    "no scratch": {probe(3): 0.5, tuned("full"): 0.6},
    "cut off": {SCRATCH: 0.3, Arm(Treatment.TRANSFER, 3): 0.4, Arm(Treatment.RANDOM, 3): 0.2},
    "a head on all layers": {SCRATCH: 0.3, probe(3): 0.5, ALL_LAYERS: 0.6},
    "without an n": {SCRATCH: 0.3, tuned("full"): 0.6, tuned("lp-ft"): 0.6},
    "scratch alone": {SCRATCH: 0.3},
    "one of its own": {SCRATCH: 0.3, tuned("half", 4): 0.6, tuned("full"): 0.6},
}


@pytest.mark.parametrize("name", ONLY)
def test_any_families_have_a_page(name, tmp_path):
    folder = folder_of(tmp_path / "run", ONLY[name])
    write_report(read_evidence(folder))
    text = text_of((folder / "report.html").read_text())
    assert [word for word in FOREIGN if word in text] == []


def test_one_seed_without_tests_and_validation_has_a_page(tmp_path):
    folder = folder_of(tmp_path / "run", TRUTH, seeds=1, validation=0)
    shutil.rmtree(folder / "correct")
    shutil.rmtree(folder / "curves")
    write_report(read_evidence(folder))
    text = text_of((folder / "report.html").read_text())
    assert "One seed gives no interval over seeds: run with two or more." in text
    assert "Undecided: one seed shows no spread. Highest so far: " in text
    assert "±" not in text.replace("± is", "")


def test_a_run_that_is_not_finished_has_a_page(tmp_path):
    folder = folder_of(tmp_path / "run", TRUTH)
    rows = read_rows(folder / "results.csv")
    (folder / "columns").mkdir()
    (folder / "results.csv").unlink()
    for column in ("whole.seed0.pretrained-A.probes", "whole.seed0.pretrained-A"):
        own = [row for row in rows if row.column == column]
        write_rows(folder / "columns" / f"{column}.csv", own)
    write_report(read_evidence(folder))
    text = text_of((folder / "report.html").read_text())
    assert "This run is not finished" in text and "base networks" not in text


def test_what_is_missing_is_named_by_family(tmp_path):
    folder = folder_of(tmp_path / "run", TRUTH)
    rows = read_rows(folder / "results.csv")
    write_rows(
        folder / "results.csv",
        [row for row in rows if (row.variant, row.n, row.seed) != ("freeze", 5, 2)],
    )
    problems = read_evidence(folder).problems
    assert "whole: AnB+, freeze at n = 5 has 2 networks, other cuts 3" in problems


def test_two_runs_stand_side_by_side(run, tmp_path, capsys):
    other = folder_of(tmp_path / "other", {**TRUTH, tuned("full"): 0.8}, seeds=2)
    assert main(["report", str(run), str(other), f"--to={tmp_path / 'both'}"]) == 0
    page = (tmp_path / "both" / "comparison.html").read_text()
    text = text_of(page)
    assert "whole: test accuracy by family and n" in text
    assert [word for word in FOREIGN if word in text] == []
    (line,) = re.findall(r"<tr><td>full</td>(.*?)</tr>", page)
    cells = re.findall(r"<td>(.*?)</td>", line)
    means = [
        sum(r.top1 for r in read_rows(folder / "results.csv") if r.variant == "full") / seeds
        for folder, seeds in ((run, 3), (other, 2))
    ]
    assert cells[3].startswith(f"{100 * (means[1] - means[0]):+.1f}±")
    assert "comparison.html" in capsys.readouterr().out


def test_of_several_numbers_of_images_the_network_is_one_that_had_the_most(tmp_path):
    """Few images may do better by luck, and the export of the best takes one that had all."""
    folder = folder_of(tmp_path / "run", {SCRATCH: 0.3, tuned("full"): 0.6})
    rows = read_rows(folder / "results.csv")
    lucky = [replace(row, validation=(row.validation or 0) + 0.1) for row in rows]
    few = [replace(row, examples=5) for row in lucky]
    write_rows(folder / "results.csv", [*few, *rows])
    best = best_network(read_evidence(folder))
    assert best is not None and not best.row.examples
    assert best.row == asked_network(read_evidence(folder)).row


def test_of_several_splits_the_network_is_of_the_one_whose_advice_it_is(tmp_path):
    folder = folder_of(tmp_path / "run", {SCRATCH: 0.3, tuned("full"): 0.6})
    rows = read_rows(folder / "results.csv")
    easy = [replace(row, split="easy", validation=(row.validation or 0) + 0.3) for row in rows]
    write_rows(folder / "results.csv", [*rows, *easy])
    best = best_network(read_evidence(folder))
    assert best is not None and best.row.split == "whole"
    assert " of whole.A, seed " in best.told and "--task=whole.A" in best.command


def with_plan(folder, **more):
    plan = json.loads((folder / "plan.json").read_text()) | more
    (folder / "plan.json").write_text(json.dumps(plan))
    return read_evidence(folder)


def test_chance_stands_beside_the_accuracies(tmp_path, capsys):
    folder = folder_of(tmp_path / "flowers", {SCRATCH: 0.3, probe(3): 0.5, tuned("full"): 0.6})
    told = "Whoever always guesses the most frequent class has 28.6% right: that is chance."
    write_report(with_plan(folder, chance={"whole": [2 / 7], "other": [0.9]}))
    assert text_of((folder / "report.html").read_text()).count(told) == 2
    main(["report", str(folder)])
    assert told in " ".join(capsys.readouterr().out.split())
    write_report(with_plan(folder, chance={"whole": [0.25, 0.5]}))
    page = text_of((folder / "report.html").read_text())
    assert "has 25.0% to 50.0%, by the task, right" in page
    for odd in ({}, [1], {"whole": "much"}, {"whole": ["x"]}):
        write_report(with_plan(folder, chance=odd))
        assert "frequent class" not in (folder / "report.html").read_text()


def test_the_config_on_the_page_holds_nothing_that_means_nothing(tmp_path):
    folder = folder_of(tmp_path / "flowers", {SCRATCH: 0.3, probe(3): 0.5, tuned("full"): 0.6})
    config = json.loads((folder / "config.json").read_text())
    config |= {"treatments": ["AnB"], "bases": "", "families": ["full"]}
    network = config["network"]
    whole = replace(read_evidence(folder), rows=())
    fields = {"families", "treatments", "bases"}
    for weights, there in ((network["weights"], {"families"}), ("", {"treatments", "bases"})):
        own = config | {"network": network | {"weights": weights}}
        assert fields & set(json.loads(config_text(replace(whole, config=own)))) == there
