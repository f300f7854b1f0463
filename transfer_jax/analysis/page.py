"""The report page: one HTML file with nothing to load."""

import html
from collections.abc import Mapping, Sequence

from transfer_jax.analysis.tables import Table

SENTENCE = 18
STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; }
main { max-width: 62rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
figure { margin: 1rem 0; background: white; border-radius: 6px; }
figure svg { width: 100%; min-width: 40rem; height: auto; display: block; }
figure, .scroll, pre { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.8rem; text-align: right; white-space: nowrap; }
thead { border-bottom: 2px solid var(--line); }
tbody tr { border-bottom: 1px solid var(--line); }
td.text { text-align: left; white-space: normal; min-width: 12rem; }
pre { border: 1px solid var(--line); border-radius: 6px; padding: 0.8rem; font-size: 0.85rem; }
"""


def render_page(
    title: str,
    introduction: Sequence[str],
    pictures: Mapping[str, str],
    tables: Sequence[Table],
    config: str = "",
) -> str:
    """A page as HTML.

    Args:
      title: its heading.
      introduction: paragraphs, as HTML.
      pictures: what each shows, to its SVG.
      tables: what follows the pictures.
      config: the run's config, as text.

    Returns:
      The page.
    """
    name = html.escape(title)
    paragraphs = "\n".join(f"<p>{text}</p>" for text in introduction if text)
    figures = "\n".join(
        f'<figure role="img" tabindex="0" aria-label="{html.escape(label)}; the numbers are in the '
        f'tables below">{svg[svg.index("<svg") :]}</figure>'
        for label, svg in pictures.items()
    )
    settings = f'<h2>Config</h2>\n<pre tabindex="0">{html.escape(config)}</pre>' if config else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{name}</h1>
{paragraphs}
{figures}
{"".join(_html_table(table) for table in tables)}
{settings}
</main>
</body>
</html>
"""


def _html_table(table: Table) -> str:
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in table.header)
    body = "\n".join("<tr>" + "".join(map(_html_cell, row)) + "</tr>" for row in table.rows)
    return (
        f'<h2>{html.escape(table.title)}</h2>\n<div class="scroll" tabindex="0"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>\n"
    )


def _html_cell(text: str) -> str:
    kind = ' class="text"' if len(text) > SENTENCE else ""
    return f"<td{kind}>{html.escape(text)}</td>"
