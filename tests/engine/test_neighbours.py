"""What processes say to each other, with the others played by a test."""

import os
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from transfer_jax.engine import joining, peers, processes, sameness
from transfer_jax.engine.cluster import ClusterError, Place
from transfer_jax.engine.peers import Peers
from transfer_jax.folder.whereabouts import _began

SECOND = Place("first:1234", 3, 1)


def a_way(gone=False, lost=0):
    """A way to the coordinator, open or not."""
    way = SimpleNamespace(gone=threading.Event(), lost=lost, address="127.0.0.1:99")
    if gone:
        way.gone.set()
    return way


class Store:
    """The texts that processes share, without processes."""

    def __init__(self):
        self.held, self.barriers, self.fails = {}, [], None

    def key_value_set(self, key, value, allow_overwrite=False):
        if self.fails:
            raise self.fails
        if key in self.held and not allow_overwrite:
            raise RuntimeError("ALREADY_EXISTS")
        self.held[key] = value

    def key_value_dir_get(self, folder):
        return [(key, value) for key, value in self.held.items() if key.startswith(folder)]

    def wait_at_barrier(self, name, milliseconds):
        if self.fails:
            raise self.fails
        self.barriers.append((name, milliseconds))


@pytest.fixture
def store(monkeypatch):
    found = Store()
    for module in (peers, sameness):
        monkeypatch.setattr(module, "store", lambda: found)
    return found


@pytest.fixture
def ended(monkeypatch):
    """Ends of this process that were asked for, in place of them."""
    found = []
    monkeypatch.setattr(peers, "end_now", lambda: found.append("now"))
    monkeypatch.setattr(joining, "end_now", lambda: found.append("now"))
    for module in (peers, joining):
        monkeypatch.setattr(
            module, "end_without_goodbye", lambda status=1: found.append(f"no goodbye, {status}")
        )
    monkeypatch.setattr(peers.distributed, "shutdown", lambda: found.append("shut down"))
    return found


@pytest.fixture
def joins():
    """Makes peers whose threads end with the test."""
    made = []

    def make(place, way=None):
        made.append(Peers(place, way or a_way()))  # pyright: ignore
        return made[-1]

    yield make
    for held in made:
        held._left.set()


@pytest.fixture
def fast(monkeypatch):
    for name, seconds in (("BEAT", 0.02), ("SILENCE", 3.0), ("GRACE", 0.1), ("TOGETHER", 0.2)):
        monkeypatch.setattr(peers, name, seconds)


def until(true, seconds=20.0):
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    assert true()


def test_who_leaves_waits_for_the_others_for_an_hour(store, ended, fast, joins):
    with joins(SECOND) as held:
        until(lambda: int(store.held.get("transfer_jax/beats/1", "0")) > 2)
    assert store.barriers == [("transfer_jax/left", 3_600_000)]
    assert ended == ["shut down"] and held.reason == ""
    beats = store.held["transfer_jax/beats/1"]
    time.sleep(0.1)
    assert int(store.held["transfer_jax/beats/1"]) <= int(beats) + 1


class Stopped(Exception):
    """Of the name that a stop has that all have agreed on."""

    signal = 15


def test_who_is_stopped_waits_a_moment_for_the_others(store, ended, fast, joins):
    with pytest.raises(Stopped), joins(SECOND):
        raise Stopped
    assert store.barriers == [("transfer_jax/left", 200)] and ended == ["shut down"]


def test_who_is_stopped_and_cannot_wait_says_so_and_keeps_its_status(store, ended, fast, joins):
    def no_barrier(*_):
        raise RuntimeError("deadline")

    store.wait_at_barrier = no_barrier
    with pytest.raises(Stopped), joins(SECOND):
        raise Stopped("by a signal")
    assert ended == ["no goodbye, 1", "no goodbye, 143"]
    assert store.held["transfer_jax/ended/1"] == "process 1 ended: by a signal"


def test_others_that_do_not_leave_are_told(store, ended, fast, joins):
    with pytest.raises(ClusterError, match=r"^the others did not end: deadline$"):  # noqa: SIM117
        with joins(SECOND):
            store.fails = RuntimeError("deadline")
    assert ended == ["no goodbye, 1"]


