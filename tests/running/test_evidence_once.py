"""What takes long after a run is done once: its folder is read, and its intervals are drawn."""

import pytest

from tests.conftest import TINY
from transfer_jax.analysis import evidence
from transfer_jax.analysis.statistics import effects
from transfer_jax.cli import main


@pytest.fixture
def counted(monkeypatch) -> dict[str, list[object]]:
    """What was drawn intervals for, and which tables of test images were read."""
    found: dict[str, list[object]] = {"drawn": [], "read": []}
    sampler, read = effects.Sampler, evidence.read_correctness

    def sampled(group, test_of):
        targets = tuple(place.target for place in group.places)
        found["drawn"].append((test_of.__self__.judged_on, group.name, targets))
        return sampler(group, test_of)

    def noted(path):
        found["read"].append(path)
        return read(path)

    monkeypatch.setattr(effects, "Sampler", sampled)
    monkeypatch.setattr(evidence, "read_correctness", noted)
    return found


def test_the_page_and_the_terminal_show_the_same_numbers(counted, tmp_path, capsys):
    workdir = tmp_path / "run"
    assert main(["run", f"--workdir={workdir}", *TINY]) == 0
    assert "AnB" in capsys.readouterr().out
    for made in counted.values():
        assert made and len(set(map(str, made))) == len(made)
    page = {path.name: path.read_bytes() for path in workdir.iterdir() if path.is_file()}
    # A finished run is shown again without a page; `report` writes the same files.
    assert main(["report", str(workdir)]) == 0
    for name in ("report.html", "effects.csv", "tables.md", "results.parquet"):
        assert page[name] == (workdir / name).read_bytes(), name
