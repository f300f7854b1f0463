"""Signals to one process, to all of them, at bad moments: a checkpoint is kept, nothing is left."""

import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time

import pytest

from .commands import ENDLESS, SMALL, assert_same, run, start, trains, wait_for

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


MOMENTS = {
    "a checkpoint": lambda w: any((w / "checkpoints").glob("*/*")),
    "compiling": lambda w: (w / "progress.json").exists(),
    "the report": lambda w: len(list((w / "columns").glob("*.csv"))) == 8,
}


@pytest.mark.slow_but_first
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_at_a_bad_moment_loses_nothing(moment, whole, tmp_path):
    workdir = tmp_path / "run"
    compiled_here = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled")}
    process = start(workdir, *SMALL, **(compiled_here if moment == "compiling" else {}))
    wait_for(moment, lambda: MOMENTS[moment](workdir), process)
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=200)[0]
    # Whose last column is written finishes its report: nothing is left to go on with.
    assert process.returncode == (0 if (workdir / "results.csv").exists() else 143), output
    assert "SIGTERM: stopping" in output and "Traceback" not in output
    assert moment == "the report" or not (workdir / "results.csv").exists()
    run(workdir, *SMALL)
    assert_same(workdir, whole)


@pytest.mark.slow
def test_a_signal_while_controls_are_measured_loses_no_finished_column(tmp_path):
    flags = [*SMALL, "--config.controls=('cka','stitching')"]
    workdir = tmp_path / "run"
    process = start(workdir, *flags)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("measuring"):
            break
    before = {path.name for path in (workdir / "columns").glob("*.csv")}
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=200)[0]
    assert process.returncode == 143 and "the same command goes on" in output, output
    assert {path.name for path in (workdir / "columns").glob("*.csv")} >= before
    assert before
    assert "networks, " in run(workdir, *flags)


NEVER_PAUSES = """
import time
from transfer_jax.running.stopping import StopRequest
stop = StopRequest(1)
with stop:
    stop.last_words = lambda: {words}
    print("busy", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("['race: one way is left']", "race: one way is left"),
        ("time.sleep(60)", "stopped; the"),
        ("open('none')", "cannot be read: [Errno 2] No such file or directory: 'none'"),
    ],
)
def test_who_never_pauses_says_what_is_known_and_ends(words, said):
    """As while a compiler works for minutes; also where what is to be said does not come."""
    process = subprocess.Popen(
        [sys.executable, "-c", NEVER_PAUSES.format(words=words)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "busy\n"
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=30)[0]
    assert process.returncode == 143 and said in output.splitlines()[-1], output
    assert "SIGTERM: no pause within 1 s; stopped; the same command goes on" in output


LONG = [*(flag for flag in SMALL if "steps=" not in flag), ENDLESS,
        "--config.checkpoint.minutes=0.0"]  # fmt: skip


def test_a_closed_terminal_stops_a_run_after_a_checkpoint(tmp_path):
    """Nothing can be printed any more; that is no reason to lose the checkpoint."""
    workdir = tmp_path / "run"
    terminal, end = pty.openpty()
    leads = ["setsid", "--ctty", sys.executable, "-m", "transfer_jax"]
    process = subprocess.Popen(
        [*leads, "run", f"--workdir={workdir}", *LONG], stdin=end, stdout=end, stderr=end
    )
    os.close(end)
    closed = threading.Event()
    reader = threading.Thread(target=_show, args=(terminal, closed))
    reader.start()
    try:
        wait_for("training", trains(workdir), process)  # pyright: ignore
        closed.set()
        assert process.wait(200) == 129
    finally:
        closed.set()
        process.kill()
        process.wait()
        reader.join()
    assert list(workdir.glob("checkpoints/*/*"))
    assert not (workdir / "lock.json").exists()


def test_a_terminal_that_is_gone_without_a_signal_ends_no_run(tmp_path):
    """As after `disown`, or of a login without `nohup`: whatever is printed is an error."""
    workdir = tmp_path / "run"
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "transfer_jax", "run", f"--workdir={workdir}", *SMALL],
        stdin=end, stdout=end, stderr=end, start_new_session=True,
    )  # fmt: skip
    os.close(end)
    try:
        wait_for("training", lambda: (workdir / "progress.json").exists(), process)  # pyright: ignore
        os.close(terminal)
        assert process.wait(200) == 0
    finally:
        process.kill()
        process.wait()
    assert (workdir / "report.html").exists() and (workdir / "results.csv").exists()


@pytest.mark.slow
def test_a_signal_after_the_reader_has_left_is_a_stop_after_a_checkpoint(tmp_path):
    workdir = tmp_path / "run"
    process = start(workdir, *LONG)
    wait_for("training", trains(workdir), process)
    assert process.stdout
    process.stdout.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(200) == 143
    assert list(workdir.glob("checkpoints/*/*"))


def _show(terminal: int, closed: threading.Event) -> None:
    """What a terminal does, until its window is closed."""
    while not closed.is_set():
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                os.read(terminal, 4096)
            except OSError:
                break
    os.close(terminal)


BUSY = """
import sys, hashlib
from transfer_jax.running.stopping import StopRequest
with StopRequest(60) as stop:
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"a", b"b", 2_000_000_000)  # minutes, in compiled code
"""


def test_a_second_signal_ends_a_process_that_is_in_compiled_code():
    process = subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert process.stdout and process.stdout.readline() == "ready\n"
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
        time.sleep(1)
    said = process.communicate(timeout=20)[1]
    assert process.returncode == 143
    assert "SIGTERM: asked twice; stopped; the same command goes on" in said


PATIENT = """
import sys, time
from transfer_jax.running.stopping import StopRequest, Stopped
try:
    with StopRequest(30) as stop:
        # In one piece: two processes write into one pipe.
        sys.stdout.write("ready\\n"); sys.stdout.flush()
        while not stop.signal: time.sleep(0.01)
        end = time.monotonic() + 2
        while time.monotonic() < end: time.sleep(0.01)
        sys.stdout.write(f"kept {stop.signal}\\n"); sys.stdout.flush()
