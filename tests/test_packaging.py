"""The wheel works where the repository is not."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.conftest import TINY

ROOT = Path(__file__).parents[1]


def test_the_wheel_runs_in_an_empty_folder(tmp_path):
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    source = tmp_path / "source"
    for folder in ("transfer_jax", "configs"):
        shutil.copytree(ROOT / folder, source / folder)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(tmp_path), str(source)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "transfer_jax/configs/fashion_mnist.py" in names
    assert "transfer_jax/data/fashion_mnist/LICENSE" in names
    site, empty = tmp_path / "site", tmp_path / "empty"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), str(wheel)], check=True)
    empty.mkdir()
    code = (
        "import sys, transfer_jax; from transfer_jax.cli import main; "
        f"assert transfer_jax.__file__.startswith({str(site)!r}); sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", *TINY],
        cwd=empty,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (empty / "runs" / "fashion_mnist" / "report.html").exists()
