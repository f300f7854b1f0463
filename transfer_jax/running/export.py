"""A trained network of a run, written as a file of weights like the one that it began with."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from etils import epath

from transfer_jax.analysis.asked_network import BEST, asked_network
from transfer_jax.analysis.evidence import Evidence
from transfer_jax.analysis.reading import read_evidence
from transfer_jax.folder.places import local
from transfer_jax.folder.results import ResultRow
from transfer_jax.folder.workdir import Workdir, WorkdirError
from transfer_jax.grid.conditions import PRETRAINED_BASE
from transfer_jax.models.weights.packages import in_package
from transfer_jax.models.weights.provenance import style_of
from transfer_jax.models.weights.writing import check_ending, write_weights
from transfer_jax.plan.plan import Plan, make_plan
from transfer_jax.plan.pretrained import FIELD, PretrainedBase
from transfer_jax.running.claim import check_weights, held_config
from transfer_jax.running.kept_network import INTO_LOGITS, KeptNetwork, kept_network


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
      path: it.
      lines: what it holds, in words.
    """

    path: Path
    lines: tuple[str, ...]


def export(
    folder: epath.Path,
    to: str,
    way: str = BEST,
    seed: int | None = None,
    task: str | None = None,
) -> Exported:
    """Write a trained network under the names that its weights came with.

    Args:
      folder: the folder of a finished run that began with a file of weights.
      to: the file; its name ends in `.safetensors`.
      way: "best", what the advice takes; or a way by name, such as "full" or "freeze:5".
      seed: the seed; None: the one that does best on validation images.
      task: split and target, where the run has several.

    Returns:
      The file, and what it holds.

    Raises:
      ValueError: the run is not finished or began with no weights, there is no such network, or
        the weights have become others.
      OSError: the file cannot be written.
    """
    check_ending(to)
    path = local(to, "--to")
    evidence, run = _finished(folder), Workdir(folder)
    config = held_config(run)
    if not config.network.weights:
        raise WorkdirError(
            f"{folder} holds a run whose {FIELD} is empty: its networks came under no names; "
            f"transfer_jax.load_tree reads those that lie in {folder / 'bases'}"
        )
    check_weights(run, config)
    weights = in_package(local(config.network.weights, FIELD))
    if path.exists() and path.samefile(weights):
        raise WorkdirError(f"{to} is the file that the run began with; give another --to")
    asked = asked_network(evidence, way, seed, task)
    plan = make_plan(config)
    found = kept_network(plan, run, asked.row)
    name = config.network.name
    base = plan.given[PRETRAINED_BASE]
    assert isinstance(base, PretrainedBase)
    style = style_of(weights, name, base.network)
    about = _about(plan, asked.row, asked.told, found)
    write_weights(found.variables, name, style, path, about=about, beside=_beside(found))
    names = f"names of {style.name}, as in {weights.name}"
    return Exported(path, (asked.told, *_probe_lines(plan, found), names))


def _finished(folder: epath.Path) -> Evidence:
    if not (folder / "config.json").exists():
        raise WorkdirError(f"{folder} holds no run")
    evidence = read_evidence(folder)
    planned = f" of {evidence.planned}" if evidence.planned else ""
    if not evidence.finished:
        raise WorkdirError(
            f"{folder} is not finished: {len(evidence.rows)}{planned} networks are there; give the "
            "command that began it again, which goes on"
        )
    return evidence


def _beside(found: KeptNetwork) -> dict[str, np.ndarray]:
    """A linear head on the first layers, as PyTorch lays it."""
    if found.probe is None:
        return {}
    return {
        "probe.weight": np.array(found.probe.kernel.T, order="C"),
        "probe.bias": np.asarray(found.probe.bias),
    }


def _probe_lines(plan: Plan, found: KeptNetwork) -> tuple[str, ...]:
    if found.probe is None:
        return ()
    held, layers = list(found.variables), plan.network.layer_names
    told = f"{len(held)} of {len(layers)} layers, up to {held[-1]}; "
    if len(held) == len(layers):
        told = "All layers but the logits; "
    return (
        f"{told}probe.weight and probe.bias are a linear head on {_features(found)}; "
        "PyTorch loads them with strict=False",
    )


def _features(found: KeptNetwork) -> str:
    """What a linear head takes, in words."""
    (first, _), *more = found.blocks
    if not more and first != INTO_LOGITS:
        return "the mean activation that leaves it"
    assert found.probe is not None
    kept, every = int(found.probe.kernel.any(axis=1).sum()), len(found.probe.kernel)
    each = ", ".join(f"{name} ({width})" for name, width in found.blocks)
    return (
        f"the mean activations of these layers, side by side, in this order: {each}; {kept} of "
        f"{every} features were kept, the weights of the others are 0"
    )


def _about(plan: Plan, row: ResultRow, told: str, found: KeptNetwork) -> dict[str, str]:
    """What whoever loads the file must know."""
    images, seen = plan.recipe.images, plan.recipe.preprocessing
    classes = plan.splits[row.split].task(row.target).classes
    height, width, channels = plan.recipe.network_shape
    about = {
        "network": plan.config.network.name,
        "trained": told,
        "image_shape": json.dumps([height, width, channels]),
        "classes": json.dumps([images.class_names[i] for i in classes]),
    }
    if found.blocks:
        about["features"] = json.dumps(found.blocks)
    if seen is None:
        return about
    return about | {
        "mean": json.dumps(seen.mean),
        "deviation": json.dumps(seen.deviation),
        "crop_fraction": json.dumps(seen.crop_fraction),
        "interpolation": seen.interpolation,
    }