@pytest.mark.parametrize("first", [True, False])
def test_why_one_ends_is_said_to_the_others(first, store, ended, fast, joins):
    place = Place("first:1", 2, 0 if first else 1)
    began = time.monotonic()
    with pytest.raises(ValueError, match="images"), joins(place):
        raise ValueError("no\n images")
    assert store.held[f"transfer_jax/ended/{place.process}"] == (
        f"process {place.process} ended: no images"
    )
    assert "no goodbye, 1" in ended and not store.barriers
    assert not first or time.monotonic() - began >= 3 * peers.BEAT


def test_why_another_ended_is_found_and_ends_this_one(store, ended, fast, joins, capsys):
    held = joins(SECOND).__enter__()
    store.held["transfer_jax/ended/2"] = "process 2 ended: no images"
    until(lambda: "now" in ended)
    assert held.reason == (
        "process 2 ended: no images; what is finished is kept, and the same command goes on"
    )
    assert f"transfer-jax: {held.reason}\n" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["Gloo connection closed", "UNAVAILABLE: x", "NCCL", "aborted"])
def test_an_error_of_a_lost_neighbour_is_told_as_that(text, store, ended, fast, joins):
    """What a library says of it is not what happened."""
    with pytest.raises(ClusterError, match=r"^process 2 ended: disk full; "):  # noqa: SIM117
        with joins(SECOND):
            store.held["transfer_jax/ended/2"] = "process 2 ended: disk full"
            raise RuntimeError(text)


def test_process_0_finds_who_is_silent_and_tells_it(store, ended, fast, joins):
    held = joins(Place("first:1", 3, 0)).__enter__()
    stop = threading.Event()

    def alive():
        count = 0
        while not stop.wait(0.02):
            count += 1
            store.held["transfer_jax/beats/1"] = str(count)

    store.held["transfer_jax/beats/2"] = "7"
    threading.Thread(target=alive, daemon=True).start()
    time.sleep(0.2)
    assert not held.reason
    until(lambda: "now" in ended)
    stop.set()
    assert held.reason.startswith("process 2 is gone; ")
    assert store.held["transfer_jax/ended/0"] == "process 2 is gone"


def test_a_coordinator_that_does_not_answer_is_told(store, ended, fast, joins):
    store.fails = RuntimeError("unavailable")
    held = joins(SECOND).__enter__()
    time.sleep(0.15)
    assert not held.reason
    until(lambda: "now" in ended)
    assert held.reason.startswith("process 0 (first:1234) has not answered for 3 s; ")


def test_a_coordinator_that_is_gone_is_told(store, ended, fast, joins):
    held = joins(SECOND, a_way(gone=True)).__enter__()
    until(lambda: "now" in ended)
    assert held.reason.startswith("process 0 (first:1234) is gone; ")


def test_a_process_that_the_coordinator_loses_is_told_to_all(store, ended, fast, joins):
    held = joins(Place("first:1", 3, 0), a_way(gone=True, lost=2)).__enter__()
    until(lambda: "now" in ended)
    assert held.reason.startswith("process 2 is gone; ")
    assert store.held["transfer_jax/ended/0"] == "process 2 is gone"


def test_nobody_left_to_tell_is_no_error(store, joins):
    store.fails = RuntimeError("gone")
    joins(SECOND)._tell("process 1 ended")


def test_the_first_reason_stays(joins):
    held = joins(SECOND)
    held._find("one")
    held._find("two")
    assert held.reason.startswith("one; ")


