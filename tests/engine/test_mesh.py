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
    flags = f"--xla_force_host_platform_device_count={devices}"
    subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), str(devices)],
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        check=True,
    )
    return (folder / "results.csv").read_text().splitlines()


def test_one_device_and_eight_give_the_same_results(tmp_path):
    """Eight columns of conditions on eight devices, four base networks on four of them."""
    one, eight = (run_on(devices, tmp_path / str(devices)) for devices in (1, 8))
    assert len(one) == len(eight) == 1 + 4 + 2 * (8 * 2 + 2 * 2)
    for a, b in zip(one, eight, strict=True):
        *names, top1, loss, step = a.split(",")
        *other_names, other_top1, other_loss, other_step = b.split(",")
        assert (names, step) == (other_names, other_step)
        if top1 != "top1":
            assert abs(float(top1) - float(other_top1)) <= 0.01
            assert abs(float(loss) - float(other_loss)) < 1e-3
