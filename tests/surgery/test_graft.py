import jax
import jax.numpy as jnp
import numpy as np
import pytest

from transfer_jax import GraftError, diff, graft, reinitialise


def net(value: float, width: int = 3):
    return {"conv1": {"kernel": jnp.full((2, width), value)}, "fc2": {"kernel": jnp.full(4, value)}}


def test_only_the_selected_leaves_come_from_the_donor():
    result = graft(net(0.0), net(1.0), "conv1/**")
    assert diff(result["conv1"], net(1.0)["conv1"]).moved == {}
    assert diff(result["fc2"], net(0.0)["fc2"]).moved == {}


def test_all_mismatches_are_listed_at_once_with_both_sides():
    donor = {"conv1": {"kernel": jnp.ones((2, 5))}}
    with pytest.raises(GraftError) as error:
        graft(net(0.0), donor, "**")
    message = str(error.value)
    assert "conv1/kernel: recipient has float32[2, 3], donor has float32[2, 5]" in message
    assert "fc2/kernel: recipient has float32[4], donor has no such leaf" in message


def test_dtypes_must_agree():
    with pytest.raises(GraftError, match=r"float32\[4\], donor has bfloat16\[4\]"):
        graft({"a": jnp.zeros(4)}, {"a": jnp.zeros(4, jnp.bfloat16)}, "a")


def test_keep_leaves_what_does_not_fit():
    result = graft(net(0.0), net(1.0, width=5), "**", on_mismatch="keep")
    assert result["conv1"]["kernel"].sum() == 0
    assert result["fc2"]["kernel"].sum() == 4


def test_on_mismatch_is_checked():
    with pytest.raises(ValueError, match="allowed: 'error', 'keep'"):
        graft(net(0.0), net(1.0), "**", on_mismatch="ignore")  # pyright: ignore


@pytest.mark.parametrize(
    "rename", [{"backbone/conv1": "conv1"}, lambda path: path.removeprefix("backbone/")]
)
def test_donor_paths_can_be_renamed(rename):
    result = graft(net(0.0), {"backbone": net(1.0)}, "conv1/*", rename=rename)
    assert result["conv1"]["kernel"].sum() == 6


def test_two_leaves_renamed_to_one_is_an_error():
    with pytest.raises(
        GraftError, match="conv1/kernel and fc2/kernel, are renamed to conv1/kernel"
    ):
        graft(net(0.0), net(1.0), "conv1/*", rename=lambda path: "conv1/kernel")


def test_works_under_jit_on_keys_and_on_numpy():
    assert (
        jax.jit(lambda a, b: graft(a, b, "fc2/*"))(net(0.0), net(1.0))["fc2"]["kernel"].sum() == 4
    )
    key = graft({"k": jax.random.key(0)}, {"k": jax.random.key(1)}, "k")["k"]
    assert key == jax.random.key(1)
    donor = {"a": np.ones(2)}
    result = graft({"a": np.zeros(2)}, donor, "a")
    result["a"][0] = 5
    assert donor["a"][0] == 1


def test_reinitialise_takes_fresh_leaves():
    result = reinitialise(net(1.0), net(0.0), "fc2/*")
    assert result["fc2"]["kernel"].sum() == 0
    assert result["conv1"]["kernel"].sum() == 6


def test_the_longest_first_keys_decide_a_new_name():
    donor = {"a": {"b": {"k": jnp.ones(1)}, "c": {"k": jnp.full(1, 2.0)}}}
    recipient = {"x": {"c": {"k": jnp.zeros(1)}}, "y": {"k": jnp.zeros(1)}}
    for rename in ({"a": "x", "a/b": "y"}, {"a/b": "y", "a": "x"}):
        result = graft(recipient, donor, "**", rename=rename)
        assert (result["x"]["c"]["k"].item(), result["y"]["k"].item()) == (2.0, 1.0)
