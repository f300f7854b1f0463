"""What the README says, done."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_ci_runs_every_test_line_of_the_readme_and_the_design():
    lines = (README + (ROOT / "docs" / "design.md").read_text()).splitlines()
    tests = [line for line in lines if re.match("pip install .*&& pytest", line)]
    assert len(tests) == 5
    for line in tests:
        assert line in (ROOT / ".ci" / "run").read_text().splitlines()
        paths = [word for word in line.split() if word.startswith("tests/")]
        assert all((ROOT / path).exists() for path in paths)


def test_a_package_that_cannot_be_installed_ends_the_checks(tmp_path):
    """In "pip && pytest" a pip that fails ends nothing by itself."""
    (tmp_path / "pip").write_text("#!/bin/sh\nexit 7\n")
    (tmp_path / "pip").chmod(0o755)
    text = (ROOT / ".ci" / "run").read_text()
    (defined,) = [line for line in text.splitlines() if line.startswith("pip() ")]
    assert text.index(defined) < text.index("]' && pytest")
    script = f"set -euo pipefail\nPATH={tmp_path}:$PATH\n{defined}\npip install . && true\necho on"
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (7, "")


def test_the_readme_tells_the_practitioners_story_first_then_the_papers():
    assert re.findall("^## (.*)$", README, re.MULTILINE) == [
        "Your network, your images", "The paper's experiment", "Where to go on",
    ]  # fmt: skip
    blocks = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    assert [block.count("\n") for block in blocks] == [1, 1, 1]
    assert len(re.findall(r"^\d\. ", README, re.MULTILINE)) == 3
    assert README.count("\n") <= 90


def test_the_ways_of_the_readme_are_the_default_families():
    from transfer_jax.grid.pretrained import DEFAULT_FAMILIES

    assert tuple(re.findall(r"^\| `([\w-]+)`", README, re.MULTILINE)) == DEFAULT_FAMILIES


def test_the_ways_of_the_page_for_practitioners_are_all_families():
    from transfer_jax.grid.pretrained import FAMILIES

    rows = (ROOT / "docs" / "pretrained.md").read_text().partition("## The ways")[2]
    first = re.findall(r"^\| (`.*?`) \|", rows.partition("## ")[0], re.MULTILINE)
    assert {name for cell in first for name in re.findall(r"`(.+?)`", cell)} == set(FAMILIES)


def test_every_link_leads_somewhere():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    for page in pages:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_treatments_of_the_readme_are_those_of_the_code():
    from transfer_jax.grid.conditions import Treatment

    rows = re.findall(r"^\| ([\w+]+)[,\s]", README, re.MULTILINE)
    assert [name for name in rows if name not in ("name", "way")] == [t.value for t in Treatment]
