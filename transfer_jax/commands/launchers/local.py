"""Several processes on this machine, as a cluster would start them."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from transfer_jax.commands.launchers.job import LaunchError
from transfer_jax.running.stopping import SIGNALS


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
    processes: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def forward(number: int, _: FrameType | None) -> None:
        for process in processes:
            process.send_signal(number)

    # What comes before all have started is passed on when they have.
    previous = _listen(lambda number, _: early.append(number))
    try:
        for command in started:
            # In sessions of their own: what a terminal sends to its group, when Ctrl-C is pressed
            # or it is closed, reaches each of them once, through this process.
            processes.append(subprocess.Popen(command, start_new_session=True))
        _listen(forward)
        for number in early[:1]:
            forward(number, None)
        codes = [process.wait() for process in processes]
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    failed = [code if code > 0 else 128 - code for code in codes if code]
    return failed[0] if failed else 0


def _listen(handler: Callable[[int, FrameType | None], object]) -> dict[int, Any]:
    """Handle what stops a run, but for what is ignored, as by `nohup`; the handlers before."""
    heard = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in heard}
