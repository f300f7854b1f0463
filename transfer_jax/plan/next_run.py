"""After a dataset is prepared: the command that trains on it."""

import dataclasses
import shlex
from collections.abc import Sequence

from transfer_jax.plan.fields import ConfigError
from transfer_jax.plan.plan import make_plan
from transfer_jax.plan.plan_notes import plan_notes
from transfer_jax.plan.recipes import smallest_task
from transfer_jax.plan.schema import Config


def next_run(config: Config, flags: Sequence[str]) -> list[str]:
    """What to type after a config's dataset is prepared.

    Args:
      config: the config; its dataset is there.
      flags: the arguments that it was given by.

    Returns:
      Lines: what is odd, and the command, with a smaller batch where a task has too few images; or
      what has to be changed before there is one.
    """
    # Pixels are of no matter here.
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, stream=True))
    try:
        most = smallest_task(config)
        if config.batch_size > most:
            config = dataclasses.replace(config, batch_size=most)
            flags = [*flags, f"--config.batch_size={most}"]
        notes = plan_notes(make_plan(config))
    except ConfigError as error:
        return [f"Before a run: {' '.join(str(error).split())}"]
    return [*notes, f"Next: transfer-jax run {shlex.join(flags)}"]