def test_the_end_takes_children_along():
    code = (
        "import multiprocessing as m, time\n"
        "from transfer_jax.engine.peers import end_now\n"
        "child = m.get_context('fork').Process(target=time.sleep, args=(60,)); child.start()\n"
        "print(child.pid); end_now()"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 1
    # One whose parent has not asked, now that this is another one, may still be listed.
    until(lambda: _began(found.stdout.strip()) in ("", "ended"))


def test_one_process_agrees_with_itself(monkeypatch):
    assert processes.is_first()
    with processes.all_meet("nobody else") as first:
        assert first
    assert processes.agree(3, True, 0) == (3, 1, 0)
    said = np.array([[3, 0, 2], [1, 1, 2]])
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    names = []
    monkeypatch.setattr(processes.multihost_utils, "sync_global_devices", names.append)
    monkeypatch.setattr(processes.multihost_utils, "process_allgather", lambda own: said)
    assert processes.agree(3, 0, 2) == (3, 1, 2)
    with processes.all_meet("all") as first:
        assert first and names == []
    assert names == ["all"]
    with pytest.raises(ValueError, match="disk full"), processes.all_meet("who fails"):
        raise ValueError("disk full")
    assert names == ["all"]
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    assert not processes.is_first()
    with processes.all_meet("the second") as first:
        assert not first
    assert names == ["all", "the second"]


def test_processes_say_what_they_are_about_and_read_what_others_said(store, monkeypatch):
    monkeypatch.setattr(sameness.distributed.global_state, "process_id", 1)
    monkeypatch.setattr(sameness, "_calls", iter([7, 8]))
    store.held["transfer_jax/said/7/0"] = '{"steps": "5", "seeds": "1"}'
    sameness.check_same({"steps": 5, "seeds": 1})
    assert store.held["transfer_jax/said/7/1"] == '{"steps": "5", "seeds": "1"}'
    assert store.barriers == [("transfer_jax/said/7 is said", 1_800_000)]
    store.held["transfer_jax/said/8/0"] = '{"steps": "5", "seeds": "1"}'
    message = r"^the processes of a run must be alike: steps is 5 in process 0, 6 in process 1$"
    with pytest.raises(ClusterError, match=message):
        sameness.check_same({"steps": 6, "seeds": 1})


def test_alone_there_is_nothing_to_compare(monkeypatch):
    monkeypatch.setattr(sameness, "store", lambda: None)
    sameness.check_same({"steps": 6})


def test_how_differences_are_told():
    same = {i: {"a": "1"} for i in range(10)}
    assert sameness.differences_between(same) == []
    many = {**same, 10: {"a": "2"}}
    assert sameness.differences_between(many) == [
        "a is 1 in processes 0, 1, 2, 3, 4, 5, 6, 7 and 2 more, 2 in process 10"
    ]
    fields = {i: {f"f{k}": str(i) for k in range(8)} for i in range(2)}
    assert len(sameness.differences_between(fields)) == 8
    fields = {i: {f"f{k}": str(i) for k in range(20)} for i in range(2)}
    assert sameness.differences_between(fields)[8:] == ["12 more fields differ"]
    long = {0: {"a": "x" * 60}, 1: {"a": "x" * 61}}
    told = sameness.differences_between(long)[0]
    assert told.startswith(f"a is {'x' * 60} in process 0, {'x' * 60}... (")
    assert told.endswith(") in process 1") and len(told.split("(")[1].split(")")[0]) == 8


@pytest.mark.parametrize(
    ("place", "found"),
    [
        (Place("host:1", 2, 0), ("host", 1)),
        (Place("[::1]:65535", 2, 1), ("::1", 65535)),
    ],
)
def test_an_address_is_a_host_and_a_port(place, found):
    assert joining._address(place) == found


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (Place("h:1", 2, 2), r"process is 2; allowed: 0 \.\.\. 1, since processes is 2"),
        (Place("h:1", 2, -1), r"process is -1; allowed: 0 \.\.\. 1, since processes is 2"),
        (Place("h:65536", 2, 0), "coordinator is 'h:65536'; allowed: HOST:PORT"),
        (Place("h:0", 2, 0), "coordinator is 'h:0'; allowed: HOST:PORT"),
        (Place("h", 2, 0), "coordinator is 'h'; allowed: HOST:PORT"),
        (Place("a b:1", 2, 0), "coordinator is 'a b:1'; allowed: HOST:PORT"),
    ],
)
def test_what_is_no_place_is_told(place, message):
    with pytest.raises(ClusterError, match=f"^{message}$"):
        joining._address(place)


