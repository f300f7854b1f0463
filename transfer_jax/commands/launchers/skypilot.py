"""SkyPilot: a managed job, which is started again elsewhere when its machine is taken away."""

import json
from typing import Any

from transfer_jax.commands.launchers.job import Job, Step, tpu

# SkyPilot tells each machine of a job its place; a TPU's machines know theirs.
PLACE = (
    ' --coordinator="$(echo "$SKYPILOT_NODE_IPS" | head -n1):8476"'
    ' --processes="$SKYPILOT_NUM_NODES" --process="$SKYPILOT_NODE_RANK"'
)


def task(job: Job) -> dict[str, Any]:
    """The job as SkyPilot's task.

    Returns:
      What the YAML file holds.
    """
    resources: dict[str, Any] = {"use_spot": job.spot, "job_recovery": "EAGER_NEXT_REGION"}
    if found := tpu(job.accelerator):
        kind, runtime = found
        resources |= {"accelerators": f"tpu-{kind}:1", "infra": "/".join(("gcp", "*", job.zone))}
        resources["accelerator_args"] = {"runtime_version": runtime}
        if not job.zone:
            resources["infra"] = "gcp"
    else:
        kind, _, count = job.accelerator.partition(":")
        resources["accelerators"] = f"{kind.upper()}:{count}"
    extra = "tpu" if found else "cuda"
    return {
        "name": job.name,
        "resources": resources,
        "num_nodes": 1,
        "workdir": ".",
        "setup": f"pip install -e '.[{extra},gcs]'",
        "run": job.run + ("" if found else PLACE),
    }


def steps(job: Job) -> list[Step]:
    """What launching it takes.

    Returns:
      The task's file, and the command that starts it.
    """
    file = f"{job.name}.sky.yaml"
    # JSON is YAML, and quotes by itself what YAML would read otherwise.
    content = json.dumps(task(job), indent=2) + "\n"
    return [Step(file=file, content=content), Step(("sky", "jobs", "launch", "--yes", file))]
