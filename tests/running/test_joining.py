"""Processes that come together, or are told in one line why not; and that leave together."""

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest

from transfer_jax.cli import GOES_ON
from transfer_jax.engine import gate, tunnel
from transfer_jax.engine.cluster import ClusterError, Place
from transfer_jax.engine.hello import Hello, ask
from transfer_jax.engine.sameness import differences_between

from .joined import STAYS, ended, free_port, let_end, real, start, wait_until_in


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
        f"transfer-jax: localhost:{port}: what listens there says nothing in 3 s: "
        "what answers is no process 0 of transfer-jax\n",
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


@pytest.mark.parametrize(
    ("places", "told"),
    [
        ([(0, 3), (1, 3), (1, 3)], "process is 1 in two processes: process id "),
        ([(0, 2), (0, 2)], "process is 0 in two processes: process id "),
        ([(0, 2), (1, 3)], "processes is 2 in process 0 (process id "),
        ([(0, 3), (1, 2)], "processes is 3 in process 0 (process id "),
    ],
)
def test_places_that_do_not_fit_together_end_all_at_once(places, told):
    at = f"localhost:{free_port()}"
    began = time.monotonic()
    processes = [start(at, process, processes=count) for process, count in places]
    for status, said in map(ended, processes):
        assert status == 1 and said.count("\n") == 1 and told in said, said
    assert time.monotonic() - began < 20


def test_a_run_that_goes_on_is_not_disturbed_by_who_comes_late():
    at = f"localhost:{free_port()}"
    processes = [start(at, i, STAYS) for i in range(2)]
    wait_until_in(*processes)
    other = f"is of another run: its workdir is {real('runs/a')}, this one's is {real('runs/b')}"
    late = {
        (1, 2, "runs/a"): "process is 1 in two processes: process id ",
        (2, 3, "runs/a"): "processes is 2 in process 0 (process id ",
        (1, 2, "runs/b"): other,
        (0, 2, "runs/b"): f"process 0 at {at} {other}",
    }
    strangers = [start(at, i, processes=n, workdir=workdir) for i, n, workdir in late]
    for (status, said), told in zip(map(ended, strangers), late.values(), strict=True):
        assert status == 1 and said.count("\n") == 1 and told in said, said
    assert let_end(*processes) == [(0, ""), (0, "")]


def test_one_of_another_run_takes_nobodys_place():
    at = f"localhost:{free_port()}"
    first = start(at, 0)
    status, said = ended(start(at, 1, workdir="runs/b"))
    assert status == 1 and "is of another run" in said, said
    # The same folder under another name is the same run.
    second = start(at, 1, workdir=real("runs/a"))
    assert [ended(first), ended(second)] == [(0, ""), (0, "")]


def test_only_one_of_another_run_came(monkeypatch):
    monkeypatch.setattr(gate, "AFTER_STRANGERS", 0.5)
    port = free_port()
    at = Place(f"localhost:{port}", 2, 0)
    opened = gate.Gate(at, port, Hello.of(at, "runs/a", "/runs/a"))
    refused = pytest.raises(ClusterError, match=r"/runs/a, this one's is /runs/b$")
    with socket.create_connection(("localhost", port)) as stranger, refused:
        ask(stranger, Hello.of(Place("", 2, 1), "runs/b", "/runs/b"), 5)
    who = f"process id {os.getpid()} on {socket.gethostname()}"
    told = (
        f"process 0 waited for the others at localhost:{port}: not all came (one of another run "
        f"was refused: {who}, workdir /runs/b); missing: process 1"
    )
    with pytest.raises(ClusterError, match=re.escape(told)), closing(opened):
        opened.wait(60)


def test_whatever_else_comes_disturbs_nobody():
    """Scanners, browsers, processes of other programs."""
    port = free_port()
    first = start(f"localhost:{port}", 0, STAYS)
    said = [b"", b"GET / HTTP/1.1\r\n\r\n", b"{}\n", b"\x00\x00\x12", b"{" * 99]
    with ExitStack() as held:
        for words in said:
            strange = held.enter_context(tunnel.connect_soon(("localhost", port), 30))
            strange.sendall(words)
        second = start(f"localhost:{port}", 1, STAYS)
        wait_until_in(first, second)
        for words in said:
            with socket.create_connection(("localhost", port)) as late:
                late.sendall(words)
        assert let_end(first, second) == [(0, ""), (0, "")]


def test_what_answers_and_is_no_process_0_is_told():
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        process = start(f"localhost:{port}", 1)
        caller, _ = other.accept()
        with caller:
            caller.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
            status, said = ended(process)
    told = f"localhost:{port}: what answers is no process 0 of transfer-jax"
    assert (status, said) == (1, f"transfer-jax: {told}\n")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_place_is_free_again_when_who_had_it_ends_before_all_have_come(number):
    at = f"localhost:{(port := free_port())}"
    first = start(at, 0, processes=3)
    with socket.create_server(("", 0)) as between:
        early = start(f"localhost:{between.getsockname()[1]}", 1, processes=3)
        ends = between.accept()[0], tunnel.connect_soon(("localhost", port), 60)
    threading.Thread(target=tunnel.carry_both_ways, args=ends, daemon=True).start()
    time.sleep(1)  # Its place is taken.
    early.send_signal(number)
    assert early.communicate(timeout=20)[0].count("\n") <= 1
    others = [start(at, i, processes=3) for i in (1, 2)]
    assert [ended(process) for process in (first, *others)] == [(0, "")] * 3
    for end in ends:
        end.close()


def test_a_signal_while_the_others_are_waited_for_is_told_in_one_line():
    port = free_port()
    first = start(f"localhost:{port}", 0)
    with socket.create_server(("", 0)) as other:
        second = start(f"localhost:{other.getsockname()[1]}", 1)
        caller, _ = other.accept()
        tunnel.connect_soon(("localhost", port), 60).close()
        first.send_signal(signal.SIGTERM)
        second.send_signal(signal.SIGHUP)
        told = [ended(process) for process in (first, second)]
        caller.close()
    assert told == [(status, f"{GOES_ON}\n") for status in (143, 129)]


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
