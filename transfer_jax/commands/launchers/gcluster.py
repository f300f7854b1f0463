"""GKE by the Cluster Toolkit: `gcluster job submit`."""

from transfer_jax.commands.launchers.job import Job, Step, need, tpu

# A run that was told to stop has done so in order, and is to be started again.
STOPPED = (130, 143)


def steps(job: Job) -> list[Step]:
    """What launching it takes.

    Args:
      job: the job.

    Returns:
      The command.

    Raises:
      LaunchError: the cluster, its zone or the image is not given.
    """
    need(job, "cluster", "zone", "image")
    found = tpu(job.accelerator)
    kind, _, count = job.accelerator.partition(":")
    command = [
        *("gcluster", "job", "submit"),
        f"--name={job.name}",
        f"--cluster={job.cluster}",
        f"--location={job.zone}",
        *([f"--project={job.project}"] if job.project else []),
        f"--image={job.image}",
        f"--compute-type={found[0] if found else f'{kind}-{count}'}",
        f"--command={job.run}",
        "--restarts=100",
        f"--restart-on-exit-codes={','.join(map(str, STOPPED))}",
        "--grace-period=60s",
        *(["--gke-nap-provisioning=spot"] if job.spot else []),
    ]
    return [Step(tuple(command))]
