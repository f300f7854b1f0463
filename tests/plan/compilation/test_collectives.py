"""Who talks to whom in a compiled program, in all the ways in which its text says it."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from transfer_jax.plan.compilation.collectives import collectives_by_axis, told

LINE = "  %a.1 = f32[8]{{0:T(128)}} {kind}(%b), channel_id=1, {groups}, use_global_device_ids=true"


def mesh(columns: int, data: int) -> Any:
    devices = np.arange(columns * data).reshape(columns, data)
    return SimpleNamespace(devices=devices, axis_names=("column", "data"))


@pytest.mark.parametrize(
    ("groups", "axis"),
    [
        # Written out: rows of four columns of two devices are 0 1, 2 3, 4 5, 6 7.
        ("replica_groups={{0,1},{2,3},{4,5},{6,7}}", "data"),
        ("replica_groups={{0,2,4,6},{1,3,5,7}}", "column"),
        ("replica_groups={{0,3},{1,2},{4,7},{5,6}}", "column and data"),
        ("replica_groups={}", "column and data"),
        ("replica_groups={{0,1},{2},{3},{4},{5},{6},{7}}", "data"),
        # Rows of numbers that were reshaped and transposed.
        ("replica_groups=[4,2]<=[8]", "data"),
        ("replica_groups=[2,4]<=[4,2]T(1,0)", "column"),
        ("replica_groups=[1,8]<=[8]", "column and data"),
        # Axes of a mesh of the program's own, or parts of them.
        ("replica_groups=mesh['axis_0'=4,'axis_1'=2] {'axis_1'}", "data"),
        ("replica_groups=mesh['axis_0'=4,'axis_1'=2] {'axis_0'}", "column"),
        ("replica_groups=mesh['a'=4,'b'=2] {'a','b'}", "column and data"),
        ("replica_groups=mesh['a'=8] {'a':(4)2}", "data"),
        ("replica_groups=mesh['a'=8] {'a':(1)4}", "column"),
        # And of devices that lie in it in another order: 0 2 4 6 1 3 5 7, or 0 4 1 5 2 6 3 7.
        ("replica_groups=mesh['a'=2,'b'=4], device_ids=([4,2]T(1,0)) {'b'}", "column"),
        ("replica_groups=mesh['a'=2,'b'=4], device_ids=([4,2]T(1,0)) {'a'}", "data"),
        ("replica_groups=mesh['a'=4,'b'=2,'c'=1], device_ids=([2,4]T(1,0)) {'b'}", "column"),
        ("replica_groups=mesh['a'=8], device_ids=([8]) {'a':(4)2}", "data"),
        ("source_target_pairs={{0,1},{1,0},{2,3},{3,2}}", "data"),
        ("source_target_pairs={{0,2},{2,0}}", "column"),
    ],
)
def test_the_axis_is_that_along_which_members_of_a_group_differ(groups, axis):
    for kind in ("all-reduce", "all-gather-start", "collective-permute"):
        text = LINE.format(kind=kind, groups=groups)
        found = collectives_by_axis(text, mesh(4, 2))
        assert found == {axis: Counter({kind.removesuffix("-start"): 1})}


def test_groups_of_one_say_nothing():
    alone = "replica_groups={{0},{1},{2},{3}}"
    assert collectives_by_axis(LINE.format(kind="all-reduce", groups=alone), mesh(4, 1)) == {}
    assert collectives_by_axis("  %a = f32[8] fusion(%all-reduce.1)", mesh(4, 1)) == {}


def test_each_is_counted_once_started_and_done():
    groups = "replica_groups=[4,2]<=[8]"
    lines = [LINE.format(kind=kind, groups=groups) for kind in ("all-reduce", "all-reduce-start")]
    lines += ["  %c = f32[8] all-reduce-done(%d)", LINE.format(kind="all-to-all", groups=groups)]
    found = collectives_by_axis("\n".join(lines), mesh(4, 2))
    assert found == {"data": Counter({"all-reduce": 2, "all-to-all": 1})}
    assert told(found) == "2 all-reduce, 1 all-to-all on data"


@pytest.mark.parametrize(
    "groups",
    [
        "replica_groups=new[3]",
        "replica_groups=mesh['a'=2], device_ids=(1,0) {'a'}",
        "replica_groups=mesh['a'=2,device_ids=([2])] {'a'}",
    ],
)
def test_what_cannot_be_read_is_an_error(groups):
    with pytest.raises(ValueError, match="compiled program"):
        collectives_by_axis(LINE.format(kind="all-reduce", groups=groups), mesh(2, 1))
