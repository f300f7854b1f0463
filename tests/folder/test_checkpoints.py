import jax.numpy as jnp
import numpy as np
import pytest

from transfer_jax import diff
from transfer_jax.folder.checkpoints import CheckpointError, restore, save

TREE = {"conv1": {"kernel": jnp.arange(6.0).reshape(2, 3)}, "fc2": {"bias": jnp.ones(2)}}


def test_what_was_saved_comes_back_to_the_bit(tmp_path):
    save(tmp_path / "net", TREE)
    assert not diff(TREE, restore(tmp_path / "net", TREE))
    save(tmp_path / "net", {"conv1": {"kernel": jnp.zeros(1)}})
    assert restore(tmp_path / "net", {"conv1": {"kernel": jnp.ones(1)}})["conv1"]["kernel"] == 0


@pytest.mark.parametrize(
    "like",
    [
        {**TREE, "fc3": {"bias": jnp.ones(2)}},
        {"conv1": TREE["conv1"]},
        {**TREE, "fc2": {"bias": jnp.ones(3)}},
        {**TREE, "fc2": {"bias": jnp.ones(2, jnp.float16)}},
    ],
    ids=["deeper", "shallower", "other shape", "other dtype"],
)
def test_a_network_of_another_shape_is_refused(tmp_path, like):
    save(tmp_path / "net", TREE)
    with pytest.raises(CheckpointError, match="holds no network of this shape"):
        restore(tmp_path / "net", like)


def test_a_missing_checkpoint_is_told(tmp_path):
    with pytest.raises(CheckpointError, match="holds no network"):
        restore(tmp_path / "none", TREE)


def test_why_a_checkpoint_cannot_be_read_is_told_in_one_line(tmp_path):
    like = {"a": {"kernel": np.zeros((2, 3), np.float32)}}
    save(tmp_path / "net", like)
    other = {"b": {"kernel": np.zeros((2, 3), np.float32)}}
    for path, asked in ((tmp_path / "none", like), (tmp_path / "net", other)):
        with pytest.raises(CheckpointError) as error:
            restore(path, asked)
        start = f"{path} holds no network of this shape: "
        reason = str(error.value).removeprefix(start)
        assert str(error.value).startswith(start) and len(reason) > 4
        assert "\n" not in reason and len(reason) <= 200
