"""The wheel holds the package, all of it, and works where the repository is not."""

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import TINY

ROOT = Path(__file__).parents[1]
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


def what_the_checkout_holds() -> set[str]:
    """Every file of the package, by its name in the wheel."""
    homes = {"transfer_jax": "transfer_jax", "configs": "transfer_jax/configs"}
    return {
        f"{there}/{path.relative_to(ROOT / here).as_posix()}"
        for here, there in homes.items()
        for path in (ROOT / here).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def what_a_wheel_holds(wheel: Path) -> set[str]:
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with a wheel, and below it an sdist and the wheel made of that alone."""
    folder = tmp_path_factory.mktemp("built")
    source = folder / "source"
    for name in ("transfer_jax", "configs", "tests"):
        shutil.copytree(ROOT / name, source / name)
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = (sys.executable, "-m", "build", "--outdir", str(folder / "by-sdist"), str(source))
    subprocess.run(build, check=True, capture_output=True)
    shutil.rmtree(source / "transfer_jax.egg-info")
    subprocess.run([*PIP, "wheel", "--no-deps", "-w", str(folder), str(source)], check=True)
    return folder


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    held = what_a_wheel_holds(wheel)
    assert held == what_the_checkout_holds()
    assert "transfer_jax/running/controls/probe.py" in held
    assert "transfer_jax/configs/fashion_mnist.py" in held
    assert "transfer_jax/data/fashion_mnist/LICENSE" in held


def test_the_wheel_made_of_the_sdist_is_the_same(built):
    (direct,), (indirect,) = built.glob("*.whl"), built.glob("by-sdist/*.whl")
    assert what_a_wheel_holds(indirect) == what_a_wheel_holds(direct)
    (sdist,) = built.glob("by-sdist/*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
    assert not [name for name in names if "/tests" in name or "/.git" in name]


@pytest.fixture(scope="module")
def installed(built) -> Path:
    """An environment with the wheel, and the dependencies of this one but not its package."""
    folder = built / "environment"
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    (wheel,) = built.glob("*.whl")
    subprocess.run([*PIP, "--python", python, "install", "--no-deps", wheel], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    # A folder that is named so is on the path, but what its own .pth files say is not done.
    shared = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (site / "dependencies.pth").write_text("\n".join(shared))
    return folder


def in_an_empty_folder(installed: Path, folder: Path, *command: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [installed / "bin" / command[0], *command[1:]],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_runs_where_the_repository_is_not(installed, tmp_path):
    where = "import transfer_jax as t, transfer_jax.configs as c; print(t.__file__, *c.__path__)"
    for path in in_an_empty_folder(installed, tmp_path, "python", "-c", where).split():
        assert Path(path).is_relative_to(installed)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert version in in_an_empty_folder(installed, tmp_path, "transfer-jax", "--version")
    controls = "--config.controls=('cka',)"
    in_an_empty_folder(installed, tmp_path, "transfer-jax", "run", *TINY, controls)
    report = tmp_path / "runs" / "fashion_mnist" / "report.html"
    report.unlink()
    in_an_empty_folder(installed, tmp_path, "transfer-jax", "report", "runs/fashion_mnist")
    assert "Similarity with the base network" in report.read_text()