def test_numbers_that_jax_reads_must_be_numbers(monkeypatch):
    for value in ("1", "0,1,2", ""):
        monkeypatch.setenv("JAX_LOCAL_DEVICE_IDS", value)
        joining._address(Place("h:1", 2, 0))
    for value in ("0,", "a", "-1", "٣"):
        monkeypatch.setenv("JAX_LOCAL_DEVICE_IDS", value)
        message = f"^JAX_LOCAL_DEVICE_IDS is '{value}'; allowed: whole numbers$"
        with pytest.raises(ClusterError, match=message):
            joining._address(Place("h:1", 2, 0))


@pytest.mark.parametrize("place", [Place("h:1234", 3, 1, (5,)), Place("h:1234", 3, 2)])
def test_what_jax_is_told(place, monkeypatch, ended):
    told = {}
    monkeypatch.setattr(
        jax.distributed, "initialize", lambda *args, **options: told.update(options, args=args)
    )
    monkeypatch.delenv("no_grpc_proxy", raising=False)
    joining._connect(place, a_way(), 7.5)
    assert told["args"] == ("127.0.0.1:99", 3, place.process, place.devices or None)
    assert told["cluster_detection_method"] == "deactivate"
    assert told["initialization_timeout"] == 607 and told["heartbeat_timeout_seconds"] == 600
    assert told["shutdown_timeout_seconds"] == 30
    assert told["coordinator_bind_address"] == "127.0.0.1:99"
    assert os.environ["no_grpc_proxy"] == "127.0.0.1"  # noqa: SIM112
    monkeypatch.setenv("JAX_LOCAL_DEVICE_IDS", "0")
    joining._connect(place, a_way(), 7.5)
    assert told["args"] == ("127.0.0.1:99", 3, place.process, None)
    assert ended == []


def test_what_jax_says_against_it_is_told(monkeypatch, ended):
    def refuses(*_, **__):
        raise RuntimeError("no\n  way " + "x" * 300)

    monkeypatch.setattr(jax.distributed, "initialize", refuses)
    with pytest.raises(ClusterError) as error:
        joining._connect(Place("h:1", 2, 1), a_way(), 60)
    assert str(error.value) == "process 1 cannot join the others at h:1: no way " + "x" * 193
    assert ended == ["no goodbye, 1"]


@pytest.mark.parametrize("gone", [True, False])
def test_others_that_do_not_come_in_time_end_this_process(gone, ended, capsys):
    with joining._at_most(60 if gone else 0.5, Place("h:1", 2, 1), a_way(gone)):
        until(lambda: ended == ["now"])
    reason = "process 0 went away" if gone else "not all came within 0.5 s"
    assert capsys.readouterr().err.startswith(
        f"transfer-jax: process 1 of 2 waited for the others at h:1: {reason}\n"
    )


def test_others_that_come_in_time_do_not(ended):
    with joining._at_most(0.3, Place("h:1", 2, 0), a_way()):
        pass
    time.sleep(0.8)
    assert ended == []


@pytest.mark.parametrize("process", [0, 1])
def test_who_joins_opens_a_way_waits_connects_and_stays_heard_of(process, tmp_path, monkeypatch):
    done = []

    class Way:
        def __init__(self, *arguments):
            done.append(("opens", *arguments[:-1]))
            self.hello = arguments[-1]

        def wait(self, seconds):
            done.append(("waits", seconds))

        def close(self):
            done.append(("closes",))

    class Heard:
        def __init__(self, place, way):
            done.append(("is heard of", place, type(way)))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            done.append(("leaves",))

    monkeypatch.setattr(joining, "Tunnel", Way)
    monkeypatch.setattr(joining, "Gate", Way)
    monkeypatch.setattr(joining, "Peers", Heard)
    monkeypatch.setattr(
        joining,
        "_connect",
        lambda place, way, seconds: done.append(("connects", place, way.hello.process, seconds)),
    )
    place = Place("host:1234", 2, process)
    with joining.joined(place, 7.0, tmp_path):
        done.append(("works",))
    assert done == [
        ("opens", place, 1234) if process == 0 else ("opens", ("host", 1234)),
        ("waits", 7.0),
        ("connects", place, process, 7.0),
        ("is heard of", place, Way),
        ("works",),
        ("leaves",),
        ("closes",),
    ]
