"""Several processes on this machine, as a cluster would start them."""

import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

from transfer_jax.launch.job import LaunchError


def commands(arguments: Sequence[str], processes: int) -> list[list[str]]:
    """The command of each process.

    Args:
      arguments: those of `transfer-jax run`.
      processes: how many.

    Returns:
      One command a process.

    Raises:
      LaunchError: fewer than one process.

    Example:
      >>> [command[-1] for command in commands(["--workdir=a"], 2)]
      ['--process=0', '--process=1']
    """
    if processes < 1:
        raise LaunchError(f"processes is {processes}; allowed: whole numbers from 1")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        coordinator = f"localhost:{free.getsockname()[1]}"
    run = [sys.executable, "-m", "transfer_jax", "run", *arguments]
    place = [f"--coordinator={coordinator}", f"--processes={processes}"]
    return [[*run, *place, f"--process={i}"] for i in range(processes)]


def run_all(started: Sequence[Sequence[str]]) -> int:
    """Run commands side by side; a signal to this process goes to all of them.

    Args:
      started: the commands.

    Returns:
      The exit status of the first that failed; 0 where none did.
    """
    # In groups of their own: a terminal's Ctrl-C reaches each of them once, through this process.
    processes = [subprocess.Popen(command, process_group=0) for command in started]

    def forward(number: int, _: FrameType | None) -> None:
        for process in processes:
            process.send_signal(number)

    previous = {n: signal.signal(n, forward) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        codes = [process.wait() for process in processes]
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    failed = [code if code > 0 else 128 - code for code in codes if code]
    return failed[0] if failed else 0
