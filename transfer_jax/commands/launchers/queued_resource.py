"""A TPU of Google Cloud that is waited for: a queued resource whose machines run a script."""

from transfer_jax.commands.launchers.job import Job, LaunchError, Step, need, tpu
from transfer_jax.plan.config_files import shipped_configs


def script(job: Job) -> str:
    """What each of the TPU's machines runs when it starts, and after every interruption.

    Returns:
      A shell script.
    """
    return f"""#!/bin/bash
set -euo pipefail
python3 -m venv /opt/transfer_jax
/opt/transfer_jax/bin/pip install '{job.package}[tpu,gcs]'
export PATH=/opt/transfer_jax/bin:$PATH
for attempt in $(seq 100); do
  {job.run} && break
  sleep 30
done
"""


def steps(job: Job) -> list[Step]:
    """What launching it takes.

    Returns:
      The script's file, and the command that asks for the TPU.

    Raises:
      LaunchError: the accelerator is no TPU, the zone is not given, or the config is a file that
        only this machine has.
    """
    need(job, "zone")
    if not (found := tpu(job.accelerator)):
        raise LaunchError(f"accelerator is '{job.accelerator}'; a queued resource is a TPU: v5e-16")
    if job.config not in shipped_configs():
        raise LaunchError(
            f"config is '{job.config}'; a queued resource has those of the package: "
            f"{', '.join(shipped_configs())}; or launch on skypilot, which brings this folder"
        )
    kind, runtime = found
    file = f"{job.name}.startup.sh"
    command = [
        *("gcloud", "compute", "tpus", "queued-resources", "create", job.name),
        f"--node-id={job.name}",
        f"--zone={job.zone}",
        *([f"--project={job.project}"] if job.project else []),
        f"--accelerator-type={kind}",
        f"--runtime-version={runtime}",
        f"--metadata-from-file=startup-script={file}",
        *(["--spot"] if job.spot else []),
    ]
    return [Step(file=file, content=script(job)), Step(tuple(command))]
