"""What people read: summaries and reports."""

import json

import jax
import jax.numpy as jnp

import transfer_jax as tj

NET = {
    "stage1": {"block0": {"kernel": jnp.zeros((2, 3))}, "block1": {"kernel": jnp.zeros(4)}},
    "head": {"kernel": jnp.zeros((4, 2), jnp.bfloat16), "bias": jnp.zeros(2)},
}


def test_a_summary_counts_parameters_bytes_and_what_is_frozen():
    found = tj.summary(NET, "**/kernel")
    assert [layer.name for layer in found.layers] == ["head", "stage1"]
    head, stage = found.layers
    assert (head.parameters, head.bytes, head.frozen, head.state) == (10, 24, 8, "partly frozen")
    assert (stage.parameters, stage.state) == (10, "frozen")
    assert (found.total.parameters, found.total.bytes, found.total.frozen) == (20, 64, 18)


def test_a_deeper_summary_names_blocks():
    names = [layer.name for layer in tj.summary(NET, depth=2).layers]
    assert names == ["head/bias", "head/kernel", "stage1/block0", "stage1/block1"]


def test_a_summary_needs_no_arrays():
    shapes = jax.eval_shape(lambda: NET)
    assert str(tj.summary(shapes)) == str(tj.summary(NET))


def test_a_report_prints_and_goes_into_json():
    donor = {"backbone": NET["stage1"], "head": {"kernel": jnp.zeros((4, 9), jnp.bfloat16)}}
    report = tj.graft_report(NET, donor, ["stage1/**", "head/*"], rename={"backbone": "stage1"})
    assert json.loads(json.dumps(report.as_dict())) == {
        "grafted": {
            "stage1/block0/kernel": "backbone/block0/kernel",
            "stage1/block1/kernel": "backbone/block1/kernel",
        },
        "kept": [],
        "mismatched": {
            "head/bias": ["float32[2]", "no such leaf"],
            "head/kernel": ["bfloat16[4, 2]", "bfloat16[4, 9]"],
        },
        "unused": ["head/kernel"],
    }
    assert "grafted    stage1/block0/kernel  from backbone/block0/kernel" in str(report)
    assert "mismatched head/kernel  recipient bfloat16[4, 2], donor bfloat16[4, 9]" in str(report)


def test_nothing_is_copied_that_need_not_be():
    grafted = tj.graft(NET, NET, "head/bias", copy=False)
    assert grafted["stage1"]["block0"]["kernel"] is NET["stage1"]["block0"]["kernel"]
    assert grafted["head"]["bias"] is NET["head"]["bias"]
    for part in tj.partition(NET, "head/*"):
        for leaf in jax.tree.leaves(part):
            assert any(leaf is own for own in jax.tree.leaves(NET))
