"""Every block of the documentation runs."""

import doctest
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("name", ["surgery.md"])
def test_every_block_runs(name):
    failed, tried = doctest.testfile(str(DOCS / name), module_relative=False)
    assert failed == 0
    assert tried > 40
