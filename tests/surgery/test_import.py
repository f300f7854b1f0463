"""Surgery needs jax and optax alone."""

import subprocess
import sys

HEAVY = (
    "absl",
    "etils",
    "flax",
    "grain",
    "matplotlib",
    "ml_collections",
    "orbax",
    "rich",
    "safetensors",
    "scipy",
    "tensorflow_datasets",
)


def test_importing_surgery_is_quick_and_loads_no_other_library():
    code = (
        "import jax, optax, sys, time; before, began = set(sys.modules), time.perf_counter()\n"
        "from transfer_jax import select, graft, freeze\n"
        "print(time.perf_counter() - began)\n"
        "print('\\n'.join(set(sys.modules) - before))"
    )
    seconds, *loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert float(seconds) < 1.0
    assert "transfer_jax.surgery.paths" in loaded
    assert [name for name in loaded if name.split(".")[0] in HEAVY] == []
