"""What schedulers set, for jobs and for steps, whole and in part: the place that it means."""

import itertools
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest

from transfer_jax.engine import tpu_machine
from transfer_jax.engine.cluster import ClusterError, Place, first_host, place_in_cluster
from transfer_jax.engine.tpu_machine import with_metadata

# What Slurm sets in every process of a job of four tasks on two machines (`salloc`'s shell too).
JOB = {
    "SLURM_JOB_ID": "4711", "SLURM_JOBID": "4711", "SLURM_NTASKS": "4", "SLURM_NPROCS": "4",
    "SLURM_JOB_NODELIST": "node[007-008]", "SLURM_NODELIST": "node[007-008]",
    "SLURM_NNODES": "2", "SLURM_JOB_NUM_NODES": "2", "SLURM_TASKS_PER_NODE": "2(x2)",
    "SLURM_CLUSTER_NAME": "c",
}  # fmt: skip
# The batch script itself is started once, as "task 0".
BATCH = {**JOB, "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
# The shell of `salloc` where it is a step of its own: NTASKS is the job's.
INTERACTIVE = {
    **BATCH, "SLURM_STEP_ID": "4294967290", "SLURM_STEPID": "4294967290",
    "SLURM_STEP_NODELIST": "node007", "SLURM_STEP_NUM_NODES": "1", "SLURM_STEP_NUM_TASKS": "1",
    "SLURM_STEP_TASKS_PER_NODE": "1",
}  # fmt: skip
# Task 2 of `srun`: the first one on the second machine.
STEP = {
    **JOB, "SLURM_PROCID": "2", "SLURM_LOCALID": "0", "SLURM_NODEID": "1",
    "SLURM_STEP_ID": "0", "SLURM_STEPID": "0", "SLURM_STEP_NODELIST": "node[007-008]",
    "SLURM_STEP_NUM_NODES": "2", "SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
}  # fmt: skip
# `srun --ntasks=1`, or `srun --pty bash`, within the same job.
ONE_TASK = {
    **STEP, "SLURM_NTASKS": "1", "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0",
    "SLURM_STEP_NODELIST": "node007", "SLURM_STEP_NUM_NODES": "1", "SLURM_STEP_TASKS_PER_NODE": "1",
}  # fmt: skip
OPEN_MPI = {
    "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1,10.148.0.1:34911",
    "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
}  # fmt: skip
# Pod 1 of a slice of four machines on GKE; a machine of its own, as Colab and Kaggle have it.
POD = {"TPU_WORKER_HOSTNAMES": "t-0.t,t-1.t,t-2.t,t-3.t", "TPU_WORKER_ID": "1"}
TPU_VM = {"TPU_WORKER_HOSTNAMES": "localhost", "TPU_WORKER_ID": "0", "TPU_SKIP_MDS_QUERY": "1"}
SLICES = {
    **POD, "MEGASCALE_NUM_SLICES": "2", "MEGASCALE_SLICE_ID": "1",
    "MEGASCALE_COORDINATOR_ADDRESS": "first.t:8080",
}  # fmt: skip

# Ports by JAX's own rule: 61440 + job modulo 4096: 4711 - 4096 = 615. Open MPI numbers its jobs in
# steps of 4096: 1531576320 / 4096 = 373920, and 373920 - 91 * 4096 = 1184.
TASK_2 = Place("node007:62055", 4, 2, (0,))
TABLE = {
    "nothing": ({}, None),
    "salloc, its shell": (JOB, None),
    "salloc, its shell a step": (INTERACTIVE, None),
    "salloc, its shell a step, tasks of steps not said": (
        {k: v for k, v in INTERACTIVE.items() if k != "SLURM_STEP_NUM_TASKS"}, None,
    ),
    "sbatch, without srun": (BATCH, None),
    "sbatch from within srun of one": ({**ONE_TASK, **BATCH}, None),
    "srun": (STEP, TASK_2),
    "srun from salloc's step": ({**INTERACTIVE, **STEP}, TASK_2),
    "srun of one task": (ONE_TASK, None),
    "srun of one task, NTASKS the job's": ({**ONE_TASK, "SLURM_NTASKS": "4"}, None),
    "srun of an old Slurm": (
        {k: v for k, v in STEP.items() if k != "SLURM_STEP_NUM_TASKS"}, TASK_2,
    ),
    "srun, a task a machine: all its GPUs": (
        {**STEP, "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_TASKS_PER_NODE": "1(x2)",
         "SLURM_PROCID": "1"},
        Place("node007:62055", 2, 1),
    ),
    "srun that divides GPUs": ({**STEP, "CUDA_VISIBLE_DEVICES": "3"}, Place("node007:62055", 4, 2)),
    "srun that does not": ({**STEP, "CUDA_VISIBLE_DEVICES": "0,1"}, TASK_2),
    # A later step has a port of its own: 615 + 997.
    "srun beside another": ({**STEP, "SLURM_STEP_ID": "1"}, Place("node007:63052", 4, 2, (0,))),
    "requeue": ({**STEP, "SLURM_RESTART_COUNT": "2"}, TASK_2),
    "a task that is none of the step's": ({**STEP, "SLURM_PROCID": "4"}, None),
    "Open MPI": (OPEN_MPI, Place("10.96.0.1:62624", 2, 1, (1,))),
    "Open MPI, a rank a machine: all its GPUs": (
        {**OPEN_MPI, "OMPI_COMM_WORLD_LOCAL_SIZE": "1", "OMPI_COMM_WORLD_LOCAL_RANK": "0"},
        Place("10.96.0.1:62624", 2, 1),
    ),
    "Open MPI within sbatch": (
        {**STEP, **OPEN_MPI}, Place("10.96.0.1:62624", 2, 1, (1,)),
    ),
    "Open MPI of one": (
        {**OPEN_MPI, "OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"}, None,
    ),
    "Open MPI, in part": ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"}, None),
    "Open MPI in part, in srun": ({**STEP, "OMPI_COMM_WORLD_SIZE": "2"}, TASK_2),
    "TPU variables on a CPU": (POD, None),
    "TPU variables on a CPU, in srun": ({**POD, **STEP}, TASK_2),
    "Kubernetes": ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JOB_COMPLETION_INDEX": "1"}, None),
    "other launchers": (
        {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "PMI_RANK": "1", "PMI_SIZE": "2"},
        None,
    ),
}  # fmt: skip
ON_TPU = {
    "nothing": ({}, None),
    "a machine of its own": (TPU_VM, None),
    "a pod": (POD, Place("t-0.t:8482", 4, 1)),
    "a pod, by addresses": (
        {"TPU_PROCESS_ADDRESSES": "10.0.0.1:8476,10.0.0.2:8476", "TPU_WORKER_ID": "1"},
        Place("10.0.0.1:8482", 2, 1),
    ),
    "two slices": (SLICES, Place("first.t:8482", 8, 5)),
    "two slices, the first machine not said": (
        {k: v for k, v in SLICES.items() if k != "MEGASCALE_COORDINATOR_ADDRESS"},
        Place("t-0.t:8482", 8, 5),
    ),
    "empty": (dict.fromkeys(SLICES, ""), None),
    "a list of one and a comma": ({"TPU_WORKER_HOSTNAMES": "a,"}, None),
    "junk of slices": ({**POD, "MEGASCALE_NUM_SLICES": "x"}, Place("t-0.t:8482", 4, 1)),
}


@pytest.mark.parametrize("name", TABLE)
def test_it_is_the_cluster_or_none(name):
    environment, meant = TABLE[name]
    assert place_in_cluster(environment) == meant


@pytest.mark.parametrize("name", ON_TPU)
def test_it_is_the_slice_or_none(name):
    environment, meant = ON_TPU[name]
    assert place_in_cluster(environment, on_tpu=True) == meant


@pytest.mark.parametrize("junk", ["", " ", "x", "-1", "1.5", "²", "(null)", "9" * 30, "[", "\n"])
def test_one_variable_of_junk_makes_it_none_or_changes_nothing(junk):
    for name in STEP:
        found = place_in_cluster({**STEP, name: junk})
        if found and name != "SLURM_STEP_NODELIST":  # Some junk is a name that a machine may have.
            assert replace(found, devices=(0,)) == TASK_2, name
    for name in OPEN_MPI:
        found = place_in_cluster({**OPEN_MPI, name: junk})
        assert found is None or found.process == 1, name


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_any_part_of_a_step_is_the_step_or_none(missing):
    for left_out in itertools.combinations(STEP, missing):
        part = {name: value for name, value in STEP.items() if name not in left_out}
        found = place_in_cluster(part)
        assert found is None or (found.coordinator, found.processes, found.process) == (
            TASK_2.coordinator, TASK_2.processes, TASK_2.process,
        ), left_out  # fmt: skip


@pytest.mark.parametrize("worker", [None, "", "x", "4"])
def test_a_tpu_of_several_that_does_not_know_which_is_told_so(worker):
    environment = {"TPU_WORKER_HOSTNAMES": POD["TPU_WORKER_HOSTNAMES"]}
    if worker is not None:
        environment["TPU_WORKER_ID"] = worker
    told = f"TPU_WORKER_ID is '{worker or ''}'; allowed: 0 ... 3, since this TPU is one of 4"
    with pytest.raises(ClusterError) as error:
        place_in_cluster(environment, on_tpu=True)
    assert str(error.value) == told


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("node001", "node001"), ("node001,host2", "node001"), ("node[001-0015],host2", "node001"),
        ("node[001,007-015],host2", "node001"), ("rack[0-3]n[1-4]", "rack0n1"),
        ("a[1-2]-ib,b", "a1-ib"), ("", ""), (",", ""), ("[", ""), ("a b", ""),
    ],
)  # fmt: skip
def test_the_first_machine_of_a_list(nodes, first):
    assert first_host(nodes) == first


