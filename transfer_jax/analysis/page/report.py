"""The report of a run: pictures, tables for other programs, and one page that opens offline."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from etils import epath
from matplotlib.figure import Figure

from transfer_jax.analysis.best_network import best_network
from transfer_jax.analysis.control_tables import control_tables
from transfer_jax.analysis.evidence import Evidence
from transfer_jax.analysis.figures.gallery import draw, pictures, saved
from transfer_jax.analysis.figures.paper_figures import paper_figures
from transfer_jax.analysis.page.exports import export
from transfer_jax.analysis.page.method import method, pretrained_method, race_method, rates_method
from transfer_jax.analysis.page.notes import chance_note, config_text, repeat_text
from transfer_jax.analysis.page.page import Answer, Page, Section, render_page
from transfer_jax.analysis.page.page_tables import rate_table, result_tables, target_table
from transfer_jax.analysis.page.summary import answers, introduction, notices
from transfer_jax.analysis.paper.beside_authors import (
    beside_the_authors,
    boost_note,
    claims_table,
    table1,
)
from transfer_jax.analysis.paper.original import (
    STATISTIC,
    as_published,
    original_rows,
    statistic_of,
)
from transfer_jax.analysis.pretrained_tables import (
    FAMILY_COLUMNS,
    family_lines,
    meanings_table,
)
from transfer_jax.analysis.race_advice import race_tables
from transfer_jax.analysis.statistics.effects import numbers_of
from transfer_jax.analysis.statistics.steps_to_reach import (
    Reached,
    steps_sentence,
    steps_to_reach,
)
from transfer_jax.analysis.tables import Table, shown, steps_table
from transfer_jax.folder.results import ResultRow, Results
from transfer_jax.folder.whole_file import csv_text, write_whole

PAPERS_IMAGES = "imagenet2012"
QUESTION = "how transferable are the layers?"
PRETRAINED_QUESTION = "which layers to freeze, which to tune?"


def write_report(evidence: Evidence, *, reload_seconds: int = 0) -> list[epath.Path]:
    """Write figures, tables and `report.html` into the run's folder.

    Args:
      evidence: what the folder holds; where something is missing, the report says so.
      reload_seconds: after which a browser reads the page again; 0 for never.

    Returns:
      The files; the page is the last one.
    """
    found, theirs = evidence.numbers, _authors(evidence)
    reached = [steps_to_reach(own, evidence.curve_of) for own in found]
    drawn = draw(evidence, found, reached, theirs)
    pretrained = evidence.is_pretrained
    tables = result_tables(found, evidence.parameters)
    steps = [steps_table(own, ways) for own, ways in zip(found, reached, strict=True)]
    controls = control_tables(evidence.controls, evidence.sound, evidence.margin)
    beside = [*steps, target_table(evidence), *controls, rate_table(evidence)]
    tables += shown(beside)
    claims = [] if pretrained else shown([claims_table(found), table1(evidence.sound)])
    if theirs:
        claims.append(beside_the_authors(evidence.sound, evidence.config["reference"]))
    how = pretrained_method if pretrained else method
    races = race_tables(evidence.races)
    # The last paragraph is about advice, which a race gives in a way of its own.
    told = how(found)[: -1 if races else None]
    chance = chance_note(evidence)
    sections = [
        _best_section(evidence),
        Section("The race", tables=races),
        Section(
            "Figures",
            pictures=pictures(drawn, statistic_of(evidence.rows, theirs), pretrained=pretrained),
        ),
        Section(
            "What is what",
            tables=shown([meanings_table(found, evidence.raced)]) if pretrained else (),
        ),
        Section("Numbers", paragraphs=[chance] if chance else (), tables=tables),
        Section("Claims of the paper", tables=claims),
        Section("What is missing", items=evidence.problems),
        Section(
            "Method",
            paragraphs=[*told, *rates_method(evidence), *race_method(evidence)] if found else (),
        ),
        Section("How to repeat it", code=repeat_text(evidence)),
        Section("Config", code=config_text(evidence)),
    ]
    page = Page(
        f"{evidence.name}: {PRETRAINED_QUESTION if pretrained else QUESTION}",
        sections,
        notices(evidence, found),
        _with_steps(answers(found, evidence.advice), evidence, reached),
        introduction(evidence, found),
        reload_seconds,
    )
    results = Results(evidence.rows, str(evidence.folder))
    files = drawn | export(results, found, reached, [*races, *tables, *claims])
    if pretrained and found:
        lines = family_lines(found, evidence.parameters)
        files["families.csv"] = csv_text(FAMILY_COLUMNS, lines).encode()
    return write_files(evidence.folder, files | {"report.html": render_page(page)})


def write_reference(folder: epath.Path) -> list[epath.Path]:
    """Write the paper's figures, table 1 and claims from the authors' own numbers.

    Args:
      folder: where to.

    Returns:
      The files; the page is the last one.

    Source: the logs of yosinski/convnet_transfer at 9838c27.
    """
    names = ("random_split", "man_natural", "random_filters")
    rows = [row for name in names for row in original_rows(name)]
    reduced, preserved = original_rows("reduced"), original_rows("preserved")
    figures = paper_figures(rows) | paper_figures(reduced)
    figures["preserved"] = paper_figures(preserved)["preserved"]
    found = numbers_of(as_published([*rows, *reduced]))
    tables = shown([claims_table(found), table1(rows)])
    beside = [beside_the_authors((), name) for name in (*names, "reduced", "preserved")]
    paragraphs = [
        "The networks of Yosinski, Clune, Bengio and Lipson (2014), from their published training "
        "logs: what a run of the paper's configs should give.",
        f"Accuracies are {STATISTIC}. Units are splits: of what was run on one split there is "
        "no interval.",
        boost_note(found),
        "All published runs of BnB+ have target A and all of AnB+ target B, on two splits with "
        "four base networks: they share no target network, so that tasks are compared, too. A run "
        "here crosses both.",
    ]
    title = "How transferable are features in deep neural networks? The authors' numbers"
    return write_page(folder, "reference", title, paragraphs, figures, [*tables, *beside])


def write_page(
    folder: epath.Path,
    name: str,
    title: str,
    paragraphs: Sequence[str],
    figures: Mapping[str, Figure],
    tables: Sequence[Table],
    statistic: str = STATISTIC,
) -> list[epath.Path]:
    """Write some figures and tables, and a page of them.

    Args:
      folder: where to; it is made.
      name: of the page's file, without its ending.
      title: its heading.
      paragraphs: what it begins with.
      figures: name of the file to figure.
      tables: what follows the figures.
      statistic: what the numbers of the paper's figures are.

    Returns:
      The files; the page is the last one.
    """
    drawn = saved(figures)
    sections = [
        Section("Figures", pictures=pictures(drawn, statistic)),
        Section("Numbers", tables=tables),
    ]
    page = Page(title, sections, introduction=paragraphs)
    folder.mkdir(parents=True, exist_ok=True)
    return write_files(folder, drawn | {f"{name}.html": render_page(page)})


def write_files(folder: epath.Path, files: Mapping[str, bytes]) -> list[epath.Path]:
    """Write files, each whole or not at all.

    Args:
      folder: where to.
      files: name to content.

    Returns:
      The files.
    """
    for name, content in files.items():
        write_whole(folder / name, content)
    return [folder / name for name in files]


def _best_section(evidence: Evidence) -> Section:
    """Which network to take, and what to type to have it as a file."""
    best = best_network(evidence)
    if best is None:
        return Section("The network to take")
    asked = "As a file, under the names that the weights came with:" if best.command else ""
    return Section("The network to take", paragraphs=[best.told, asked], code=best.command)


def _authors(evidence: Evidence) -> Sequence[ResultRow]:
    """The authors' networks, where the run is on their images."""
    reference, data = evidence.config.get("reference"), evidence.config.get("data")
    source = str(data.get("source", "")) if isinstance(data, dict) else ""
    try:
        return original_rows(str(reference)) if source.endswith(PAPERS_IMAGES) else ()
    except KeyError:
        return ()


def _with_steps(
    told: Sequence[Answer], evidence: Evidence, reached: Sequence[Sequence[Reached]]
) -> list[Answer]:
    """Answers with how soon a way is as good as scratch, where that is shown."""
    found = []
    groups = [own.group for own in evidence.numbers]
    for answer, own, ways, group in zip(told, evidence.advice, reached, groups, strict=True):
        sentence = steps_sentence(ways, own.taken or own.choice, group)
        tested = f"Tests on the way are of {evidence.tested_on_the_way}."
        sentence = sentence and f"{sentence} {tested}"
        found.append(replace(answer, paragraphs=[*answer.paragraphs, sentence]))
    return found
