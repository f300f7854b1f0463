"""The state of a column in training on disk: written beside the training, checked when read."""

import contextlib
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from jaxtyping import PyTree

from transfer_jax.engine.columns import ResumePoint
from transfer_jax.engine.counts import Counts, Evaluation
from transfer_jax.engine.step import ColumnState
from transfer_jax.folder.checkpoints import CheckpointError, alone, digest, write_error
from transfer_jax.folder.places import rooted
from transfer_jax.surgery.paths import leaf_paths

KEPT = 2


class DamagedCheckpoint(CheckpointError):
    """A checkpoint whose bytes are not those that were written."""


class ColumnCheckpoints:
    """The last checkpoints of one column: whoever trains it, on whatever devices, can go on.

    A checkpoint holds the parameters and optimizer state of every condition, the step, and the
    evaluations so far; the batches and the random numbers of a step follow from the column and
    the step.

    Args:
      folder: where they lie.
      identity: what they are of: the run's fingerprint, the column, its random key; what is read
        must have been written with the same.
    """

    def __init__(self, folder: epath.Path, identity: dict[str, Any]) -> None:
        self.folder, self.identity = folder, identity
        self.manager: ocp.CheckpointManager | None = None

    def save(self, resume_point: ResumePoint) -> None:
        """Start to write where the column stands; it is there when `wait` returns, or not at all.

        Args:
          resume_point: the state, in host memory, and the evaluations.

        Raises:
          OSError: this checkpoint, or the one before, cannot be written.
        """
        step = int(resume_point.state.step)
        if self.manager is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.manager = ocp.CheckpointManager(rooted(self.folder), options=_options())
        about = {
            "identity": self.identity,
            "step": step,
            "leaves": _leaves(resume_point.state),
            "evaluations": [_as_json(done, found) for done, found in resume_point.evaluations],
        }
        content = ocp.args.Composite(
            state=ocp.args.StandardSave(resume_point.state),
            about=ocp.args.JsonSave({**about, "digest": digest(about)}),
        )
        try:
            self.manager.save(step, args=content)
        except Exception as error:
            # A new manager clears away what this one left half written.
            self.close()
            raise write_error(self.folder, error) from None

    def wait(self) -> None:
        """Wait until what was saved is on disk.

        Raises:
          OSError: it could not be written.
        """
        if self.manager is not None:
            try:
                self.manager.wait_until_finished()
            except Exception as error:
                raise write_error(self.folder, error) from None

    def delete(self) -> None:
        """Remove the checkpoints of a column that is finished."""
        self.close()
        if self.folder.exists():
            self.folder.rmtree()

    def close(self) -> None:
        """Let go of what writes; what it could not write, `save` or `wait` tell."""
        manager, self.manager = self.manager, None
        if manager is not None:
            with contextlib.suppress(Exception):  # orbax raises errors of many libraries
                manager.close()

    def steps(self) -> list[int]:
        """The steps of the checkpoints that are whole, in order."""
        if not self.folder.exists():
            return []
        found = ocp.path.step.standard_name_format().find_all(self.folder)
        return sorted(step.step for step in found)

    def restore(self, step: int, like: ColumnState) -> ResumePoint:
        """Read where the column stood.

        Args:
          step: one of `steps`.
          like: a state, or one of `jax.ShapeDtypeStruct`, of the same structure.

        Returns:
          The state and the evaluations, in host memory.

        Raises:
          DamagedCheckpoint: what is read is not what was written.
          CheckpointError: it is of another run, column or structure; both sides are listed.
        """
        where = self.folder / str(step)
        about = self._read(where, about=ocp.args.JsonRestore())["about"]
        try:
            if digest({k: v for k, v in about.items() if k != "digest"}) != about["digest"]:
                raise DamagedCheckpoint(f"{where} is damaged: its description has changed")
            self._check(where, about, like)
            target = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), like)
            state = self._read(where, state=ocp.args.StandardRestore(target))["state"]
            changed = _differences(about["leaves"], _leaves(state), "written", "read")
            evaluations = [_from_json(held) for held in about["evaluations"]]
        except (KeyError, TypeError, AttributeError) as error:
            raise DamagedCheckpoint(f"{where} is damaged: {error}") from None
        if changed:
            raise DamagedCheckpoint(f"{where} is damaged: {'; '.join(changed)}")
        return ResumePoint(state, evaluations)

    def _read(self, where: epath.Path, **items: Any) -> Any:
        options = ocp.CheckpointManagerOptions(read_only=True, multiprocessing_options=alone())
        try:
            with ocp.CheckpointManager(rooted(self.folder), options=options) as manager:
                return manager.restore(int(where.name), args=ocp.args.Composite(**items))
        except Exception as error:  # orbax raises errors of many libraries
            reason = " ".join(str(error).split())[:200]
            raise DamagedCheckpoint(f"{where} is damaged: {reason}") from None

    def _check(self, where: epath.Path, about: dict[str, Any], like: ColumnState) -> None:
        held = {path: leaf[:2] for path, leaf in about["leaves"].items()}
        asked = {path: leaf[:2] for path, leaf in _leaves(like, sums=False).items()}
        odd = [
            *_differences(about["identity"], self.identity, "there", "here"),
            *_differences(held, asked, "there", "here"),
        ]
        if odd:
            raise CheckpointError(f"{where} is of something else: {'; '.join(odd)}")


def _options() -> ocp.CheckpointManagerOptions:
    return ocp.CheckpointManagerOptions(
        max_to_keep=KEPT,
        create=False,
        cleanup_tmp_directories=True,
        multiprocessing_options=alone(),
        enable_async_checkpointing=True,
    )


def _leaves(tree: PyTree, *, sums: bool = True) -> dict[str, list[Any]]:
    """Of each leaf by its path: dtype, shape, and a sum over its bytes."""
    leaves = jax.tree.leaves(tree)
    with ThreadPoolExecutor() as pool:
        found: Iterable[int] = pool.map(_sum, leaves) if sums else [0] * len(leaves)
        return {
            path: [str(leaf.dtype), list(leaf.shape), value]
            for path, leaf, value in zip(leaf_paths(tree), leaves, found, strict=True)
        }


def _sum(leaf: np.ndarray) -> int:
    return zlib.crc32(np.asarray(leaf, order="C").reshape(-1).view(np.uint8).data)


def _differences(a: dict[str, Any], b: dict[str, Any], here: str, there: str) -> list[str]:
    return [
        f"{name}: {a.get(name, 'absent')} {here}, {b.get(name, 'absent')} {there}"
        for name in sorted(a.keys() | b.keys())
        if a.get(name) != b.get(name)
    ]


def _as_json(done: int, found: Evaluation) -> dict[str, Any]:
    subsets = {
        subset: {name: np.asarray(value).tolist() for name, value in counts._asdict().items()}
        for subset, counts in found._asdict().items()
    }
    return {"done": done, **subsets}


def _from_json(held: dict[str, Any]) -> tuple[int, Evaluation]:
    dtypes = {n: np.int32 if n in ("examples", "batch") else np.float32 for n in Counts._fields}
    subsets = {
        subset: Counts(**{n: np.asarray(held[subset][n], t) for n, t in dtypes.items()})  # pyright: ignore
        for subset in Evaluation._fields
    }
    return held["done"], Evaluation(**subsets)