class Metadata(BaseHTTPRequestHandler):
    """A TPU machine's metadata server."""

    held: ClassVar[dict[str, str]] = {
        "worker-network-endpoints": "unknown:unknown:10.1.0.2,unknown:unknown:10.1.0.3",
        "agent-worker-number": "1",
        "tpu-env": "ACCELERATOR_TYPE: 'v5e-8'\nMEGASCALE_NUM_SLICES: '2'\n"
        "MEGASCALE_SLICE_ID: '0'\nMEGASCALE_COORDINATOR_ADDRESS: '10.1.0.2:8080'\n",
    }

    def do_GET(self) -> None:
        found = self.held.get(self.path.rpartition("/")[2])
        self.send_response(200 if found and self.headers["Metadata-Flavor"] == "Google" else 404)
        self.end_headers()
        self.wfile.write((found or "").encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def server():
    with HTTPServer(("localhost", 0), Metadata) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield {"GCE_METADATA_IP": f"localhost:{server.server_address[1]}"}
        server.shutdown()
        thread.join()


def test_a_tpu_machine_asks_its_metadata(server):
    assert place_in_cluster(with_metadata(server), True) == Place("10.1.0.2:8482", 4, 1)


def test_a_tpu_machine_whose_metadata_name_no_others_is_one_of_its_own(server, monkeypatch):
    monkeypatch.setattr(Metadata, "held", {"worker-network-endpoints": "only-host"})
    assert place_in_cluster(with_metadata(server), True) is None
    monkeypatch.setattr(Metadata, "held", {})
    assert place_in_cluster(with_metadata(server), True) is None


@pytest.mark.parametrize(
    ("devices", "vendor", "driver", "asked", "found"),
    [
        ("accel0", "0x1ae0", True, "", True),
        ("vfio/0", "0x1ae0", True, "", True),
        ("accel0", "0x1ae0", True, "cpu,tpu", True),
        ("accel0", "0x1ae0", True, "cpu", False),
        ("accel0", "0x1ae0", False, "", False),
        ("accel0", "0x10de", True, "", False),
        ("nvidia0", "0x1ae0", True, "", False),
    ],
)
def test_a_tpus_machine_has_googles_devices_and_their_driver(
    devices, vendor, driver, asked, found, tmp_path, monkeypatch
):
    for place, text in (("dev/" + devices, ""), ("sys/bus/pci/devices/0/vendor", vendor + "\n")):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(tpu_machine, "Path", lambda name: tmp_path / name[1:])
    specs = {"libtpu": "there" if driver else None}
    monkeypatch.setattr(tpu_machine.importlib.util, "find_spec", specs.__getitem__)
    assert tpu_machine.computes_on_tpu({"JAX_PLATFORMS": asked}) is found


def test_metadata_add_to_what_the_environment_says(server):
    own = {**server, "MEGASCALE_SLICE_ID": "1", "X": "y"}
    assert with_metadata(own) == {
        **own,
        "TPU_WORKER_HOSTNAMES": "10.1.0.2,10.1.0.3",
        "TPU_WORKER_ID": "1",
        "MEGASCALE_NUM_SLICES": "2",
        "MEGASCALE_COORDINATOR_ADDRESS": "10.1.0.2:8080",
    }
    for name in ("TPU_PROCESS_ADDRESSES", "TPU_WORKER_HOSTNAMES", "TPU_SKIP_MDS_QUERY"):
        assert with_metadata({name: "1"}) == {name: "1"}


def test_metadata_that_cannot_be_asked_are_asked_again_and_told(monkeypatch):
    slept = []
    monkeypatch.setattr(tpu_machine.time, "sleep", slept.append)
    message = (
        r"^this TPU's metadata \(localhost:1\) cannot be asked for its neighbours: .*refused.*; "
        "TPU_SKIP_MDS_QUERY=1 takes it for a machine of its own$"
    )
    with pytest.raises(ClusterError, match=message):
        with_metadata({"GCE_METADATA_IP": "localhost:1"})
    assert slept == [0.0, 0.5, 1.0, 1.5]


def test_an_answer_that_is_an_error_is_asked_again(server, monkeypatch):
    monkeypatch.setattr(tpu_machine.time, "sleep", lambda _: None)
    asked = []

    def failing(self):
        asked.append(self.path)
        self.send_response(503 if len(asked) < 3 else 200)
        self.end_headers()
        self.wfile.write(b"only")

    monkeypatch.setattr(Metadata, "do_GET", failing)
    assert with_metadata(server)["TPU_WORKER_HOSTNAMES"] == "only"
    path = "/computeMetadata/v1/instance/attributes/"
    assert asked == [path + "worker-network-endpoints"] * 3 + [
        path + "agent-worker-number", path + "tpu-env",
    ]  # fmt: skip
