"""JAX's profiler over a range of steps."""

from collections.abc import Callable, Sequence

import jax
from etils import epath

from transfer_jax.engine.loop import OnPause, Pause


class Profiled:
    """Profiles the first slot that passes a range of steps.

    Args:
      folder: where the profile is written; TensorBoard and Perfetto read it.
      steps: the first and last step; (0, 0) profiles nothing.
    """

    def __init__(self, folder: epath.Path, steps: Sequence[int]) -> None:
        self.folder, (self.first, self.last) = folder, steps
        self.steps = tuple(step for step in steps if step)
        self.running = False

    def around(self, on_pause: OnPause) -> Callable[[Pause], None]:
        """A function for the loop's pauses that begins and ends the profile, too.

        Args:
          on_pause: what else is done at a pause.

        Returns:
          The function.
        """

        def profiled(pause: Pause) -> None:
            if self.running and pause.done >= self.last:
                self.stop()
            on_pause(pause)
            if self.steps and pause.done == self.first:
                jax.profiler.start_trace(str(self.folder))
                self.running, self.steps = True, (self.last,)

        return profiled

    def stop(self) -> None:
        """End the profile, if one is running."""
        if self.running:
            jax.profiler.stop_trace()
            self.running, self.steps, self.first = False, (), 0
