"""What the command line does for a CPU, in a process of its own."""

import subprocess
import sys

import pytest

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
