"""The page in a browser without a screen: no error, nothing wider than it, tables that sort."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from etils import epath

from transfer_jax.analysis.page.report import write_report
from transfer_jax.analysis.reading import read_evidence
from transfer_jax.folder.results import write_rows

from .pretrained import folder_of
from .test_report import rows

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
            "microsoft-edge", "msedge")  # fmt: skip
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), "")
needs_browser = pytest.mark.skipif(not BROWSER, reason="no Chromium on this machine")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--virtual-time-budget=3000", "--dump-dom",
)  # fmt: skip
LISTEN = """<script>
window.problems = [];
window.addEventListener("error", (event) => problems.push(String(event.message)));
console.error = console.warn = (...words) => problems.push(words.join(" "));
</script>"""
# Presses each heading of each table twice, and notes what the columns then hold.
PRESS = """<script>
const sorted = [];
for (const table of document.querySelectorAll("table")) {
  Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
    const button = head.querySelector("button");
    const found = {label: button.textContent, states: [], columns: []};
    for (let turn = 0; turn < 2; turn++) {
      button.click();
      found.states.push(head.getAttribute("aria-sort"));
      found.columns.push(Array.from(table.tBodies[0].rows, (row) => row.cells[column].textContent));
    }
    sorted.push(found);
  });
}
const displays = () => [...new Set(Array.from(
  document.querySelectorAll("th.pooled, td.pooled"), (cell) => getComputedStyle(cell).display))];
const pooled = [displays()];
document.querySelector(".show-pooled")?.click();
pooled.push(displays());
const focusable = document.querySelectorAll("a[href], button, [tabindex='0']");
const result = document.createElement("script");
result.type = "application/json";
result.id = "found";
result.textContent = JSON.stringify({
  problems,
  sorted,
  pooled,
  width: document.documentElement.scrollWidth,
  room: document.documentElement.clientWidth,
  pictures: Array.from(document.querySelectorAll("[role=img]"), (p) => p.ariaLabel),
  focusable: focusable.length,
  headings: Array.from(document.querySelectorAll("h1, h2, h3"), (h) => h.tagName).join(" "),
  scheme: getComputedStyle(document.documentElement).colorScheme,
});
window.top.document.body.append(result);
</script>"""


def looked_at(page: str, folder: Path, width: int) -> dict:
    """What the page is like in a window of a width."""
    path = folder / "instrumented.html"
    text = page.replace("<head>", "<head>" + LISTEN, 1).replace("</body>", PRESS + "</body>", 1)
    # Windows are no narrower than 500 pixels; a frame in one is.
    style = f"width: {width}px; height: 800px; border: 0"
    frame = f'<iframe style="{style}" srcdoc="{html.escape(text)}"></iframe>'
    path.write_text(f"<!doctype html><body>{frame}</body>")
    command = [BROWSER, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--window-size=1400,900"]
    done = subprocess.run([*command, f"file://{path}"], capture_output=True, text=True, timeout=120)
    pattern = r'<script type="application/json" id="found">(.*?)</script>'
    found = re.search(pattern, done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    return json.loads(found[1])


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("page")
    write_rows(epath.Path(folder) / "results.csv", rows())
    (folder / "config.json").write_text(json.dumps({"name": "x", "a_long_field": "y" * 300}))
    evidence = read_evidence(epath.Path(folder))
    write_report(evidence)
    return (folder / "report.html").read_text(), folder


@needs_browser
@pytest.mark.parametrize("width", [1280, 390], ids=["desktop", "phone"])
def test_the_page_in_a_browser(page, width):
    found = looked_at(*page, width)
    assert found["problems"] == []
    assert found["width"] <= found["room"] <= width
    assert found["scheme"] == "light dark"
    assert len(found["pictures"]) == 4 and all(len(label) > 40 for label in found["pictures"])
    assert found["headings"].startswith("H1 H2 H2 H2 H3")
    assert found["focusable"] > 20
    assert found["pooled"] == [["none"], ["table-cell"]]
    assert len(found["sorted"]) > 30
    for column in found["sorted"]:
        assert column["states"] == ["ascending", "descending"]
        up, down = ([number(text) for text in turn if text] for turn in column["columns"])
        if all(isinstance(value, float) for value in up):
            assert up == sorted(up) and down == sorted(down, reverse=True), column["label"]


def number(text: str) -> float | str:
    """What the page sorts by."""
    found = re.match(r"[+-]?\d+(\.\d+)?", text.replace("<", "").replace("−", "-"))
    return float(found[0]) if found else text


def test_pooled_columns_are_hidden_until_asked_for_and_in_the_files(page):
    text, folder = page
    headings = (folder / "tables.md").read_text().split("|").count(" pooled ")
    # In each of two splits: of five costs and gains, of two boosts.
    assert text.count('<th scope="col" class="pooled">') == headings == 14
    assert text.count('type="checkbox" class="show-pooled"') == 1
    assert ",pooled" in (folder / "effects.csv").read_text().splitlines()[0]


def test_empty_cells_come_last_and_buttons_are_in_headings(page):
    """Without a browser: what the script relies on is in the page."""
    text = page[0]
    assert text.count('<th scope="col"') == text.count('<button type="button">')
    assert "localeCompare" in text and "aria-sort" in text


@needs_browser
@pytest.mark.parametrize("width", [1280, 390], ids=["desktop", "phone"])
def test_the_page_of_a_run_that_starts_from_weights(width, tmp_path):
    folder = folder_of(tmp_path / "run")
    write_report(read_evidence(folder))
    found = looked_at((folder / "report.html").read_text(), tmp_path, width)
    assert found["problems"] == []
    assert found["width"] <= found["room"] <= width
    assert [label.split(".")[0] for label in found["pictures"]] == [
        "Accuracy by family and n", "Every network", "Learning curves",
        "Steps until scratch's final accuracy is reached", "The classes",
    ]  # fmt: skip
