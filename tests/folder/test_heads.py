"""Linear heads on disk: files of before are read, and what is not there is told."""

import numpy as np
import pytest
from etils import epath

from transfer_jax.folder.checkpoints import CheckpointError
from transfer_jax.folder.heads import SolvedHead, read_head, write_heads


def test_a_file_of_before_is_read(tmp_path):
    """It had heads by the number of layers below them, and none on all layers."""
    kernel, bias = np.arange(6.0).reshape(3, 2), np.array([1.0, -1.0])
    np.savez(tmp_path / "heads.npz", **{"kernel.7": kernel, "bias.7": bias, "strength.7": 0.1})
    found = read_head(epath.Path(tmp_path / "heads.npz"), "7")
    np.testing.assert_array_equal(found.kernel, kernel)
    np.testing.assert_array_equal(found.bias, bias)
    assert found.strength == 0.1
    with pytest.raises(CheckpointError, match=r"heads\.npz cannot be read: .*kernel\.head2toe"):
        read_head(epath.Path(tmp_path / "heads.npz"), "head2toe")


def test_heads_of_both_kinds_lie_side_by_side(tmp_path):
    path = epath.Path(tmp_path / "heads.npz")
    one, other = (SolvedHead(np.full((n, 2), n), np.zeros(2), 0.1 * n) for n in (3, 8))
    write_heads(path, {"3": one, "head2toe": other})
    for name, head in (("3", one), ("head2toe", other)):
        found = read_head(path, name)
        np.testing.assert_array_equal(found.kernel, head.kernel)
        assert found.strength == head.strength
