"""What happens to one process is told by the others; what one does alone waits for no other."""

import signal
import time

import pytest

from transfer_jax.engine.peers import SILENCE

from .joined import ended, free_port, start, wait_until_in


@pytest.mark.slow_but_first
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


@pytest.mark.slow_but_first
@pytest.mark.parametrize("killed", [0, 1])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_process_that_is_gone_or_hangs_ends_the_others_in_one_line(killed, number):
    stopped = (killed, number) == (0, signal.SIGSTOP)
    gone = "has not answered for 40 s" if stopped else "is gone"
    at = f"localhost:{free_port()}"
    processes = [start(at, i, "print('in', flush=True); time.sleep(100)") for i in range(2)]
    wait_until_in(*processes)
    time.sleep(3)
    began = time.monotonic()
    processes[killed].send_signal(number)
    try:
        status, said = ended(processes[1 - killed])
    finally:
        processes[killed].kill()
        processes[killed].communicate()
    # A kill is noticed by the connection, and not by silence.
    assert time.monotonic() - began < (SILENCE if number == signal.SIGKILL else 60)
    assert status == 1 and said.count("\n") == 1, said
    assert said.startswith(f"transfer-jax: process {killed}") and gone in said, said


HOLDS = """
import ctypes
from transfer_jax.engine import peers
peers.SILENCE, peers.GRACE = {silence}, 1
ctypes.PyDLL(None).sleep({seconds})
time.sleep(4)
"""


@pytest.mark.parametrize(
    ("held", "seconds", "own", "others"),
    [
        (0, 5, 3, 60),
        *(pytest.param(i, 35, *["peers.SILENCE"] * 2, marks=pytest.mark.slow) for i in (0, 1)),
    ],
)
def test_who_lets_no_python_run_is_not_gone_and_takes_nobody_for_gone(held, seconds, own, others):
    """As a library in compiled code may; compiling lets it run."""
    at = f"localhost:{free_port()}"
    works = [HOLDS.format(silence=others, seconds=0)] * 2
    works[held] = HOLDS.format(silence=own, seconds=seconds)
    processes = [start(at, i, work) for i, work in enumerate(works)]
    assert [ended(process) for process in processes] == [(0, ""), (0, "")]


ALONE = """
from transfer_jax.engine.processes import asked_of_any, first_alone
from transfer_jax.running.stopping import StopRequest, Stopped
with StopRequest(60) as stop:
    def work():
        print("in", flush=True)
        while not (number := asked_of_any(stop.signal)): time.sleep(0.1)
        raise Stopped(number, f"stopped by {number}")
    if process == "1": print("in", flush=True)
    if number := first_alone(work, lambda: stop.signal):
        raise Stopped(number, f"stopped by {number}")
"""


WAITS = """
from transfer_jax.running.stopping import StopRequest
with StopRequest(1) as stop:
    print("in", flush=True)
    check_same({}) if process == "0" else time.sleep(60)
"""


def test_a_signal_after_all_have_come_ends_with_the_grace():
    """While one waits for what others say, which may take them minutes."""
    at = f"localhost:{free_port()}"
    processes = [start(at, i, WAITS) for i in range(2)]
    wait_until_in(*processes)
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for status, said in map(ended, processes):
        assert status == 143 and "SIGTERM: no pause within 1 s; stopped; the same" in said, said


@pytest.mark.parametrize("signalled", [0, 1])
def test_a_signal_while_the_first_works_alone_reaches_all(signalled):
    at = f"localhost:{free_port()}"
    processes = [start(at, i, ALONE) for i in range(2)]
    wait_until_in(*processes)
    processes[signalled].send_signal(signal.SIGTERM)
    for status, said in map(ended, processes):
        assert status == 143 and said.splitlines()[-1] == "transfer-jax: stopped by 15", said


@pytest.mark.slow
def test_one_that_stops_at_once_stops_though_the_others_do_not():
    at = f"localhost:{free_port()}"
    stops = (
        "from transfer_jax.running.stopping import Stopped; raise Stopped(15, 'stopped at once')"
    )
    processes = [start(at, i, work) for i, work in enumerate([stops, "time.sleep(60)"])]
    (first, said), (second, told) = map(ended, processes)
    assert (first, said) == (143, "transfer-jax: stopped at once\n")
    assert second == 1 and told.startswith("transfer-jax: process 0 ended: stopped at once"), told
    assert told.count("\n") == 1


READS = """
import jax, transfer_jax as tj
from transfer_jax.folder.checkpoints import restore, save
tree = {{"a": jax.numpy.arange(3.0)}}
if process == "0":
    save({path!r}, jax.device_get(tree))
check_same({{}})
if process == "{reader}":
    assert not tj.diff(tree, restore({path!r}, tree)) and not tj.diff(tree, tj.load_tree({path!r}))
check_same({{}})
"""


@pytest.mark.slow_but_first
@pytest.mark.parametrize("reader", [0, 1])
def test_a_network_is_written_and_read_by_one_alone(reader, tmp_path):
    """As base networks are, when controls are measured or another run's are taken."""
    at = f"localhost:{free_port()}"
    work = READS.format(reader=reader, path=str(tmp_path / "network"))
    assert [ended(p) for p in [start(at, i, work) for i in range(2)]] == [(0, "")] * 2
