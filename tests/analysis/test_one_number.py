"""One number has one interval, wherever a report writes it; and one seed has none, anywhere."""

import csv
import html
import re
from dataclasses import replace

import pytest
from etils import epath

from transfer_jax.analysis.evidence import Evidence
from transfer_jax.analysis.page.report import write_report
from transfer_jax.analysis.page.summary import answers, introduction, split_sentences
from transfer_jax.analysis.paper.beside_authors import boost_note, claims_table
from transfer_jax.analysis.reading import read_evidence
from transfer_jax.analysis.statistics.advice import Judged, advise_group
from transfer_jax.analysis.statistics.crossing import of_targets
from transfer_jax.analysis.statistics.effects import (
    BOOST,
    CO_ADAPTATION,
    GAIN,
    OVER_RANDOM,
    SPECIALISATION,
    effects,
    numbers_of,
)
from transfer_jax.analysis.statistics.splits import between_splits
from transfer_jax.commands.report import show_results
from transfer_jax.folder.results import write_rows
from transfer_jax.grid.conditions import Treatment

from .simulated import table

INTERVAL = re.compile(r"[+-]?\d+\.\d+±\d+\.\d+")
LOSSES = {"BnB": lambda n: -0.004 * n, "AnB": lambda n: -0.011 * n, "AnB+": lambda _: -0.012,
          "BnB+": lambda _: 0.007, "random": lambda n: -0.02 * n}  # fmt: skip
# A column of the table of costs, to the effects that it is of.
COLUMNS = {
    "co-adaptation: base − BnB": (CO_ADAPTATION, None),
    "specialisation: BnB − AnB": (SPECIALISATION, None),
    "AnB − random, frozen": (OVER_RANDOM, None),
    "boost: AnB+ − BnB+": (BOOST, None),
    "boost: AnB+ − base": (GAIN, Treatment.TRANSFER_PLUS),
}


def run(path, seeds: int = 4) -> Evidence:
    """Two splits, of which the distant one costs twice as much."""
    treatments = ("BnB", "AnB", "BnB+", "AnB+", "random")
    rows = table(LOSSES, splits=("random-0", "far"), seeds=seeds, noise=0.006, layers=6,
                 treatments=treatments)  # fmt: skip
    rows = [
        replace(row, top1=row.top1 - 0.011 * row.n)
        if (row.split, row.treatment) == ("far", "AnB") else row for row in rows
    ]  # fmt: skip
    write_rows(epath.Path(path) / "results.csv", rows)
    return read_evidence(epath.Path(path))


