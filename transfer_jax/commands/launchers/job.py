"""What is launched, whichever engine starts it."""

import re
import shlex
from dataclasses import dataclass
from typing import NamedTuple

from transfer_jax.plan.fields import ConfigError


class LaunchError(ConfigError):
    """A job that an engine cannot be asked for."""


class Step(NamedTuple):
    """One thing that a launch does: a file that is written, or a command that is run."""

    command: tuple[str, ...] = ()
    file: str = ""
    content: str = ""


@dataclass(frozen=True)
class Job:
    """A run on another machine.

    Attributes:
      name: lower case letters, digits and hyphens.
      config: the config's file or name.
      overrides: `--config.field=value` arguments.
      workdir: the run's folder, where the job can write: `gs://bucket/folder`.
      accelerator: `v5e-16`, `v6e-8`, `h100:1`.
      spot: whether machines may be taken away; the job then goes on elsewhere.
      zone: zone of Google Cloud, or empty.
      project: project of Google Cloud, or empty.
      cluster: cluster of GKE, or empty.
      image: container image, or empty.
      package: what pip installs on the machine.
    """

    name: str
    config: str
    overrides: tuple[str, ...]
    workdir: str
    accelerator: str
    spot: bool = True
    zone: str = ""
    project: str = ""
    cluster: str = ""
    image: str = ""
    package: str = "transfer_jax"

    @property
    def run(self) -> str:
        """The command that the machine runs, as often as it is started."""
        parts = ["transfer-jax", "run", f"--config={self.config}", f"--workdir={self.workdir}"]
        return shlex.join([*parts, *self.overrides])


# Generation of TPU to its name in Google's types of machine, and the software of its machines.
TPUS = {
    "v4": ("v4", "tpu-ubuntu2204-base"),
    "v5e": ("v5litepod", "v2-alpha-tpuv5-lite"),
    "v5p": ("v5p", "v2-alpha-tpuv5"),
    "v6e": ("v6e", "v2-alpha-tpuv6e"),
}


def tpu(accelerator: str) -> tuple[str, str] | None:
    """Google's names for a TPU.

    Args:
      accelerator: such as `v5e-16`.

    Returns:
      Its type and the version of its software; None for what is no TPU.

    Raises:
      LaunchError: a TPU that is not known.

    Example:
      >>> tpu("v5e-16")
      ('v5litepod-16', 'v2-alpha-tpuv5-lite')
      >>> tpu("h100:8")
    """
    if not (match := re.fullmatch(r"(v\d\w*)-(\d+)", accelerator)):
        return None
    generation, size = match.groups()
    if generation not in TPUS:
        raise LaunchError(f"accelerator is '{accelerator}'; TPUs: {', '.join(TPUS)}")
    kind, runtime = TPUS[generation]
    return f"{kind}-{size}", runtime


def check(job: Job) -> None:
    """Check what every engine asks for.

    Args:
      job: the job.

    Raises:
      LaunchError: the name or the accelerator is not one.

    Example:
      >>> check(Job("A_b", "fashion_mnist", (), "gs://b/r", "v5e-8"))
      Traceback (most recent call last):
      ...
      transfer_jax.commands.launchers.job.LaunchError: name is 'A_b'; allowed: lower case, digits, \
hyphens
    """
    if not re.fullmatch(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", job.name):
        raise LaunchError(f"name is '{job.name}'; allowed: lower case, digits, hyphens")
    if tpu(job.accelerator) is None and not re.fullmatch(r"[\w-]+:\d+", job.accelerator):
        raise LaunchError(f"accelerator is '{job.accelerator}'; such as v5e-16 or h100:8")
    if not job.workdir.startswith("gs://"):
        raise LaunchError(
            f"workdir is '{job.workdir}'; a machine that vanishes takes its disk along: gs://..."
        )


def need(job: Job, *names: str) -> None:
    """Check that an engine has what it needs.

    Args:
      job: the job.
      names: fields that must not be empty.

    Raises:
      LaunchError: one is empty.

    Example:
      >>> need(Job("a", "fashion_mnist", (), "gs://b/r", "v5e-8"), "zone")
      Traceback (most recent call last):
      ...
      transfer_jax.commands.launchers.job.LaunchError: this engine needs --zone
    """
    if missing := [f"--{name}" for name in names if not getattr(job, name)]:
        raise LaunchError(f"this engine needs {', '.join(missing)}")
