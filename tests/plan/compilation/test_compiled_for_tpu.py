"""What the TPU compiler makes of a small grid: `pip install 'transfer_jax[topology]'`."""

import os
import re

import jax
import pytest

from tests.conftest import TINY
from transfer_jax.cli import main
from transfer_jax.engine.mesh import DATA
from transfer_jax.models.backend import made_for, target_backend
from transfer_jax.plan.compilation.calls import Call, planned_calls
from transfer_jax.plan.compilation.compiled import Compiled, bytes_on_a_device, compiled_call
from transfer_jax.plan.compilation.program_kernels import counted, total
from transfer_jax.plan.compilation.program_text import read_program
from transfer_jax.plan.compilation.topologies import TopologyError, topology
from transfer_jax.plan.config import load_config
from transfer_jax.plan.plan import make_plan

pytest.importorskip("libtpu")

# Narrow CaffeNets on small cuttings of images that are read, four conditions a column: four columns
# of a chip each, or two of two chips each.
GRID = [
    "--config.network.width=0.0625",
    "--config.data.crop=67",
    "--config.batch_size=32",
    "--config.cuts=(2,5)",
    "--config.splits=('random-0',)",
]
# Bytes of one chip and step: what was measured, and a tenth.
MOST_MOVED = {1: 1.1 * 28.6e6, 2: 1.1 * 25.5e6}


@pytest.fixture(scope="module", params=[1, 2], ids=["4x1", "2x2"])
def compiled(request) -> tuple[Call, Compiled, str]:
    flags = [*GRID, f"--config.devices_per_column={request.param}"]
    plan = make_plan(load_config("imagenet_random", flags))
    with made_for("tpu"):
        calls = planned_calls(plan, topology("v5e:2x2").devices())
        (call,) = (own for own in calls if own.name == "conditions: step")
        return call, *compiled_call(call.fn, call.arguments, call.mesh)


def test_columns_never_talk(compiled):
    call, found, _ = compiled
    assert set(found.collectives) == ({DATA} if call.mesh.shape[DATA] > 1 else set())


def test_convolutions_are_plain_ones(compiled):
    _, _, text = compiled
    assert "convolution(" in text
    assert set(re.findall(r"feature_group_count=(\d+)", text)) <= {"1"}
    assert set(re.findall(r"batch_group_count=(\d+)", text)) <= {"1"}
    assert "select-and-scatter" not in text


def test_the_state_is_overwritten(compiled):
    """All arrays of the donated state are results' places, and nothing of it is there twice."""
    call, found, text = compiled
    state = call.arguments[0]
    held = sum(bytes_on_a_device(leaf) for leaf in jax.tree.leaves(state))
    assert found.overwritten >= held
    pairs = re.findall(r"\((\d+), \{\}, (?:may|must)-alias\)", text.partition("\n")[0])
    assert set(map(int, pairs)) >= set(range(len(jax.tree.leaves(state))))


def test_nothing_is_computed_that_the_mathematics_does_not_need(compiled):
    """Of products; the compiler counts what is done to each number, too, much in a narrow net."""
    call, found, text = compiled
    products = total(counted(read_program(text))).flop
    assert 0.85 < products / call.least < 1.02
    assert found.flop / call.least < 1.25


def test_no_more_is_moved_than_was_measured(compiled):
    call, found, _ = compiled
    assert found.moved < MOST_MOVED[call.mesh.shape[DATA]]
    assert found.has_room and found.memory < 2**28


def test_a_slice_that_there_is_not_is_told_before_anything_is_read(capsys):
    assert main(["plan", "--config.splits=('nowhere',)", "--topology=v5e:3x3"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "topology is 'v5e:3x3', but v5e has no such slice; slices: 1x1, 2x2" in line
    assert line.endswith("nearest: v5e:2x4")


def test_slices_are_joined_and_chips_are_whole():
    several = topology("2xv5e:2x2").devices()
    assert {device.slice_index for device in several} == {0, 1} and len(several) == 8
    # Two cores of a v4 are one device.
    assert len(topology("v4:2x2x1").devices()) == 4
    with pytest.raises(TopologyError, match="v6e has no such slice"):
        topology("v6e:1x3").devices()


def test_a_plan_is_a_table_of_its_programs(capsys):
    before = dict(os.environ)
    line = ["plan", *TINY, "--config.seeds=1", "--topology=v5e:2x2"]
    # Again: nothing that was kept of the first can be read, nor is it tried.
    assert main(line) == 0
    capsys.readouterr()
    assert main(line) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "fashion_mnist on v5e:2x2: 4 chips of 15.8 GiB" in out
    for words in ("base networks: step", "conditions, 4", "scratch: test"):
        assert words in out
    assert "In all 24 networks, at least" in out and "Next: transfer-jax run" in out
    # Nothing of the process is another afterwards.
    assert dict(os.environ) == before
    assert target_backend() == jax.default_backend() == "cpu"
