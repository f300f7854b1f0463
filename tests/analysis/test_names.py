"""Names of any script, and of signs that other programs read as their own."""

import csv
import html
import io
import json
import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from etils import epath
from matplotlib.figure import Figure

from transfer_jax.analysis.figures import letters
from transfer_jax.analysis.figures.gallery import saved
from transfer_jax.analysis.figures.letters import legible
from transfer_jax.analysis.page.comparison import write_comparison
from transfer_jax.analysis.page.exports import latex, markdown
from transfer_jax.analysis.page.report import write_report
from transfer_jax.analysis.reading import read_evidence
from transfer_jax.analysis.tables import Table
from transfer_jax.folder.results import write_rows
from transfer_jax.folder.whole_file import write_arrays

from .test_report import rows

NAMES = [
    "动物", "ねこ", "고양이", "बिल्ली", "แมว", "قطة", "חתול", "🐱🐶", "👩\u200d🚀", "🏳️\u200d🌈",
    "e\u0301\u0323", "ﬁ", "𝔘", "$5 & $6", "$x_{", r"\alpha{}", "a|b", "<b>&amp;</b>",
    "--><script>x</script>", "=1+1", "`a`", "a\tb", "\u202eabc", "\udce9", "\ue000", "\u0661",
    " a ", "%", "~^",
]  # fmt: skip


@pytest.fixture(params=["fonts of this machine", "one font"])
def fonts(request, monkeypatch):
    """With what is installed here, and as if nothing but Matplotlib's own font were."""
    if request.param == "one font":
        monkeypatch.setattr(letters, "FAMILIES", letters.FAMILIES[:1])
    letters._installed.cache_clear()
    yield
    letters._installed.cache_clear()


def test_every_name_is_drawn_without_a_warning(fonts):
    """A warning is an error here."""
    figure = Figure()
    axis = figure.subplots()
    for place, name in enumerate(NAMES):
        axis.text(0.1, place / len(NAMES), name)
    axis.set_title("\n".join(NAMES))
    axis.set_yscale("log")
    files = saved({"names": figure})
    assert files["names.svg"].startswith(b"<?xml") and files["names.png"].startswith(b"\x89PNG")


def test_names_that_differ_are_drawn_differently_and_in_letters_that_can_be_read(fonts):
    drawn = [legible(name) for name in NAMES]
    assert len(set(drawn)) == len(drawn)
    assert all(text.strip() for text in drawn)
    for text in drawn:
        assert not [c for c in text if unicodedata.category(c) in ("Cs", "Co", "Cc", "Cn", "Cf")]


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("Müller: 50%", "Müller: 50%"),
        ("Мышь", "Мышь"),
        ("e\u0301", "é"),
        ("Ｆｕｌｌ", "Full"),
        ("🐘", "elephant"),
        ("a\tb", "a b"),
        ("two\nlines", "two\nlines"),
        ("\U0002a6a5\U0002a6a6", "u2A6A5 u2A6A6"),
    ],
)
def test_what_a_name_becomes(name, drawn, monkeypatch):
    monkeypatch.setattr(letters, "FAMILIES", letters.FAMILIES[:1])
    letters._installed.cache_clear()
    assert legible(name) == drawn
    letters._installed.cache_clear()


@pytest.mark.parametrize("name", ["$x^2$", "$\\frac{$"])
def test_dollars_are_dollars(name):
    """Matplotlib would read what is between two of them as mathematics, or refuse it."""
    figure = Figure()
    figure.subplots().set_title(name)
    # The title is what is drawn last: a glyph a letter, the first and the last the same.
    title = saved({"a": figure})["a.svg"].decode().rpartition("<!--")[2]
    glyphs = re.findall(r'<use xlink:href="#DejaVuSans-(\w+)"', title)
    assert len(glyphs) == len(name) and glyphs[0] == glyphs[-1]


def run_with(folder: Path, split: str, classes: list[str]) -> Path:
    folder.mkdir(parents=True)
    write_rows(epath.Path(folder) / "results.csv", [replace(r, split=split) for r in rows()])
    (folder / "config.json").write_text(json.dumps({"name": split, "classes": classes}))
    count = len(classes)
    write_arrays(
        epath.Path(folder) / "split_images.npz",
        images=np.zeros((count, 8, 8), np.uint8),
        split=np.array([split] * count),
        task=np.array((["A", "B"] * count)[:count]),
        name=np.array(classes),
    )
    return folder


def test_a_report_of_such_names_is_whole(tmp_path):
    split = "动物 🐱 <b>$x_{|&_"
    encodable = [name for name in NAMES if name != "\udce9"]
    folder = run_with(tmp_path / "运行 🐱 $a$", split, encodable)
    evidence = read_evidence(epath.Path(folder))
    write_report(evidence)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<b>" not in page and "<script>x" not in page
    assert "动物 🐱 &lt;b&gt;$x_{|&amp;_" in page
    assert '"name": "动物 🐱' in html.unescape(page)  # the config, as it was written
    held = list(csv.DictReader(io.StringIO((folder / "effects.csv").read_text(encoding="utf-8"))))
    assert {row["group"] for row in held} == {split}
    assert set(pd.read_parquet(folder / "effects.parquet")["group"]) == {split}
    other = run_with(tmp_path / "b", split, encodable[:2])
    both = [read_evidence(epath.Path(path)) for path in (folder, other)]
    *_, beside = write_comparison(both, epath.Path(tmp_path / "beside"))
    assert "运行 🐱 $a$" in beside.read_text(encoding="utf-8")


def test_runs_that_took_base_networks_over_are_said_to_share_them(tmp_path):
    told = "these intervals are too wide"
    first, second = (
        read_evidence(epath.Path(run_with(tmp_path / n, "s", ["x", "y"]))) for n in "ab"
    )
    *_, page = write_comparison([first, second], epath.Path(tmp_path / "apart"))
    assert told not in page.read_text()
    second = replace(second, config=second.config | {"bases": str(first.folder)})
    *_, page = write_comparison([first, second], epath.Path(tmp_path / "shared"))
    assert told in page.read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_breaks_no_table(name):
    table = Table(name, ("n", name), (("1", name),))
    lines = markdown(table).splitlines()
    unescaped = re.compile(r"(?<!\\)(?:\\\\)*\|")
    assert [len(unescaped.findall(line)) for line in lines[2:5]] == [3, 3, 3]
    text = latex(table).splitlines()
    assert len(text) == 10
    row = re.sub(r"\\text\w+\{\}|\\[{}%&#$_\\]|\$(\\pm|[-<>])\$", "", text[6])
    assert not re.search(r"[{}%#$_~^\\]|&.*&", row)
