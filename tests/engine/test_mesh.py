"""Columns over several devices, in a process of its own with forced CPU devices."""

import os
import subprocess
import sys
import textwrap

SCRIPT = textwrap.dedent(
    """
    import jax, sys
    import numpy as np
    from etils import epath
    sys.path.insert(0, "tests")
    from conftest import TINY
    from transfer_jax import run
    from transfer_jax.config import load_config
    from transfer_jax.engine.mesh import column_mesh, over_columns

    devices = int(sys.argv[2])
    assert len(jax.devices()) == devices
    add = over_columns(lambda x, shared: x * shared, column_mesh(), shared=(1,))
    text = add.lower(np.ones((devices, 3)), np.ones(3)).compile().as_text()
    assert not any(word in text for word in ("all-reduce", "all-gather", "collective-permute"))
    run(load_config("fashion_mnist", TINY), sys.argv[1])
    """
)


def run_on(devices: int, folder) -> list[str]:
    """Eight threads whatever the devices: the CPU's convolutions sum by their number of threads,
    which is that of the cores, or of the devices if these are more."""
    flags = f"--xla_force_host_platform_device_count={devices}"
    subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), str(devices)],
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "NPROC": "8"},
        check=True,
    )
    return (folder / "results.csv").read_text().splitlines()


def test_one_device_and_eight_give_the_same_results_to_the_bit(tmp_path):
    """Eight columns of conditions on eight devices, four base networks on four of them."""
    one, eight = (run_on(devices, tmp_path / str(devices)) for devices in (1, 8))
    assert len(one) == len(eight) == 1 + 4 + 2 * (8 * 2 + 2 * 2)
    assert one == eight
