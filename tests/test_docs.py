"""Every block of the documentation runs, and the design names every module."""

import doctest
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.test_style import PACKAGE, ROOMS

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize(("name", "least"), [("surgery.md", 40), ("data.md", 10)])
def test_every_block_runs(name, least):
    failed, tried = doctest.testfile(str(DOCS / name), module_relative=False)
    assert failed == 0
    assert tried > least


def test_a_readers_own_network_goes_from_nothing_to_the_answer(tmp_path, monkeypatch):
    """The file that the page shows is written, and the lines below it are run beside it."""
    page = DOCS / "pretrained.md"
    (module,) = re.findall(r"```python\n(# mine\.py\n.*?)```", page.read_text(), re.DOTALL)
    (tmp_path / "mine.py").write_text(module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    failed, tried = doctest.testfile(str(page), module_relative=False)
    sys.modules.pop("mine", None)
    assert failed == 0 and tried >= 10
    lines = [line for line in module.splitlines()[1:] if line.strip()]
    assert tried + len(lines) <= 30
    assert len(re.findall(r"^(?:>>>|\.\.\.) ", page.read_text(), re.MULTILINE)) <= 20


def rooms_of_the_design() -> list[tuple[str, Counter[str]]]:
    """The rows of the table of rooms: a room, and how often each module is named in it."""
    text = (DOCS / "design.md").read_text()
    rows = re.findall(r"^\| `(\w+)/`.*?\| (.*) \|$", text, re.MULTILINE)
    return [(room, Counter(re.findall(r"`(\w+)`", holds))) for room, holds in rows]


def test_the_design_has_the_rooms_in_their_order():
    assert [room for room, _ in rooms_of_the_design()] == ROOMS


@pytest.mark.parametrize("room", ROOMS)
def test_the_design_names_every_module_of_a_room_once(room):
    there = Counter(p.stem for p in (PACKAGE / room).rglob("*.py") if p.stem != "__init__")
    assert dict(rooms_of_the_design())[room] == there
