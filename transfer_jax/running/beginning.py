"""What a run's folder holds before the first step."""

from collections.abc import Callable

import numpy as np

from transfer_jax.data.tasks import first_examples
from transfer_jax.folder.race_files import RaceFile, write_race
from transfer_jax.folder.whole_file import write_json
from transfer_jax.grid.conditions import PRETRAINED_BASE, Split
from transfer_jax.plan.plan import Plan
from transfer_jax.plan.pretrained import PretrainedBase
from transfer_jax.running.claim import began_with, claim, enlarge
from transfer_jax.running.report_images import keep_split_images
from transfer_jax.running.run import Run
from transfer_jax.running.ways import budget_note, held_race, schedule_note


def begin(own: Run, race: RaceFile | None, say: Callable[[str], None]) -> None:
    """Make a folder the run's, with all that training needs to find in it.

    Args:
      own: the run.
      race: what is fixed before its race, if it has one.
      say: is told what it was begun with, where it goes on with something else.

    Raises:
      WorkdirError: the folder cannot be written or is another run's.
    """
    plan, folder = own.plan, own.folder
    held = claim(folder, plan.config, plan.recipe.images)
    # Whoever held the lock before may have trained since.
    race = race and (held_race(folder, plan.config.budget) or race)
    if note := enlarge(folder, held, plan.config):
        say(note)
    for inner in (*own.pilot.runs.values(), *own.ways.values()):
        inner.folder.make()
    layers = list(plan.network.layer_names)
    # Of a race nobody knows.
    networks = 0 if own.is_raced else len(plan.networks)
    kept: dict[str, object] = {"networks": networks, "layers": layers}
    if own.command:
        kept["command"] = own.command
    given = plan.given.get(PRETRAINED_BASE)
    if isinstance(given, PretrainedBase):
        kept["parameters"] = [given.parameters[name] for name in layers]
        kept["chance"] = {name: _chances(plan, split) for name, split in plan.splits.items()}
    write_json(folder.plan, kept)
    if begun := began_with(folder, plan.config):
        say(f"{folder.path} was begun with {begun}")
    keep_split_images(folder.split_images, plan.splits, plan.recipe.images)
    if race is not None:
        write_race(folder.race, race)
        for note in filter(None, (budget_note(race), schedule_note(race))):
            say(note)


def _chances(plan: Plan, split: Split) -> list[float]:
    """Of each task, what its most frequent class has of the test images."""
    images, each = plan.recipe.images, plan.recipe.test_per_class
    tests = [first_examples(images.labels, images.is_test, task, each) for task in split.tasks]
    return [float(np.bincount(images.labels[own]).max() / len(own)) for own in tests]
