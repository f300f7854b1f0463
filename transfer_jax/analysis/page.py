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
figure svg { width: 100%; min-width: 40rem; height: auto; max-height: 46rem; display: block; }
figure, .scroll, pre { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.8rem; text-align: right; white-space: nowrap; }
thead { border-bottom: 2px solid var(--line); }
tbody tr { border-bottom: 1px solid var(--line); }
td.text, th.text { text-align: left; white-space: normal; min-width: 9rem; }
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
    texts = [any(len(row[i]) > SENTENCE for row in table.rows) for i in range(len(table.header))]
    kinds = [' class="text"' if text else "" for text in texts]
    head = _html_cells("th", table.header, [f'{kind} scope="col"' for kind in kinds])
    body = "\n".join("<tr>" + _html_cells("td", row, kinds) + "</tr>" for row in table.rows)
    return (
        f'<h2>{html.escape(table.title)}</h2>\n<div class="scroll" tabindex="0"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>\n"
    )


def _html_cells(tag: str, row: Sequence[str], kinds: Sequence[str]) -> str:
    return "".join(
        f"<{tag}{kind}>{html.escape(cell)}</{tag}>" for cell, kind in zip(row, kinds, strict=True)
    )
