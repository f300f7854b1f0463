"""Arrays on disk."""

import shutil
import tempfile

import jax.numpy as jnp
import numpy as np
import pytest

from transfer_jax.data.order import KeptTrunk
from transfer_jax.engine.disk import GIB, bytes_on_disk, disk_for, on_disk


def test_an_array_on_disk_holds_what_is_written_and_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    held = on_disk((3, 5), jnp.bfloat16)
    held[:, 2] = [1, 2, 3]
    assert held[:, 2].astype(int).tolist() == [1, 2, 3] and held[:, 1].astype(int).sum() == 0
    assert not list(tmp_path.iterdir())
    assert bytes_on_disk(KeptTrunk(np.zeros(1, np.int32), {1: held, 2: np.array(held)})) == 30
    assert bytes_on_disk(None) == 0


def test_a_disk_without_room_says_so_at_once():
    with pytest.raises(OSError, match=r"space|large"):
        on_disk((2**50,), np.float32)


def test_what_is_free_is_the_most_that_may_be_taken(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 6, 3 * GIB))
    assert (disk_for(0.5), disk_for(100), disk_for(100, GIB)) == (GIB // 2, 2 * GIB, 3 * GIB)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 7))
    assert disk_for(100) == 0


def test_who_wants_no_disk_needs_none(monkeypatch):
    """A container may have no folder for files that go."""
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/no/such/folder")
    assert disk_for(0.0) == 0
    with pytest.raises(OSError, match="/no/such/folder"):
        disk_for(1.0)
