"""A page as HTML: one file with nothing to load, in sections, its tables sortable."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from transfer_jax.analysis.tables import Table

SENTENCE = 18
# A figure so much wider than high is scrolled on a phone, not shrunk.
WIDE = 1.8


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
      title: its heading, which also stands in the contents.
      body: what is in it, as HTML.
    """

    title: str
    body: str


def render_page(
    title: str, introduction: str, sections: Sequence[Section], *, reload_seconds: int = 0
) -> str:
    """A page as HTML.

    Args:
      title: its heading.
      introduction: what stands above the contents, as HTML.
      sections: its parts; those without a body are left out.
      reload_seconds: after which a browser reads it again; 0 for never.

    Returns:
      The page.

    Example:
      >>> "<h2" in render_page("x", "", [Section("Numbers", "<p>1</p>")])
      True
    """
    name = html.escape(title)
    kept = [section for section in sections if section.body]
    contents = "".join(
        f'<li><a href="#{_anchor(s.title)}">{html.escape(s.title)}</a></li>' for s in kept
    )
    parts = "\n".join(
        f'<section aria-labelledby="{_anchor(s.title)}">\n'
        f'<h2 id="{_anchor(s.title)}">{html.escape(s.title)}</h2>\n{s.body}\n</section>'
        for s in kept
    )
    again = f'<meta http-equiv="refresh" content="{reload_seconds}">\n' if reload_seconds else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
{again}<title>{name}</title>
<style>{_asset("page.css")}</style>
</head>
<body>
<a class="skip" href="#{_anchor(kept[0].title) if kept else ""}">to the content</a>
<main>
<h1>{name}</h1>
{introduction}
<nav aria-label="contents"><ul>{contents}</ul></nav>
{parts}
</main>
<script>{_asset("page.js")}</script>
</body>
</html>
"""


def paragraphs(texts: Sequence[str]) -> str:
    """Paragraphs of plain text; empty ones are left out.

    Args:
      texts: the paragraphs.

    Returns:
      HTML.

    Example:
      >>> paragraphs(["a < b", ""])
      '<p>a &lt; b</p>'
    """
    return "\n".join(f"<p>{html.escape(text)}</p>" for text in texts if text)


def listed(texts: Sequence[str]) -> str:
    """A list of plain texts.

    Args:
      texts: its items.

    Returns:
      HTML; empty where there are none.
    """
    return f"<ul>{''.join(f'<li>{html.escape(t)}</li>' for t in texts)}</ul>" if texts else ""


def picture(label: str, caption: str, svg: str) -> str:
    """A figure, with its text for those who do not see it.

    Args:
      label: what it is.
      caption: what it shows.
      svg: the figure.

    Returns:
      HTML.
    """
    drawing = re.sub(r'<g id="[^"]*"', "<g", svg[svg.index("<svg") :])
    wide = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    kind = "picture wide" if wide and float(wide[1]) > WIDE * float(wide[2]) else "picture"
    return (
        f'<figure>\n<h3>{html.escape(label)}</h3>\n<div class="{kind}" role="img" tabindex="0" '
        f'aria-label="{html.escape(f"{label}. {caption}")}">{drawing}</div>\n'
        f"<figcaption>{html.escape(caption)}</figcaption>\n</figure>\n"
    )


def table_html(table: Table) -> str:
    """A table whose columns can be sorted by.

    Args:
      table: the table.

    Returns:
      HTML.
    """
    texts = [any(len(row[i]) > SENTENCE for row in table.rows) for i in range(len(table.header))]
    kinds = [' class="text"' if text else "" for text in texts]
    head = "".join(
        f'<th scope="col"{kind}><button type="button">{html.escape(cell) or "number"}</button></th>'
        for cell, kind in zip(table.header, kinds, strict=True)
    )
    body = "\n".join(
        "<tr>"
        + "".join(
            f"<td{kind}>{html.escape(cell)}</td>" for cell, kind in zip(row, kinds, strict=True)
        )
        + "</tr>"
        for row in table.rows
    )
    label = html.escape(table.title)
    return (
        f'<h3>{label}</h3>\n<div class="scroll" tabindex="0" role="region" aria-label="{label}">'
        f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>\n"
    )


def preformatted(text: str) -> str:
    """Lines of code.

    Args:
      text: the lines.

    Returns:
      HTML; empty where there are none.
    """
    return f'<pre tabindex="0">{html.escape(text)}</pre>' if text else ""


def _anchor(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower()).strip("-")


@cache
def _asset(name: str) -> str:
    return (resources.files("transfer_jax.analysis.page") / name).read_text()