def words(page: str) -> str:
    """What a page says, without its drawings."""
    for tag in ("svg", "style", "script"):
        page = re.sub(rf"<{tag}.*?</{tag}>", "", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", " ", page))


@pytest.fixture(scope="module")
def evidence(tmp_path_factory) -> Evidence:
    found = run(tmp_path_factory.mktemp("run"))
    write_report(found)
    return found


def of_the_advice(evidence: Evidence) -> set[str]:
    """Numbers of the advice: their intervals hold for all ways at once, as the sentence says."""
    told = "\n".join(map(str, evidence.advice))
    lines = [line for line in told.splitlines() if "for all ways at once" in line]
    found = set(INTERVAL.findall("\n".join(lines)))
    means = [100 * e.mean for own in evidence.numbers for e in own.effects]
    for text in INTERVAL.findall("\n".join(str(replace(a, parts=())) for a in evidence.advice)):
        mean = text.split("±")[0]
        rounding = 0.51 * 10.0 ** -len(mean.split(".")[1])
        assert min(abs(float(mean) - other) for other in means) < rounding, text
    assert set(INTERVAL.findall(told)) == found
    return found


def texts(evidence: Evidence) -> set[str]:
    """Every number of the report as it must be written, and what only claims are of."""
    found = evidence.numbers
    alone = [
        effects(of_targets(own.group, target), evidence.test_of) for own in found for target in "AB"
    ]
    every = [*(e for own in [*found, *alone] for e in own.effects), *between_splits(found)]
    numbers = {e.estimate.points(signed=signed) for e in every for signed in (True, False)}
    claims = claims_table(found)
    assert claims is not None
    slopes = {text for line in claims.rows if line[0] == "10" for text in INTERVAL.findall(line[3])}
    return numbers | slopes | of_the_advice(evidence)


def test_every_interval_of_the_page_is_one_of_the_effects(evidence):
    page = words((evidence.folder / "report.html").read_text())
    written = INTERVAL.findall(page)
    assert len(written) > 150
    assert set(written) <= texts(evidence)


def test_sentences_claims_and_tables_write_a_number_alike(evidence):
    found = evidence.numbers
    for own in found:
        for kind, treatment in COLUMNS.values():
            assert own.of(kind, treatment)
    halves = found[0]
    whole = halves.ranges(BOOST)[0].estimate.points()
    assert f"Transfer loses against training on from the same task: AnB+ less BnB+ is {whole}" in (
        boost_note(found)
    )
    page = words((evidence.folder / "report.html").read_text())
    assert page.count(whole) >= 2  # the note and the table
    claims = claims_table(found)
    assert claims is not None
    evidences = {line[0]: line[3] for line in claims.rows}
    for effect in halves.of(GAIN, Treatment.TRANSFER_PLUS):
        cut = f"n = {effect.quantity.first_n}: {effect.estimate.points()}"
        assert cut in evidences["8"]
    told = " ".join(p for a in answers(found, evidence.advice) for p in a.paragraphs)
    told += " ".join([*introduction(evidence, found), *split_sentences(found)])
    assert INTERVAL.findall(told) and set(INTERVAL.findall(told)) <= texts(evidence)


def test_the_terminal_and_the_files_write_it_alike(evidence):
    from rich.console import Console

    console = Console(record=True, width=300)
    show_results(evidence, console)
    terminal = INTERVAL.findall(console.export_text())
    markdown = INTERVAL.findall((evidence.folder / "tables.md").read_text())
    assert terminal and markdown and set(terminal + markdown) <= texts(evidence)
    lines = csv.DictReader((evidence.folder / "effects.csv").read_text().splitlines())
    from_csv = {
        f"{100 * float(line['mean']):+.1f}±{50 * (float(line['high']) - float(line['low'])):.1f}"
        for line in lines
    }
    exact = {text for text in texts(evidence) if re.fullmatch(r"[+-]\d+\.\d±\d+\.\d", text)}
    assert len(exact & from_csv) > 60


def test_one_seed_has_no_interval_on_any_page_or_file(tmp_path):
    evidence = run(tmp_path, seeds=1)
    write_report(evidence)
    page = words((tmp_path / "report.html").read_text())
    assert "±" not in page and "one seed gives no interval" in page
    for name in ("tables.md", "tables.tex"):
        text = (tmp_path / name).read_text()
        assert "±" not in text and r"\pm" not in text
    for line in csv.DictReader((tmp_path / "effects.csv").read_text().splitlines()):
        assert {line[name] for name in ("low", "high", "freedom", "p", "p_some")} == {""}
    assert "±" not in "".join(str(claims_table(evidence.numbers)))


def test_a_difference_between_splits_is_told_only_where_it_is_tested(evidence, tmp_path):
    frozen = [e for e in between_splits(evidence.numbers) if e.quantity.treatment == "AnB"]
    shown = [e for e in frozen if e.mean > 0 and e.p_some is not None and e.p_some < 0.05]
    assert 0 < len(shown) < len(frozen)
    (sentence,) = split_sentences(evidence.numbers)
    assert sentence.startswith("Frozen transfer costs more on far than on random-0 at n = ")
    assert re.findall(r"(\d+) \(", sentence) == [str(e.quantity.first_n) for e in shown]
    assert split_sentences(run(tmp_path, seeds=1).numbers) == []


def test_what_costs_nothing_is_said_after_an_equivalence_test_only():
    def told(noise: float) -> str:
        (own,) = found = numbers_of(table({"AnB": lambda n: -0.05 * n}, noise=noise))
        return " ".join(answers(found, [advise_group(Judged(own.group, {}.get))])[0].paragraphs)

    assert "co-adaptation costs nothing that matters at any n" in told(0.001)
    assert "co-adaptation is not shown to cost anything at any n" in told(0.02)


def test_no_cut_is_picked_as_the_one_that_costs_most():
    """The interval of the largest of many is too short, and that it is the largest is untested."""
    (own,) = found = numbers_of(table({"AnB": lambda n: -0.004 * n * n}, noise=0.006, seeds=4))
    costs = own.of(SPECIALISATION)
    shown = [e for e in costs if e.mean > 0 and e.p_some is not None and e.p_some < 0.05]
    assert 1 < len(shown) < len(costs)
    told = " ".join(answers(found, [advise_group(Judged(own.group, {}.get))])[0].paragraphs)
    (sentence,) = re.findall(r"Of what frozen transfer loses, .*?\)\.", told)
    assert "most" not in sentence
    cuts = ", ".join(f"{e.quantity.first_n} ({e.estimate.points()} points)" for e in shown)
    assert f"specialisation costs at n = {cuts}, which is not shown at other cuts" in sentence
    assert sentence.endswith("(p adjusted for all cuts; each interval is of its cut alone).")
