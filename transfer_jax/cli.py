"""The command line: `transfer-jax run`, `plan`, `sweep`, `launch`, `status`, `report`, ...."""

import contextlib
import errno
import io
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from typing_extensions import Buffer

# All else is imported by `main`, whose first line hears signals.
INTERRUPTED = "interrupted"
GOES_ON = f"{INTERRUPTED}; the same command goes on from what is finished"
# The commands that leave on disk what they finish; all others begin anew.
LEAVING = ("run", "ask", "sweep", "prepare")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
READER_GONE = (errno.EPIPE, errno.EIO)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
      argv: arguments; None takes those of the process.

    Returns:
      The exit status: 0; 1 for a failure and 2 for a wrong command line, each told in one line;
      129, 130 and 143 when interrupted.
    """
    if argv is not None:
        return _status(argv)
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as `nohup` has it
            signal.signal(number, _interrupt)
    sys.unraisablehook = _tell
    sys.stdout, sys.stderr = _output(1), _output(2)
    try:
        return _status(sys.argv[1:])
    finally:
        sys.stdout.flush()


def _status(argv: Sequence[str]) -> int:
    """Do what is asked; what goes wrong is one line."""
    from transfer_jax.running.stopping import Stopped

    try:
        _run(argv)
    except Stopped as stopped:
        print(f"transfer-jax: {stopped}", file=sys.stderr)
        return 128 + stopped.signal
    except (ValueError, OSError) as error:
        print(f"transfer-jax: {_one_line(error)}", file=sys.stderr)
        return 1
    except SystemExit as ended:  # argparse's, after help or a wrong command line
        return int(ended.code or 0)
    return 0


def _run(argv: Sequence[str]) -> None:
    from transfer_jax.commands.parser import command, make_parser
    from transfer_jax.commands.usage import STATUS, UsageError

    parser = make_parser()
    # Overrides may stand anywhere, and hold spaces.
    overrides = [text for text in argv if text.startswith("--config.")]
    arguments, unknown = parser.parse_known_args([text for text in argv if text not in overrides])
    own = arguments.parser
    for text in overrides:
        if "=" not in text:
            own.error(f"'{text}' has no value; write {text}=VALUE")
    for text in (*unknown, *(overrides if not arguments.takes_config else ())):
        own.refuse(text)
    name: str | None = arguments.command
    if name is None:
        own.print_help(sys.stderr)
        raise SystemExit(STATUS)
    _hush_libraries()
    from transfer_jax.commands.terminal import Terminal

    try:
        command(name).main(arguments, overrides, Terminal())
    except UsageError as error:
        own.error(str(error))


def _hush_libraries() -> None:
    """What libraries say on their way to an error is told in one line when it arrives."""
    import logging

    for library in ("absl", "asyncio", "gcsfs", "google.auth"):
        logging.getLogger(library).setLevel(logging.CRITICAL)


def _interrupt(number: int, _: object) -> None:
    """Ctrl-C and its kind: end at once, and the processes that were started with this one.

    An exception may be dropped where it is raised, in an import or in a callback of JAX. What is on
    disk is whole; a run that trains is stopped by `StopRequest` instead.
    """
    if processes := sys.modules.get("multiprocessing.process"):
        for child in processes.active_children():
            child.kill()
    if util := sys.modules.get("multiprocessing.util"):
        util._run_finalizers(0)  # Python would warn of semaphores that are left.
    with contextlib.suppress(OSError):  # The terminal may be gone.
        goes_on = next((text for text in sys.argv[1:] if text[:1] != "-"), "") in LEAVING
        os.write(2, f"{GOES_ON if goes_on else INTERRUPTED}\n".encode())
    os._exit(128 + number)


def _tell(unraisable: "sys.UnraisableHookArgs") -> None:
    """As ever, but for what orbax's threads say of a loop that an error has ended."""
    if str(unraisable.exc_value) != "Event loop is closed":
        sys.__unraisablehook__(unraisable)


class _Output(io.FileIO):
    """Its reader may go, as `head` does, or its terminal: no more is said, and all else goes on."""

    def write(self, data: "Buffer", /) -> int:
        """Write, for as long as somebody reads."""
        try:
            return super().write(data)
        except OSError as error:
            # What stays in the buffer is written once more at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            if error.errno not in READER_GONE:
                raise
            return super().write(data)


def _output(number: int) -> TextIO:
    """Names of any script can be printed, whatever letters the terminal has, or to nobody."""
    own = sys.__stdout__ if number == 1 else sys.__stderr__
    if own is None:
        return Path(os.devnull).open("w")
    raw = _Output(number, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=own.encoding,
        errors="backslashreplace",
        line_buffering=number == 2 or raw.isatty(),
    )


def _one_line(error: BaseException) -> str:
    if not isinstance(error, OSError):
        return " ".join(str(error).split())
    return f"{error.filename or ''}: {error.strerror or error}".removeprefix(": ")


if __name__ == "__main__":
    # The same process as that of `python -m transfer_jax`.
    from transfer_jax.__main__ import start

    sys.exit(start())
