"""Processes of one run see one folder, or are told that they do not."""

import subprocess
from pathlib import Path

import pytest

from transfer_jax.engine import one_folder

from .commands import start as start_run
from .joined import ended, free_port, real, start
from .test_processes import FLAGS

CHECK = (
    "from etils import epath; from transfer_jax.engine import one_folder; "
    "one_folder.SECONDS = {seconds}; one_folder.check_one_folder(epath.Path({path!r}))"
)


def checked(*paths: str, seconds: float = 1) -> list[tuple[int, str]]:
    at = f"localhost:{free_port()}"
    works = [CHECK.format(path=path, seconds=seconds) for path in paths]
    return [ended(p) for p in [start(at, i, work) for i, work in enumerate(works)]]


def test_a_folder_that_all_see_is_one_by_whatever_name(tmp_path):
    folder, link = tmp_path / "run", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    (folder / f"{one_folder.NAME}left").touch()
    assert checked(str(folder), str(link)) == [(0, ""), (0, "")]
    assert not list(folder.iterdir())


@pytest.mark.slow_but_first
@pytest.mark.parametrize("there", [True, False])
def test_folders_that_are_not_one_are_told_by_each(there, tmp_path):
    own = [tmp_path / "a", tmp_path / "b"]
    for folder in own[: 1 + there]:
        folder.mkdir()
    for status, said in checked(*map(str, own)):
        assert status == 1 and said.count("\n") == 1, said
        assert f"what process 0 writes into {real(str(own[0]))} on " in said
        assert f"process 1 does not find in {real(str(own[1]))} on " in said
    assert not list(own[0].iterdir()) and own[1].exists() == there


def test_a_folder_that_is_shown_late_is_waited_for(tmp_path):
    """As network file systems show it: here, a link that is made while it is looked for."""
    folder, link = tmp_path / "run", tmp_path / "link"
    folder.mkdir()
    at = f"localhost:{free_port()}"
    processes = [
        start(at, i, CHECK.format(path=str(path), seconds=30) + after)
        for i, (path, after) in enumerate([(folder, ""), (link, "")])
    ]
    while not list(folder.glob(f"{one_folder.NAME}*")):
        assert processes[0].poll() is None
    link.symlink_to(folder)
    assert [ended(process) for process in processes] == [(0, ""), (0, "")]


@pytest.mark.slow
def test_one_name_from_two_places_is_told(tmp_path, monkeypatch):
    place = [f"--coordinator=localhost:{free_port()}", "--processes=2"]
    processes: list[subprocess.Popen[str]] = []
    for i, name in enumerate("ab"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        flags = [*FLAGS, *place, f"--process={i}"]
        processes.append(start_run(Path("runs/x"), *flags, JAX_PLATFORMS="cpu"))
    for status, said in map(ended, processes):
        assert status == 1 and said.count("\n") == 1, said
        assert "the processes do not see one folder" in said
