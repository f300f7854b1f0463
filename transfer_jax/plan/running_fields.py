"""The fields that say how a run goes about its work: all but one change no number."""

from dataclasses import dataclass

from transfer_jax.models.precision import PRECISIONS
from transfer_jax.plan.fields import Affects, setting


@dataclass(frozen=True)
class Reading:
    """How batches of a stream are read."""

    workers: int = setting(
        0, "processes that read and decode; 0: threads of this one", low=0, high=1024
    )
    threads: int = setting(8, "threads of each process", low=1, high=1024)
    ahead: int = setting(8, "batches that wait in memory", low=1, high=10_000)


@dataclass(frozen=True)
class Checkpoint:
    """When columns in training are kept, and what of them at the end."""

    minutes: float = setting(5.0, "between two checkpoints; 0: none by time", low=0.0, high=1e6)
    steps: int = setting(0, "steps between two checkpoints; 0: none by steps", low=0, high=10**8)
    grace: float = setting(
        25.0, "seconds from SIGTERM or SIGINT to the end at the latest", low=0.0, high=1e6
    )
    networks: str = setting(
        "bases", "all: the layers that each condition trained are kept too",
        choices=("bases", "all"),
    )  # fmt: skip


@dataclass(frozen=True)
class Logs:
    """What is written as training goes on."""

    every: int = setting(20, "steps between two lines; a stop is seen then too", low=1, high=10**8)
    tensorboard: bool = setting(True, "whether events are written for TensorBoard")


@dataclass(frozen=True)
class Cache:
    """What of frozen layers is computed once, and not at every step."""

    share: float = setting(
        0.25, "share of memory that activations of frozen layers may take; 0: none are kept",
        low=0.0, high=0.9,
    )  # fmt: skip
    disk: float = setting(
        0.0, "GiB of disk, where TMPDIR lies, that they may take in each process, in place of "
        "memory whose share is too small for all of them; 0: none",
        low=0.0, high=1e6,
    )  # fmt: skip
    precision: str = setting(
        "float32", "bfloat16: they are rounded to it, in half the bytes; float32: as computed",
        choices=PRECISIONS, affects=Affects.PROGRAM,
    )  # fmt: skip
