"""The notebook goes from a run's folder to the figures."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from etils import epath

from tests.analysis.simulated import table
from transfer_jax.folder.results import write_rows

NOTEBOOK = Path(__file__).parents[1] / "experiments" / "report.ipynb"


@pytest.fixture
def executed(tmp_path):
    """The notebook after all its cells have run, on a made-up run."""
    write_rows(epath.Path(tmp_path) / "results.csv", table({"AnB": lambda n: -0.02 * n}))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    setting = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert setting.source == 'WORKDIR = "runs/fashion_mnist"'
    setting.source = f"WORKDIR = {str(tmp_path)!r}"
    path = tmp_path / "report.ipynb"
    nbformat.write(notebook, path)
    # In a process of its own: a kernel's event loops outlive what starts them.
    code = (
        "import nbformat, nbclient, sys; path = sys.argv[1]; "
        "notebook = nbformat.read(path, as_version=4); "
        "nbclient.NotebookClient(notebook, timeout=300).execute(); nbformat.write(notebook, path)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return nbformat.read(path, as_version=4)


def test_every_cell_runs_and_shows_what_it_says(executed):
    outputs = [cell.outputs for cell in executed.cells if cell.cell_type == "code"]
    kinds = [{kind for out in own for kind in out.get("data", {"stream": ""})} for own in outputs]
    assert kinds[0] == set()
    assert "text/html" in kinds[1] and "text/html" in kinds[2]
    assert "train from scratch" in outputs[3][0].text.lower()
    assert "image/png" in kinds[4] and "image/png" in kinds[5]


def test_the_notebook_is_kept_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)
