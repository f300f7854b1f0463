"""What the README says, done."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_ci_runs_every_test_line_of_the_readme_and_the_design():
    lines = (README + (ROOT / "docs" / "design.md").read_text()).splitlines()
    tests = [line for line in lines if re.match("pip install .*&& pytest", line)]
    assert len(tests) == 3
    for line in tests:
        assert line in (ROOT / ".ci" / "run").read_text().splitlines()
        paths = [word for word in line.split() if word.startswith("tests/")]
        assert all((ROOT / path).exists() for path in paths)


def test_the_readme_is_a_question_a_picture_two_commands_the_treatments_and_three_findings():
    assert re.findall("^## (.*)$", README, re.MULTILINE) == [
        "Two commands", "The treatments", "Three findings", "Where to go on",
    ]  # fmt: skip
    blocks = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    assert [block.count("\n") for block in blocks] == [1, 1]
    assert len(re.findall(r"^\d\. ", README, re.MULTILINE)) == 3


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
