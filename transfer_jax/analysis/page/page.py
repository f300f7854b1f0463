"""A page as values, and as HTML: one file with nothing to load, in sections, tables sortable."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from transfer_jax.analysis.figures.gallery import Picture
from transfer_jax.analysis.tables import Table

SENTENCE = 18
# Columns of that name are hidden until they are asked for.
POOLED = "pooled"


@dataclass(frozen=True)
class Answer:
    """What a page says first, of some tasks: what to do and why."""

    title: str
    paragraphs: Sequence[str]


@dataclass(frozen=True)
class Section:
    """A part of a page; its title also stands in the contents. What is empty is left out."""

    title: str
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    items: Sequence[str] = ()
    paragraphs: Sequence[str] = ()
    code: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return not (self.pictures or self.tables or self.items or self.paragraphs or self.code)

    @property
    def has_pooled(self) -> bool:
        """Whether some of its tables have columns that are hidden at first."""
        return any(POOLED in table.header for table in self.tables)


@dataclass(frozen=True)
class Page:
    """A page, all of it plain text but for the drawings.

    Attributes:
      title: its heading.
      sections: its parts; those that are empty are left out.
      notices: what a reader must know before anything else.
      answers: what it says first.
      introduction: paragraphs above the contents.
      reload_seconds: after which a browser reads it again; 0 for never.
    """

    title: str
    sections: Sequence[Section]
    notices: Sequence[str] = ()
    answers: Sequence[Answer] = ()
    introduction: Sequence[str] = ()
    reload_seconds: int = 0


def render_page(page: Page) -> bytes:
    """A page as a file.

    Returns:
      HTML in UTF-8; half a letter, which has no spelling there, as its number.

    Example:
      >>> b"<p>a &lt; b</p>" in render_page(Page("x", [Section("Method", paragraphs=["a < b"])]))
      True
    """
    kept = [section for section in page.sections if not section.is_empty]
    html = _template().render(page=page, sections=kept)
    return html.encode(errors="backslashreplace")


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["anchor"] = _anchor
    environment.globals.update(drawing=_drawing, kinds_of_columns=_kinds_of_columns)
    return environment.get_template("page.html")


def _anchor(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower()).strip("-")


def _drawing(picture: Picture) -> str:
    """The SVG within the page, where ids of several figures would be the same."""
    return re.sub(r'<g id="[^"]*"', "<g", picture.svg[picture.svg.index("<svg") :])


def _kinds_of_columns(table: Table) -> list[str]:
    """The class of each column; none where its cells are short numbers that all want to see."""
    kinds = []
    for place, name in enumerate(table.header):
        text = any(len(row[place]) > SENTENCE for row in table.rows)
        kinds.append(POOLED if name == POOLED else "text" if text else "")
    return kinds
