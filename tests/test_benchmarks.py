"""The benchmarks run; what they claim without a clock is checked."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1] / "experiments" / "benchmarks"


def test_a_step_needs_no_more_multiply_adds_than_the_mathematics(tmp_path):
    """All 40 conditions of the ConvNet, all 56 of the full CaffeNet."""
    numbers = tmp_path / "flops.json"
    command = [sys.executable, str(BENCHMARKS / "flops.py"), "--json", str(numbers)]
    subprocess.run(command, check=True, capture_output=True)
    rows = json.loads(numbers.read_text())["rows"]
    assert [row["grid"].split(",")[0] for row in rows] == ["40 x ConvNet", "56 x CaffeNet"]
    for row in rows:
        assert 1 <= row["ratio"] <= 1.02
        assert row["as lowered here"] <= 1.02
    # The paper's grid: 38.9 TFLOP at batch 256, two to a multiply-add.
    assert 38 < 2 * 256 * rows[1]["least, G"] / 1e3 < 40


def test_a_report_stays_small(tmp_path):
    """Seconds are for a quiet machine; memory and the page's size are not."""
    numbers = tmp_path / "report.json"
    command = [sys.executable, str(BENCHMARKS / "report.py"), "--examples=2000"]
    subprocess.run([*command, "--json", str(numbers)], check=True, capture_output=True)
    (row,) = json.loads(numbers.read_text())["rows"]
    assert row["networks"] == 290
    assert row["memory, GiB"] < 1 and row["page, MiB"] < 3
