"""A process that begins again: the same one, with the same words, and memory in huge pages."""

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from transfer_jax import __main__, cli
from transfer_jax.commands.huge_pages import BEGUN, KERNEL, TO_WHO_ASKS, TUNABLES, _asking

ASKED = "glibc.malloc.hugetlb=1"
GIVEN = "always [madvise] never"
# 64 MiB that are touched, and how much of them lies in huge pages; and what the process is.
SCRIPT = """
import json, os, sys, warnings
print(os.getpid(), flush=True)
from transfer_jax.commands.huge_pages import ask_for_huge_pages
ask_for_huge_pages()
held = bytearray(2**26)
held[::4096] = b"1" * 2**14
lines = open("/proc/self/smaps_rollup").read().splitlines()
(huge,) = [int(line.split()[1]) for line in lines if line.startswith("AnonHugePages:")]
told = os.environ.get("GLIBC_TUNABLES")
print(json.dumps([os.getpid(), huge / 1024, sys.argv[1:], sys.warnoptions, told]))
"""


def begun(*words: str, **environment: str) -> tuple[list[str], list]:
    """The number of the process as often as it began, and what it told then."""
    inherited = {name: text for name, text in os.environ.items() if name not in (TUNABLES, BEGUN)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, *words],
        env=inherited | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    *numbers, told = done.stdout.splitlines()
    return numbers, json.loads(told)


asks = pytest.mark.skipif(
    not KERNEL.exists() or TO_WHO_ASKS not in KERNEL.read_text(),
    reason="this kernel gives huge pages to all, or to nobody",
)


@asks
def test_a_command_that_trains_has_its_memory_in_huge_pages():
    numbers, (number, huge, words, warned, told) = begun("run", "--config.name=it's here")
    assert numbers == [str(number)] * 2
    assert huge >= 60
    assert words == ["run", "--config.name=it's here"] and warned == ["error"]
    assert told == ASKED


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        (["status", "run"], {}),
        (["run", "--help"], {}),
        ([], {}),
        (["run"], {TUNABLES: "glibc.malloc.hugetlb=0"}),
        # Where glibc's own variable was taken away, as it is of a process with more rights.
        (["run"], {BEGUN: "1"}),
    ],
)
def test_others_begin_once(words, environment):
    numbers, (number, *_, told) = begun(*words, **environment)
    assert numbers == [str(number)]
    assert told == environment.get(TUNABLES)


@pytest.mark.parametrize(
    ("kernel", "libc"),
    [
        ("[always] madvise never", "glibc 2.36"),
        ("always madvise [never]", "glibc 2.36"),
        ("", "glibc 2.36"),
        (GIVEN, "glibc 2.34"),
        (GIVEN, ""),
        (GIVEN, "musl 2.40"),
    ],
)
def test_nobody_asks_in_vain(kernel, libc):
    assert _asking({}, kernel, libc) is None


def test_what_glibc_was_told_before_it_is_told_again():
    for libc in ("glibc 2.35", "glibc 2.41", "glibc 3.0"):
        found = _asking({TUNABLES: "glibc.malloc.check=1", "HOME": "x"}, GIVEN, libc)
        assert found == {TUNABLES: f"glibc.malloc.check=1:{ASKED}", "HOME": "x", BEGUN: "1"}


def test_what_is_typed_begins_with_that(monkeypatch):
    (command,) = entry_points(group="console_scripts", name="transfer-jax")
    assert command.value == "transfer_jax.__main__:start"
    done: list[str] = []
    monkeypatch.setattr(__main__, "ask_for_huge_pages", lambda: done.append("pages"))
    monkeypatch.setattr(cli, "main", lambda: done.append("main") or 3)
    assert __main__.start() == 3 and done == ["pages", "main"]
