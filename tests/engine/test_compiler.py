from types import SimpleNamespace
from typing import Any

import jax
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
        ("tpu", "TPU v5 lite", False, ["xla_tpu_scoped_vmem_limit_kib"]),
        ("tpu", "TPU v6 lite", False, ["xla_tpu_scoped_vmem_limit_kib"]),
    ],
)
def test_each_kind_of_device_is_told_what_it_knows(platform, kind, lean, names):
    options = compiler_options(mesh_of(platform, kind), lean)
    assert (options and list(options)) == names


@pytest.mark.parametrize(("effort", "is_large"), [(-1.0, False), (-0.5, False), (-0.1, True)])
def test_where_no_tiles_are_tried_none_are_asked_for(effort, is_large):
    before = jax.config.jax_exec_time_optimization_effort
    jax.config.update("jax_exec_time_optimization_effort", effort)
    try:
        assert (compiler_options(mesh_of("tpu", "TPU v5 lite")) is not None) == is_large
    finally:
        jax.config.update("jax_exec_time_optimization_effort", before)