except Stopped:
    print("at once", flush=True)
"""


def patient(*within: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([*within, sys.executable, "-c", PATIENT], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)  # fmt: skip
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("numbers", [(15, 15), (15, 1), (2, 15)])
def test_a_signal_that_comes_by_two_ways_is_one(numbers):
    """A scheduler signals the group, and a launcher passes it on."""
    process = patient()
    process.send_signal(numbers[0])
    time.sleep(0.1)
    process.send_signal(numbers[1])
    assert process.communicate(timeout=20)[0].startswith("kept")


def test_a_second_request_stops_at_once():
    process = patient()
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[0] == "at once\n"


def test_what_nohup_ignores_stays_ignored():
    process = patient("nohup")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=20)[0] == "kept 15\n"


@pytest.mark.parametrize("number", SIGNALS, ids=lambda n: n.name)
def test_a_local_launch_passes_each_signal_on_once(number):
    code = (
        "import sys\nfrom transfer_jax.commands.launchers.local import run_all\n"
        f"sys.exit(run_all([[sys.executable, '-c', {PATIENT!r}]] * 2))"
    )
    launch = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True,
                              start_new_session=True)  # fmt: skip
    assert launch.stdout is not None
    started = [launch.stdout.readline() for _ in range(2)]
    # Whatever was read: nothing is left running.
    os.killpg(launch.pid, number)
    said = launch.communicate(timeout=30)[0]
    assert started == ["ready\n"] * 2
    assert said == f"kept {int(number)}\n" * 2
    assert launch.returncode == 0


def test_a_signal_while_a_local_launch_starts_reaches_all(tmp_path):
    code = (
        "import os, signal, sys, subprocess\nfrom transfer_jax.commands.launchers import local\n"
        "started = subprocess.Popen\n"
        "def start(*a, **k):\n"
        "    process = started(*a, **k)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return process\n"
        "local.subprocess.Popen = start\n"
        "sys.exit(local.run_all([['sleep', '60']] * 2))"
    )
    launch = subprocess.run([sys.executable, "-c", code], timeout=30, check=False)
    assert launch.returncode == 143
