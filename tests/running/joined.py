"""Processes that join each other, and do some work together."""

import os
import socket
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os, signal, sys, time
import transfer_jax.cli as cli
from transfer_jax.engine.cluster import Place
from transfer_jax.engine.joining import joined
from transfer_jax.engine.sameness import check_same

coordinator, processes, process, seconds, work, workdir = sys.argv[1:]
sys.argv[1:] = ["run"]

def run(_):
    with joined(Place(coordinator, int(processes), int(process)), float(seconds), workdir):
        exec(work, globals())

cli._run = run
sys.exit(cli.main())
"""


def start(
    at: str,
    process: int,
    work: str = "pass",
    seconds: int = 60,
    processes: int = 2,
    workdir: str = "runs/a",
):
    """A process that joins the others, and does some work."""
    arguments = [at, str(processes), str(process), str(seconds), work, workdir]
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments],
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def real(path: str) -> str:
    """The path from the root of the file system."""
    return str(Path(path).resolve())


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its status and what it said."""
    said = process.communicate(timeout=200)[0]
    return process.returncode, said


def free_port() -> int:
    with socket.create_server(("", 0)) as held:
        return held.getsockname()[1]


STAYS = "print('in', flush=True); sys.stdin.read()"


def wait_until_in(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        assert process.stdout and process.stdout.readline() == "in\n"


def let_end(*processes: subprocess.Popen[str]) -> list[tuple[int, str]]:
    """End those that stay."""
    for process in processes:
        assert process.stdin
        process.stdin.close()
        process.stdin = None
    return [ended(process) for process in processes]
