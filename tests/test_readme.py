"""What the README says, done."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_python_of_the_readme_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 1
    exec(compile(blocks[0], "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert "1 leaves identical to the bit" in out
    assert "moved    head/kernel" in out


def test_ci_runs_the_test_line_of_the_readme():
    (line,) = [line for line in README.splitlines() if line.endswith("&& pytest")]
    assert line in (ROOT / ".ci" / "run").read_text().splitlines()


def test_every_link_leads_somewhere():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    for page in pages:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_treatments_of_the_readme_are_those_of_the_code():
    from transfer_jax.grid.conditions import Treatment

    rows = re.findall(r"^\| ([\w+]+)[,\s]", README, re.MULTILINE)
    assert [name for name in rows if name != "name"] == [t.value for t in Treatment]
