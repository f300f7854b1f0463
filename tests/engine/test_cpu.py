"""What the command line does for a CPU, in a process of its own."""

import subprocess
import sys

import pytest

from transfer_jax.engine import cpu


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
