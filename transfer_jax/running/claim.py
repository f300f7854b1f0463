"""A folder becomes a run's, and is nobody else's after."""

import json
from dataclasses import replace

from transfer_jax.data.identity import identity, identity_differences
from transfer_jax.data.image_set import ImageSet
from transfer_jax.folder.whole_file import read_json, write_json
from transfer_jax.folder.workdir import Workdir, WorkdirError
from transfer_jax.plan.config import read_config
from transfer_jax.plan.config_text import as_json
from transfer_jax.plan.differences import differences
from transfer_jax.plan.pretrained import FIELD, weights_digest
from transfer_jax.plan.schema import Config
from transfer_jax.plan.versions import own_code, versions


def claim(folder: Workdir, config: Config, images: ImageSet) -> Config:
    """Make a folder this run's, or check that it is; its race may have got a larger budget.

    Args:
      config: the run's config.
      images: the run's images.

    Returns:
      The config that the folder holds: the same, but for what changes no number, and a budget
      that may be smaller.

    Raises:
      WorkdirError: the folder cannot be written, is no run's, or is another config's or of
        other images or weights; what differs is named.
    """
    if folder.config.exists():
        held = held_config(folder)
        if other := another_run(folder, held, config):
            raise WorkdirError(other)
        if odd := identity_differences(read_json(folder.data), identity(images)):
            raise WorkdirError(
                f"{folder.path} holds a run on other images: {'; '.join(odd)}; choose another "
                "--workdir"
            )
        check_weights(folder, config)
        return held
    try:
        folder.make()
        weights = {FIELD: found} if (found := weights_digest(config)) else {}
        write_json(folder.versions, versions() | own_code(config) | weights)
        write_json(folder.data, identity(images))
        # Last: a folder that holds it is this run's, and says of which images.
        write_json(folder.config, as_json(config))
    except OSError as error:
        raise WorkdirError(f"{folder.path} cannot be written: {error.strerror}") from None
    return config


def another_run(folder: Workdir, held: Config, config: Config) -> str:
    """In what the run that a folder holds is another one than a config's.

    Args:
      held: the config that the folder holds.
      config: the run's config; its race may have got a larger budget.

    Returns:
      A line; empty where it is the same run.
    """
    before = held.budget
    if before and config.budget:
        held = replace(held, budget=config.budget)
    if odd := "; ".join(differences(held, config)):
        return f"{folder.path} holds another run: {odd}; choose another --workdir"
    if before > config.budget:
        return (
            f"{folder.path} holds a race with a budget of {before:g}, which is more than "
            f"{config.budget:g}; give {before:g}, or more, or another --workdir"
        )
    return ""


def enlarge(folder: Workdir, held: Config, config: Config) -> str:
    """Let the race of a folder go on with a larger budget, if it has one; its answer is over.

    Args:
      folder: one that `claim` found to be the run's.
      held: what `claim` found in it.
      config: the run's config.

    Returns:
      A line; empty where the budget is what it was.
    """
    if held.budget == config.budget:
        return ""
    # Until it is over the page says what the smaller one showed; so does who is killed here.
    for file in (folder.results, folder.progress):
        file.unlink(missing_ok=True)
    write_json(folder.config, as_json(config))
    return f"{folder.path} goes on with a budget of {config.budget:g}; it was {held.budget:g}"


def check_weights(folder: Workdir, config: Config) -> None:
    """A file may have been moved; another one under the same name makes another run.

    Args:
      config: that of the run, which names the file.

    Raises:
      WorkdirError: it is another one than the run's.
    """
    there, here = read_json(folder.versions).get(FIELD, ""), weights_digest(config)
    if there != here:
        told = [str(found)[:12] or "none" for found in (there, here)]
        raise WorkdirError(
            f"{folder.path} holds a run of other {FIELD}: SHA-256 {told[0]} there, {told[1]} "
            "here; choose another --workdir"
        )


def held_config(folder: Workdir) -> Config:
    """The config of the run that a folder holds.

    Returns:
      The config; a field that is newer than the run has its default.

    Raises:
      WorkdirError: there is none, or it is damaged.
    """
    try:
        return read_config(json.loads(folder.config.read_text()))
    except (OSError, ValueError, RecursionError) as error:
        raise WorkdirError(f"{folder.config} cannot be read: {error}") from None


def began_with(folder: Workdir, config: Config) -> str:
    """What a run was begun with, where it is not what it goes on with.

    Returns:
      A line; empty where nothing differs.
    """
    held = read_json(folder.versions)

    def others(now: dict[str, str]) -> list[str]:
        changed = {name: new for name, new in now.items() if held.get(name, new) != new}
        return [f"{name} {held[name]}, now {new}" for name, new in changed.items()]

    lines = []
    if code := others(own_code(config)):
        lines.append(f"{', '.join(code)}: numbers may be others")
    if packages := others(versions()):
        lines.append(f"{', '.join(packages)}: numbers may differ by rounding")
    return "; ".join(lines)
