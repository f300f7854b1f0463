"""The training loop: the columns of one slot, from their first step to their test accuracy."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float

from transfer_jax.data.pipeline import DeviceImages
from transfer_jax.engine.columns import ColumnStart
from transfer_jax.engine.mesh import over_columns, place
from transfer_jax.engine.step import ColumnProgram, Metrics
from transfer_jax.models.layered import Params

OnProgress = Callable[[int, float, float], None]


class ColumnOutcome(NamedTuple):
    """What training a column gives, in the order of its cuts."""

    top1: Float[np.ndarray, " cut"]
    loss: Float[np.ndarray, " cut"]
    params: dict[str, Params]


class CompiledProgram:
    """A column program, compiled once for a mesh and called for every slot of columns.

    Args:
      program: the computation of one column.
      mesh: the mesh of devices.
    """

    def __init__(self, program: ColumnProgram, mesh: Mesh) -> None:
        self.program, self.mesh = program, mesh
        self.train = over_columns(program.train, mesh, shared=(2,), donate=(0,))
        self.evaluate = over_columns(program.evaluate, mesh, shared=(3,), donate=(0,))

    def run(
        self,
        starts: Sequence[ColumnStart],
        images: DeviceImages,
        steps: int,
        on_progress: OnProgress,
        log_every: int = 20,
    ) -> list[ColumnOutcome]:
        """Train and test one slot of columns.

        Args:
          starts: what each column starts from; at most as many as devices.
          images: the dataset, on every device.
          steps: training steps.
          on_progress: called with (steps done since the last call, mean loss, mean accuracy).
          log_every: steps between two calls; metrics leave the device only then.

        Returns:
          One outcome a column.
        """
        program, mesh = self.program, self.mesh
        state = place([program.init(start.networks) for start in starts], mesh)
        trunk = place([{n: s.trunk[n] for n in program.trunk_layers} for s in starts], mesh)
        inputs = place([start.inputs for start in starts], mesh)
        due = 0
        for step in range(1, steps + 1):
            state, metrics = self.train(state, trunk, images, inputs)
            due += 1
            if due == log_every or step == steps:
                on_progress(due, *_means(metrics))
                due = 0
        counts = place([program.no_counts()] * len(starts), mesh)
        for _ in range(inputs.test_batches.shape[1]):
            counts = self.evaluate(counts, state.params, trunk, images, inputs)
        counts = jax.device_get(counts)
        params = jax.device_get(state.params)
        return [
            ColumnOutcome(
                top1=counts.correct[i] / counts.examples[i],
                loss=counts.loss[i] / counts.examples[i],
                params=jax.tree.map(lambda leaf, i=i: leaf[i], params),
            )
            for i in range(len(starts))
        ]


def _means(metrics: Metrics) -> tuple[float, float]:
    loss, accuracy = jax.device_get((metrics.loss, metrics.accuracy))
    return float(np.mean(loss)), float(np.mean(accuracy))
