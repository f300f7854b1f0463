"""What a lock promises on mounts that the test makes: a container's disk, a network, a bucket."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .test_locks import CONTAINER, hold, said, written

SERVER = Path(__file__).with_name("odd_folder.py")
# How old looks are, whether what two make at once replaces each other, how late a file comes.
# None passes on to other machines that a folder is locked.
FUSE = {
    "a network": ("0.7", "False", "0"),
    "a mounted bucket": ("0", "True", "0"),
    "late files": ("0", "True", "0.2"),
}
FOLDERS = ["a container's disk", *FUSE]


Started = list[subprocess.Popen[str]]


class Shared:
    """One folder, as each of several machines sees it."""

    def __init__(self, kind: str, root: Path, ends: ExitStack) -> None:
        self.kind, self.ends = kind, ends
        self.back, self.mount = root / "back", root / "mount"
        for folder in (root, self.back, self.mount):
            folder.mkdir()
        self.machines: list[list[str]] = []

    def machine(self) -> list[str]:
        """What runs a command on another machine; where only one has the folder, a container."""
        if not self.machines or self.kind in FUSE:
            keeper = subprocess.Popen(
                ["unshare", "--mount", *self._serves()],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            self.ends.callback(end, keeper)
            if keeper.stdout is None or keeper.stdout.readline() != "there\n":
                return []
            enter = ["nsenter", f"--mount=/proc/{keeper.pid}/ns/mnt", f"--wd={Path.cwd()}"]
            self.machines.append([*enter, *CONTAINER, "--kill-child"])
        return self.machines[-1]

    def _serves(self) -> list[str]:
        if self.kind in FUSE:
            return [sys.executable, str(SERVER), str(self.back), str(self.mount), *FUSE[self.kind]]
        # What an image holds lies below; one overlay cannot lie on another.
        script = (
            f"mount -t tmpfs tmpfs {self.mount} && cd {self.mount} && mkdir up work && "
            f"mount -t overlay overlay -o lowerdir={self.back},upperdir=up,workdir=work "
            f"{self.mount} && echo there && exec sleep 1000"
        )
        return ["sh", "-c", script]

    def hold(self, seconds: float, before: str = "") -> Started:
        """A process on another machine that takes the lock; none where there is no such mount."""
        if not (within := self.machine()):
            return []
        process = hold(self.mount / "lock.json", seconds, *within, before=before)
        self.ends.callback(end, process)
        return [process]


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout
    process.stdout.close()


@pytest.fixture(scope="module")
def ends() -> Iterator[ExitStack]:
    if os.geteuid():
        pytest.skip("a mount takes root")
    with ExitStack() as ends:
        yield ends


def read_until(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout
    while (found := process.stdout.readline()) and found != f"{line}\n":
        pass
    assert found, f"it ended without {line}"


# All that is waited for is waited for at once.
@pytest.fixture(scope="module")
def owners(ends, tmp_path_factory) -> dict[str, tuple[Shared, Started]]:
    """Of each kind a folder whose lock is held."""
    root = tmp_path_factory.mktemp("owners")
    folders = [Shared(kind, root / str(FOLDERS.index(kind)), ends) for kind in FOLDERS]
    return {folder.kind: (folder, folder.hold(300)) for folder in folders}


@pytest.fixture(scope="module")
def contests(ends, tmp_path_factory) -> dict[str, Started]:
    """Of each kind a folder with a stale lock, as in an image, and three that begin at once."""
    root = tmp_path_factory.mktemp("contests")
    wait = (
        "import os\nprint('ready', flush=True)\n"
        f"while not os.path.exists({str(root / 'go')!r}): time.sleep(0.01)\n"
    )
    started: dict[str, Started] = {}
    for kind in FOLDERS:
        folder = Shared(kind, root / str(FOLDERS.index(kind)), ends)
        written(folder.back / "lock.json", home="gone")
        started[kind] = [process for _ in range(3) for process in folder.hold(4, wait)]
    for several in started.values():
        for process in several:
            read_until(process, "ready")
    (root / "go").touch()
    return started


# Where files come late a second may not see the first; then one of them stops, as below.
@pytest.mark.slow_but_first
@pytest.mark.parametrize("kind", FOLDERS[:-1])
def test_a_live_lock_is_respected_and_a_dead_one_taken_over(kind, owners):
    folder, started = owners[kind]
    if not started:
        pytest.skip(f"{kind} cannot be mounted here")
    read_until(started[0], "holds")
    assert "refused" in said(*folder.hold(0))
    started[0].send_signal(signal.SIGKILL)
    assert "kept" in said(*folder.hold(0))


@pytest.mark.parametrize("kind", FOLDERS)
def test_of_several_machines_that_take_over_one_goes_on(kind, contests):
    if not contests[kind]:
        pytest.skip(f"{kind} cannot be mounted here")
    ends = [said(process) for process in contests[kind]]
    assert sum("kept" in end for end in ends) == 1, ends
    assert sum("refused" in end or "lost" in end for end in ends) == 2, ends
