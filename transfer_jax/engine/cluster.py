"""Where a process stands among others, as the variables of a scheduler say it.

Schedulers set some variables for a job and others for a step of it; they are left over in shells,
and come empty or in part. Only what a launcher says whole, of a step of several tasks, is a place.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

# Ports that the coordinator of a job may have, as JAX chooses them; on TPUs it is always one.
PORTS = range(61440, 65536)
TPU_PORT = "8482"
# From here on Slurm numbers steps that are no `srun`: batch scripts, shells of `salloc`.
FIRST_SPECIAL_STEP = 0xFFFFFFF0
HOST = r"(?a:\w[\w.-]*)"


class ClusterError(ValueError):
    """Processes that cannot find each other, or that do not belong together."""


@dataclass(frozen=True)
class Place:
    """Where a process stands among the others.

    Attributes:
      coordinator: `host:port` of process 0.
      processes: number of processes.
      process: number of this one, from 0.
      devices: numbers of the machine's GPUs that are this process's; nothing takes all it sees.
    """

    coordinator: str
    processes: int
    process: int
    devices: tuple[int, ...] = ()


def place_in_cluster(environment: Mapping[str, str], on_tpu: bool = False) -> Place | None:
    """The place of a process that a scheduler started together with others.

    Args:
      environment: the environment variables.
      on_tpu: whether the process computes on TPUs; elsewhere their variables say nothing.

    Returns:
      The place; None for a process of its own.

    Raises:
      ClusterError: a TPU is one of several, and which one is not said.

    Example:
      >>> place_in_cluster({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4"})  # no step: no `srun`
    """
    said = {name: value.strip() for name, value in environment.items() if value.strip()}
    # The innermost first: `mpirun` starts its own helpers as a step of Slurm.
    found = _open_mpi(said) or _slurm(said) or (_tpu(said) if on_tpu else None)
    return found if found and found.processes > 1 else None


def _slurm(said: dict[str, str]) -> Place | None:
    """A task of `srun`; the variables of steps are those of this one, NTASKS may be the job's."""
    tasks = _number(
        said, "SLURM_STEP_NUM_TASKS" if "SLURM_STEP_NUM_TASKS" in said else "SLURM_NTASKS"
    )
    job, process = _number(said, "SLURM_JOB_ID"), _number(said, "SLURM_PROCID")
    local = _number(said, "SLURM_LOCALID")
    step = _number(said, "SLURM_STEP_ID") if "SLURM_STEP_ID" in said else 0
    host = first_host(said.get("SLURM_STEP_NODELIST", ""))
    if None in (tasks, job, process, local, step) or not host:
        return None
    assert tasks is not None and job is not None and process is not None
    assert local is not None and step is not None
    if step >= FIRST_SPECIAL_STEP or process >= tasks:
        return None
    # Steps of one job run side by side.
    port = said.get("JAX_COORDINATOR_PORT", str(PORTS[(job + 997 * step) % len(PORTS)]))
    return Place(f"{host}:{port}", tasks, process, _slurm_devices(said, tasks, local))


def _slurm_devices(said: dict[str, str], tasks: int, local: int) -> tuple[int, ...]:
    """One GPU a task, where tasks share a machine whose GPUs Slurm has not divided."""
    counts = re.findall(r"(\d+)(?:\(x\d+\))?(?:,|$)", said.get("SLURM_STEP_TASKS_PER_NODE", ""))
    nodes = _number(said, "SLURM_STEP_NUM_NODES")
    share = max(map(int, counts)) if counts else ceil(tasks / nodes) if nodes else tasks
    visible = said.get("CUDA_VISIBLE_DEVICES")
    divided = visible is not None and len(visible.split(",")) < share
    return () if share == 1 or divided else (local,)


def first_host(nodes: str) -> str:
    """The first machine of Slurm's list of them.

    Args:
      nodes: the list.

    Returns:
      Its name; empty where there is none.

    Example:
      >>> first_host("node[007,010-015],other"), first_host("rack[2-3]n[1-4]"), first_host("[")
      ('node007', 'rack2n1', '')
    """
    found = re.match(r"(?:[^,\[\]]|\[[^\[\]]*\])*", nodes)
    name = re.sub(r"\[(\w+)[^\]]*\]", r"\1", found[0] if found else "")
    return name if re.fullmatch(HOST, name) else ""


def _open_mpi(said: dict[str, str]) -> Place | None:
    """A rank of `mpirun`, which says where it runs itself."""
    size, rank = _number(said, "OMPI_COMM_WORLD_SIZE"), _number(said, "OMPI_COMM_WORLD_RANK")
    local = _number(said, "OMPI_COMM_WORLD_LOCAL_RANK")
    uri = said.get("OMPI_MCA_orte_hnp_uri", "")
    found = re.match(r"(\d+)\.\d+;tcp(?:://([\w.-]+)[,:]|6://\[([0-9a-fA-F:]+)[,\]])", uri)
    if size is None or rank is None or local is None or not found or rank >= size:
        return None
    host = found[2] or f"[{found[3]}]"
    port = said.get("JAX_COORDINATOR_PORT", str(PORTS[int(found[1]) // 4096 % len(PORTS)]))
    shared = _number(said, "OMPI_COMM_WORLD_LOCAL_SIZE") != 1
    return Place(f"{host}:{port}", size, rank, (local,) if shared else ())


def _tpu(said: dict[str, str]) -> Place | None:
    """A machine of a slice of TPUs, or of several slices."""
    named = said.get("TPU_PROCESS_ADDRESSES") or said.get("TPU_WORKER_HOSTNAMES", "")
    hosts = [host for entry in named.split(",") if (host := entry.strip().partition(":")[0])]
    slices = _number(said, "MEGASCALE_NUM_SLICES") or 1
    if not hosts or len(hosts) * slices == 1:
        return None
    worker = _below(len(hosts), said, "TPU_WORKER_ID")
    part = _below(slices, said, "MEGASCALE_SLICE_ID") if slices > 1 else 0
    first = said.get("MEGASCALE_COORDINATOR_ADDRESS", "") if slices > 1 else ""
    host = first.partition(":")[0] or hosts[0]
    port = said.get("JAX_COORDINATOR_PORT", TPU_PORT)
    return Place(f"{host}:{port}", len(hosts) * slices, part * len(hosts) + worker)


def _below(count: int, said: Mapping[str, str], name: str) -> int:
    """A TPU that is one of several waits for the others, whatever this process does: no None."""
    found = _number(said, name)
    if found is None or found >= count:
        raise ClusterError(
            f"{name} is {said.get(name, '')!r}; allowed: 0 ... {count - 1}, since this TPU is one "
            f"of {count}"
        )
    return found


def _number(said: Mapping[str, str], name: str) -> int | None:
    text = said.get(name, "")
    return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else None
