"""Surgery needs jax and optax alone."""

import subprocess
import sys

HEAVY = ("flax", "orbax", "tensorflow_datasets", "absl.flags", "matplotlib", "scipy.stats", "rich")


def test_importing_surgery_loads_no_other_library():
    code = (
        "import jax, optax, sys; before = set(sys.modules)\n"
        "from transfer_jax import select, graft, freeze\n"
        "print('\\n'.join(set(sys.modules) - before))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "transfer_jax.surgery.paths" in out
    assert [name for name in out if name.startswith(HEAVY)] == []
