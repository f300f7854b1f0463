"""Tests in a fork of a process that has imported the libraries, so that a mutant costs no start."""

import importlib
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

LIBRARIES = (
    *("coverage", "hypothesis", "pytest", "numpy", "scipy.stats", "scipy.optimize", "jax.numpy"),
    *(
        "optax.contrib",
        "flax.linen",
        "flax.nnx",
        "equinox",
        "orbax.checkpoint",
        "safetensors.numpy",
    ),
    *("ml_collections", "rich.progress", "grain", "array_record", "PIL.Image", "pandas"),
    "matplotlib.pyplot",
)


def prepare(folder: Path) -> None:
    """Import the libraries, and let the package be found in a folder.

    Args:
      folder: a copy of the repository.
    """
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["MPLBACKEND"] = "agg"
    os.environ["PYTHONPATH"] = str(folder)
    os.chdir(folder)
    sys.path[:] = [str(folder), *(entry for entry in sys.path if entry)]
    for library in LIBRARIES:
        importlib.import_module(library)
    if "transfer_jax" in sys.modules:
        raise RuntimeError("the package is imported already: mutants would not be")


def forked(job: Callable[[], int], log: Path, limit: float) -> int | None:
    """What a job returns in a process of its own.

    Args:
      job: what to do; nothing that needs JAX may have run in this process.
      log: a file for what it prints.
      limit: seconds of computing that it may take; ten times that if it only waits.

    Returns:
      The exit code; None if the limit stopped it.
    """
    child = os.fork()
    if child == 0:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit)))
        _become(job, log)
    end = time.monotonic() + 10 * limit
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            return None if code in (-signal.SIGXCPU, -signal.SIGKILL) else code
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _become(job: Callable[[], int], log: Path) -> None:
    code = 99
    try:
        with log.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        code = job()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
