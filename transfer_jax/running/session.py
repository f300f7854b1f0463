"""What the slots of one training share: who looks on, who may stop it, what is made once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from transfer_jax.running.controls.column import ColumnControls
from transfer_jax.running.feeds import Feeds
from transfer_jax.running.logs import Writers
from transfer_jax.running.profiling import Profiled
from transfer_jax.running.programs import Programs
from transfer_jax.running.progress import RunProgress
from transfer_jax.running.run import Run
from transfer_jax.running.stopping import StopRequest


@dataclass(frozen=True)
class Session:
    """What the slots of one training share.

    Attributes:
      progress: what a person sees.
      stop: whether the process was asked to stop.
      still_ours: raises an error where a folder is no longer this process's.
      feeds: where images come from.
      programs: what is compiled.
      controls: measures what is asked for beside accuracy.
      profiled: the profile of some steps.
      writers: TensorBoard's, of the runs that want them.
    """

    progress: RunProgress
    stop: StopRequest
    still_ours: Callable[[], None]
    feeds: Feeds
    programs: Programs
    controls: ColumnControls
    profiled: Profiled
    writers: Mapping[Run, Writers]
