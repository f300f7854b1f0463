from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from transfer_jax.engine.compiler import compiler_options


def mesh_of(platform: str, kind: str) -> Any:
    return SimpleNamespace(devices=np.array([SimpleNamespace(platform=platform, device_kind=kind)]))


@pytest.mark.parametrize(
    ("platform", "kind", "lean", "names"),
    [
        ("cpu", "cpu", False, None),
        ("cpu", "cpu", True, ["xla_cpu_scheduler_type"]),
        ("gpu", "NVIDIA H100 80GB HBM3", True, None),
        ("tpu", "TPU v4", True, None),
        ("tpu", "TPU v5 lite", False, None),
    ],
)
def test_each_kind_of_device_is_told_what_it_knows(platform, kind, lean, names):
    options = compiler_options(mesh_of(platform, kind), lean)
    assert (options and list(options)) == names
