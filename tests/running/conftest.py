"""What several files compare with: runs that nothing interrupts, each trained once for all."""

import fcntl
import pickle
from pathlib import Path

import pytest

from .commands import SMALL, run, what_it_made


def _once(name: str, root: Path, *flags: str) -> dict[str, object]:
    """What such a run makes; processes of pytest-xdist share it."""
    made = root / f"{name}.pickle"
    with (root / f"{name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not made.exists():
            run(root / name, *flags)
            made.write_bytes(pickle.dumps(what_it_made(root / name)))
    return pickle.loads(made.read_bytes())


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory, worker_id) -> Path:
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def whole(shared_folder) -> dict[str, object]:
    """Of a run that nothing interrupts."""
    return _once("whole", shared_folder, *SMALL)


@pytest.fixture(scope="session")
def alone(shared_folder) -> dict[str, object]:
    """The same with a device for each column, as of one process that is alone."""
    return _once("alone", shared_folder, *SMALL, "--config.devices_per_column=1")
