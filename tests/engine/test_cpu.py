"""What the command line does for a CPU, in a process of its own."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from transfer_jax.engine import cpu

FAULTS = """
import resource, sys
from transfer_jax.engine.cpu import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
import jax, jax.numpy as jnp
step = jax.jit(lambda x: sum(jnp.sort(jnp.dot(x, x + i), 0)[0, 0] for i in range(4)))
x = jnp.ones((1500, 1500))
for _ in range(10):
    step(x).block_until_ready()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step(x).block_until_ready()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the allocator is glibc's")
def test_a_step_finds_the_memory_that_the_last_one_freed():
    """Temporaries of about 30 MB in pages of 4 KiB: thousands of faults a step, or next to none
    once the heap has grown to its size."""
    faults = {
        how: int(subprocess.check_output([sys.executable, "-c", FAULTS, how]))
        for how in ("keep", "give back")
    }
    assert 3 * faults["keep"] < faults["give back"]


def test_each_core_is_a_device_unless_told_otherwise():
    code = (
        "from transfer_jax.engine.cpu import spread_over_cores; import jax, os; "
        "spread_over_cores(); print(len(jax.devices()), min(os.cpu_count(), 8))"
    )
    found, cores = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert found == cores


def test_a_run_that_reads_nothing_from_disk_does_not_load_grain():
    """Its threads cost a step of the default grid a tenth."""
    loaded = "import sys, transfer_jax.running.experiment, transfer_jax.cli"
    code = f"{loaded}; sys.exit('grain' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("cores", "devices"), [(3, 3), (64, 8), (None, 1)])
def test_a_core_is_a_device_up_to_eight(cores, devices, monkeypatch):
    told = []
    monkeypatch.setattr(cpu.os, "cpu_count", lambda: cores)
    monkeypatch.setattr(cpu.jax.config, "update", lambda *told_: told.append(told_))
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    cpu.spread_over_cores()
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    cpu.spread_over_cores()
    assert told == [("jax_num_cpu_devices", devices)]


def test_the_allocator_is_told_to_keep_what_it_has(monkeypatch):
    """By malloc.h: -4 M_MMAP_MAX, -8 M_ARENA_MAX, -1 M_TRIM_THRESHOLD, -2 M_TOP_PAD."""
    told = []
    library = SimpleNamespace(mallopt=lambda *option: told.append(option))
    monkeypatch.setattr(cpu.ctypes, "CDLL", lambda name: {None: library}[name])
    monkeypatch.setattr(cpu.sys, "platform", "linux")
    cpu.keep_freed_memory()
    assert told == [(-4, 0), (-8, 1), (-1, -1), (-2, 268435456)]
    monkeypatch.setattr(cpu.ctypes, "CDLL", lambda name: SimpleNamespace())
    cpu.keep_freed_memory()
    monkeypatch.setattr(cpu.sys, "platform", "darwin")
    monkeypatch.setattr(cpu.ctypes, "CDLL", lambda name: library)
    cpu.keep_freed_memory()
    assert len(told) == 4
