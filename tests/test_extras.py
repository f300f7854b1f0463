"""What only some features need may be missing: one line says so, and all else works."""

import ast
import io
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from rich.console import Console

import transfer_jax as tj
from tests.conftest import TINY
from transfer_jax.folder.extras import ADDITIONS
from transfer_jax.plan.config import load_config

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OPTIONAL = [
    "pandas", "pyarrow", "tensorboardX", "grain", "array_record", "tensorflow_datasets",
    "importlib_resources", "gcsfs", "tensorflow", "torch", "safetensors", "equinox",
]  # fmt: skip
# Python runs it first, in processes that a process starts, too.
HIDE = """
import os, sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, *rest):
        hidden = name.partition(".")[0] in os.environ["HIDDEN"].split()
        return None if hidden else self.finder.find_spec(name, *rest)

sys.meta_path[:] = map(Without, sys.meta_path)
"""


@pytest.fixture(scope="module")
def hiding(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hiding")
    (folder / "sitecustomize.py").write_text(HIDE)
    return folder


def without(hiding: Path, hidden: list[str], *command: str) -> subprocess.CompletedProcess[str]:
    """Python with these arguments where some packages are not installed; warnings are errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", *command],
        env={**os.environ, "PYTHONPATH": str(hiding), "HIDDEN": " ".join(hidden)},
        capture_output=True,
        text=True,
    )


def refused(done: subprocess.CompletedProcess[str], line: str) -> None:
    assert done.returncode == 1, done.stdout
    assert re.fullmatch(f"transfer-jax: {re.escape(line)} .*\n", done.stderr), done.stderr


@pytest.fixture(scope="module")
def bare(hiding, tmp_path_factory) -> tuple[Path, str]:
    """A run where no extra is installed, and what it printed."""
    workdir = tmp_path_factory.mktemp("bare") / "a"
    done = without(hiding, OPTIONAL, "-m", "transfer_jax", "run", f"--workdir={workdir}", *TINY)
    assert (done.returncode, done.stderr) == (0, "")
    return workdir, done.stdout


def test_a_run_needs_no_extra_and_names_what_it_leaves_out(bare):
    workdir, out = bare
    line = (
        "Not written: events for TensorBoard and tables as Parquet; to have them: pip install "
        "'transfer_jax[tensorboard,tables]'"
    )
    assert out.count("Not written") == out.count(line) == 1
    names = {path.name for path in workdir.iterdir()}
    assert {"results.csv", "effects.csv", "report.html", "figure.svg", "metrics"} <= names
    assert not names & {"results.parquet", "effects.parquet", "tensorboard"}


@pytest.mark.slow_but_first
@pytest.mark.parametrize("hidden", ["pandas", "pyarrow"])
def test_a_report_goes_without_parquet(bare, hiding, hidden):
    done = without(hiding, [hidden], "-m", "transfer_jax", "report", str(bare[0]))
    assert (done.returncode, done.stderr) == (0, "")
    assert "Not written: tables as Parquet; to have them: pip install 'transfer_jax[tables]'" in (
        done.stdout
    )
    assert not (bare[0] / "results.parquet").exists()


@pytest.mark.slow
def test_events_that_a_config_does_not_ask_for_are_not_missed(tmp_path, monkeypatch):
    monkeypatch.setitem(ADDITIONS, "tensorboard", ("events for TensorBoard", ("no_such_package",)))
    for asked in (True, False):
        console = Console(record=True, file=io.StringIO(), width=200)
        flags = [*TINY, "--config.seeds=1", "--config.cuts=(1,)", "--config.steps=2"]
        flags.append(f"--config.logs.tensorboard={asked}")
        tj.run(load_config("fashion_mnist", flags), tmp_path / str(asked), console=console)
        assert ("events for TensorBoard" in console.export_text()) == asked


def test_a_frame_needs_pandas(bare, hiding):
    script = f"import transfer_jax as tj; tj.Results.read({str(bare[0])!r}).frame()"
    done = without(hiding, ["pandas"], "-c", script)
    needed = "ExtraError: A table of pandas needs: pip install 'transfer_jax[tables]'"
    assert needed in done.stderr.splitlines()[-1]


@pytest.mark.slow_but_first
@pytest.mark.parametrize("hidden", ["tensorflow_datasets", "importlib_resources"])
def test_a_dataset_of_tfds_needs_it(hiding, hidden, tmp_path):
    command = ("prepare", "--config=cifar100", f"--config.data.folder={tmp_path}/data")
    done = without(hiding, [hidden], "-m", "transfer_jax", *command, f"--data_dir={tmp_path}")
    refused(done, "A dataset of TFDS needs: pip install 'transfer_jax[tfds]'")
    assert not list(tmp_path.iterdir())


def test_a_bucket_needs_what_reaches_it(hiding):
    done = without(hiding, ["gcsfs"], "-m", "transfer_jax", "status", "gs://bucket/a")
    assert done.returncode == 1
    assert "buckets need: pip install 'transfer_jax[gcs]'" in done.stderr


def test_what_is_used_late_is_loaded_late(hiding):
    script = "import sys, transfer_jax.running.experiment; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "jax" in loaded
    assert not loaded & {"matplotlib", "scipy", "jinja2", "pandas", "grain", "tensorboardX"}


def names_in(requirements: list[str]) -> set[str]:
    """The distributions that some requirements name, spelled as they are compared."""
    found = (re.match(r"[\w.-]+", requirement) for requirement in requirements)
    return {name[0].lower().replace("_", "-") for name in found if name}


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """What a file imports that is not Python's own, and whether when it is imported itself."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [str(node.module)]
        for name in {name.partition(".")[0] for name in names} - sys.stdlib_module_names:
            yield name, node in tree.body


def test_what_is_imported_is_asked_for():
    """At once what every installation has; later what an extra brings, too."""
    distributions = packages_distributions()
    always = names_in(PROJECT["dependencies"])
    extras = {name for own in PROJECT["optional-dependencies"].values() for name in names_in(own)}
    for path in sorted((ROOT / "transfer_jax").rglob("*.py")):
        for name, at_once in imports(path):
            if name != "transfer_jax":
                owners = {owner.lower().replace("_", "-") for owner in distributions[name]}
                allowed = always if at_once else always | extras
                assert owners & allowed, f"{path.name} imports {name}"


def test_every_extra_that_is_named_is_one():
    known = set(PROJECT["optional-dependencies"])
    pages = [*(ROOT / "transfer_jax").rglob("*.py"), *(ROOT / "docs").glob("*.md")]
    pages += [ROOT / "README.md", ROOT / ".ci" / "run", *(ROOT / "experiments").rglob("*.py")]
    for page in pages:
        for named in re.findall(r"(?:'\.|transfer_jax)\[([a-z,]+)\]'", page.read_text()):
            assert set(named.split(",")) <= known, f"{page.name}: {named}"
