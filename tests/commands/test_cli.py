"""The real command line, in processes of its own."""

import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.conftest import TINY

ROOT = Path(__file__).parents[2]


def command(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "transfer_jax", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, str]:
    workdir = tmp_path_factory.mktemp("cli") / "a"
    done = command("run", f"--workdir={workdir}", *TINY)
    assert done.returncode == 0, done.stderr
    return workdir, done.stdout


def test_a_run_says_what_it_made_and_what_to_do_next(finished):
    workdir, out = finished
    for name in ("results.csv", "report.html"):
        assert (workdir / name).stat().st_size > 0
        assert name in out
    assert "its figures and tables" in out
    assert "distant split: test accuracy, %" in out
    assert "95% interval over 2 seeds" in out
    assert f"Next: open {workdir}/report.html" in out.replace("\n", "")
    # 4 base networks, 12 columns of conditions, and twice as many steps of 4 from scratch.
    assert f"scratch: step {5 * (4 + 12 + 2 * 4)}/120" in out


def test_what_is_printed_fits_80_columns(finished):
    """But for lines that are made to be copied, which a terminal wraps itself."""
    workdir, out = finished
    outs = [command(verb, str(workdir)).stdout for verb in ("status", "report")]
    outs.append(command("plan", *TINY).stdout)
    for text in (out, *outs):
        assert text
        for line in text.splitlines():
            whole = str(workdir) in line or line.startswith("Next: ")
            assert whole or cell_len(line) <= 80, line


def test_the_same_command_again_sees_the_work_done(finished):
    workdir, _ = finished
    again = command("run", "--config=configs/fashion_mnist.py", f"--workdir={workdir}", *TINY)
    assert again.returncode == 0
    assert "nothing to train" in " ".join(again.stdout.split())


def test_a_report_can_be_drawn_again(finished):
    workdir, _ = finished
    (workdir / "report.html").unlink()
    done = command("report", str(workdir))
    assert done.returncode == 0, done.stderr
    assert (workdir / "report.html").exists()


def test_a_plan_trains_nothing(tmp_path):
    done = command("plan", *TINY, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for word in ("base networks", "conditions", "48 networks", "MiB", "transfer-jax run"):
        assert word in done.stdout
    assert list(tmp_path.iterdir()) == []


def refused(done: subprocess.CompletedProcess[str], message: str) -> None:
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert message in done.stderr


def test_another_configs_workdir_is_refused_and_left_as_it_is(finished):
    workdir, _ = finished
    before = sorted(path.name for path in workdir.iterdir())
    refused(command("run", f"--workdir={workdir}", *TINY[1:]), "seeds is 2 there, 6 here")
    planned = command("plan", f"--workdir={workdir}", *TINY[1:])
    assert planned.returncode == 0
    assert "seeds is 2 there, 6 here; choose another --workdir" in " ".join(planned.stdout.split())
    assert sorted(path.name for path in workdir.iterdir()) == before


def test_a_results_file_cut_in_half_is_no_end_of_a_run_but_a_report_still_comes(finished):
    workdir, whole = finished
    results = workdir / "results.csv"
    content = results.read_text()
    results.write_text(content[: len(content) // 2])
    try:
        refused(command("run", f"--workdir={workdir}", *TINY), "results.csv is damaged")
        done = command("report", str(workdir))
        assert done.returncode == 0
        assert "results.csv is damaged" in done.stdout
        # The columns' own tables hold what it held.
        tables = [out.split("Means of both targets")[0] for out in (whole, done.stdout)]
        assert tables[1].strip() in tables[0]
    finally:
        results.write_text(content)
