"""Processes that come together, or are told in one line why not; and that leave together."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from transfer_jax.engine.sameness import differences_between

SCRIPT = """
import os, signal, sys, time
import transfer_jax.cli as cli
from transfer_jax.engine.cluster import Place
from transfer_jax.engine.joining import joined
from transfer_jax.engine.sameness import check_same

coordinator, processes, process, seconds, work = sys.argv[1:]

def run(_):
    with joined(Place(coordinator, int(processes), int(process)), float(seconds)):
        exec(work)

cli._run = run
sys.exit(cli.main())
"""


def start(at: str, process: int, work: str = "pass", seconds: int = 60, processes: int = 2):
    """A process that joins the others, and does some work."""
    arguments = [at, str(processes), str(process), str(seconds), work]
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments],
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its status and what it said."""
    said = process.communicate(timeout=90)[0]
    return process.returncode, said


def free_port() -> int:
    with socket.create_server(("", 0)) as held:
        return held.getsockname()[1]


@contextmanager
def listening() -> Iterator[int]:
    """A port that something else listens at, and never answers."""
    with socket.create_server(("", 0)) as held:
        yield held.getsockname()[1]


def test_a_port_that_is_taken_is_told():
    with listening() as port:
        status, said = ended(start(f"localhost:{port}", 0))
    told = "Address already in use; choose another port"
    assert (status, said) == (
        1, f"transfer-jax: process 0 cannot coordinate at localhost:{port}: {told}\n",
    )  # fmt: skip


@pytest.mark.parametrize("host", ["localhost", "no-such-host.invalid"])
def test_a_coordinator_that_is_not_there_is_told(host):
    status, said = ended(start(f"{host}:{free_port()}", 1, seconds=2))
    assert status == 1 and said.count("\n") == 1, said
    assert said.startswith(f"transfer-jax: process 0 cannot be reached at {host}:"), said


def test_a_coordinator_that_is_something_else_is_told():
    with listening() as port:
        status, said = ended(start(f"localhost:{port}", 1, seconds=3))
    assert (status, said) == (
        1,
        f"transfer-jax: process 1 of 2 waited for the others at localhost:{port}: "
        "not all came within 3 s\n",
    )


def test_processes_that_do_not_come_are_told():
    port = free_port()
    status, said = ended(start(f"localhost:{port}", 0, seconds=3))
    assert status == 1 and said.count("\n") == 1, said
    assert "not all came within 3 s" in said


@pytest.mark.parametrize("at", ["localhost", "localhost:0", "localhost:99999", ":1", "a b:1"])
def test_an_address_that_is_none_is_told(at):
    status, said = ended(start(at, 0))
    assert (status, said) == (1, f"transfer-jax: coordinator is '{at}'; allowed: HOST:PORT\n")


def test_a_coordinator_that_is_late_is_waited_for():
    at = f"localhost:{free_port()}"
    early = start(at, 1)
    time.sleep(4)
    late = start(at, 0)
    assert [ended(early), ended(late)] == [(0, ""), (0, "")]


@pytest.mark.parametrize("failing", [0, 1])
def test_what_ends_one_process_is_told_by_the_others(failing):
    at = f"localhost:{free_port()}"
    works = ["time.sleep(60)", "time.sleep(60)"]
    works[failing] = "raise ValueError('no\\nimages')"
    processes = [start(at, i, work) for i, work in enumerate(works)]
    told = [ended(process) for process in processes]
    assert told[failing] == (1, "transfer-jax: no images\n")
    assert told[1 - failing] == (
        1,
        f"transfer-jax: process {failing} ended: no images; what is finished is kept, and the same "
        "command goes on\n",
    )


@pytest.mark.parametrize("killed", [0, 1])
@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.slow)]
)
def test_a_process_that_is_gone_or_hangs_ends_the_others_in_one_line(killed, number):
    stopped = (killed, number) == (0, signal.SIGSTOP)
    gone = "has not answered for 30 s" if stopped else "is gone"
    at = f"localhost:{free_port()}"
    works = ["print('in', flush=True); time.sleep(100)"] * 2
    processes = [start(at, i, work) for i, work in enumerate(works)]
    for process in processes:
        assert process.stdout and process.stdout.readline() == "in\n"
    time.sleep(3)
    began = time.monotonic()
    processes[killed].send_signal(number)
    try:
        status, said = ended(processes[1 - killed])
    finally:
        processes[killed].kill()
        processes[killed].communicate()
    assert time.monotonic() - began < 60
    assert status == 1 and said.count("\n") == 1, said
    assert said.startswith(f"transfer-jax: process {killed}") and gone in said, said


def test_processes_that_differ_are_refused_by_each():
    at = f"localhost:{free_port()}"
    works = [f"check_same({{'steps': {steps}, 'seeds': 1}})" for steps in (5, 6)]
    processes = [start(at, i, work) for i, work in enumerate(works)]
    line = (
        "transfer-jax: the processes of a run must be alike: steps is 5 in process 0, "
        "6 in process 1\n"
    )
    assert [ended(process) for process in processes] == [(1, line), (1, line)]


def test_processes_that_are_alike_are_not():
    at = f"localhost:{free_port()}"
    work = "check_same({'steps': 5}); check_same({'images': 'a'})"
    processes = [start(at, i, work) for i in range(2)]
    assert [ended(process) for process in processes] == [(0, ""), (0, "")]


def test_the_processes_that_have_a_value_are_listed():
    held = {0: {"a": "1"}, 1: {"a": "1"}, 2: {"a": "2"}, 3: {}}
    assert differences_between(held) == [
        "a is 1 in processes 0, 1, 2 in process 2, absent in process 3"
    ]
    long = {0: {"a": "x" * 99 + "1"}, 1: {"a": "x" * 99 + "2"}}
    assert len(differences_between(long)) == 1
    many = [{f"f{i}": value for i in range(20)} for value in "ab"]
    assert differences_between(dict(enumerate(many)))[-1] == "12 more fields differ"
