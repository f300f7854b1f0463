"""Pictures of what was trained: learning curves, first-layer filters, images of the tasks."""

from collections import defaultdict
from collections.abc import Sequence

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from transfer_jax.analysis.evidence import Evidence
from transfer_jax.analysis.figures.drawing import CUT_MAP, Ends, label_ends, tidy
from transfer_jax.analysis.figures.letters import legible
from transfer_jax.analysis.statistics.crossing import Group
from transfer_jax.analysis.tables import heading
from transfer_jax.folder.curves import Curve
from transfer_jax.grid.conditions import Treatment

MOST_ROWS, MOST_NETWORKS, FILTERS_ACROSS = 4, 10, 48


def learning_curves(evidence: Evidence, groups: Sequence[Group]) -> Figure | None:
    """How every condition learns: a panel a treatment, a line a cut, mean of seeds and targets.

    Args:
      evidence: the run's folder.
      groups: its networks.

    Returns:
      The figure, a row a group; None where no curves were kept.
    """
    rows, kind = [], ""
    for group in groups[:MOST_ROWS]:
        found, kind = _mean_curves(evidence, group)
        if found:
            rows.append((group, found))
    if not rows:
        return None
    treatments = [t for t in Treatment if any(arm[0] == t for _, found in rows for arm in found)]
    size = (3.3 * len(treatments), 3.2 * len(rows))
    figure = Figure(figsize=size)
    axes = figure.subplots(len(rows), len(treatments), squeeze=False, sharex=True, sharey=True)
    # Panels of one size need no layout that measures every letter; margins are in inches.
    left, right, bottom, top = 1.0 / size[0], 0.5 / size[0], 0.6 / size[1], 0.4 / size[1]
    figure.subplots_adjust(left, bottom, 1 - right, 1 - top, wspace=0.25, hspace=0.25)
    ends: dict[Axes, Ends] = {}
    for line, (group, found) in zip(axes, rows, strict=True):
        line[0].set_ylabel(f"{group.name}\n{kind}", fontsize=11)
        for axis, treatment in zip(line, treatments, strict=True):
            own = {n: curve for (t, n), curve in found.items() if t == treatment}
            ends[axis] = _draw_curves(axis, own)
            axis.set_title(heading(treatment), fontsize=12)
    for axis, lines in ends.items():
        label_ends(axis, lines, size=9)
    for axis in axes[-1]:
        axis.set_xlabel("step", fontsize=11)
    return figure


def filters(evidence: Evidence) -> Figure | None:
    """First-layer filters of base networks and of those that were fine-tuned from them.

    Args:
      evidence: the run's folder.

    Returns:
      The figure, a row a network of the first seed; None where none were kept.
    """
    found: dict[str, np.ndarray] = {}
    paths = sorted((evidence.folder / "filters").glob("*.npz"), key=lambda p: "base-" not in p.name)
    for path in paths:
        arrays = evidence.arrays(f"filters/{path.name}", "labels", "kernels")
        if arrays is None:
            continue
        split = path.name.split(".seed")[0]
        for label, kernel in zip(arrays[0], arrays[1], strict=True):
            found.setdefault(f"{split} {label}", kernel)
    if not found:
        return None
    chosen = _chosen(list(found))
    across = min(FILTERS_ACROSS, max(found[name].shape[3] for name in chosen))
    size = (2.5 + min(7.0, 0.6 * across), 0.62 * len(chosen) + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(chosen), 1, squeeze=False)[:, 0]
    for axis, name in zip(axes, chosen, strict=True):
        axis.imshow(_strip(found[name].astype(float)), cmap="gray", interpolation="nearest")
        axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=11)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    return figure


def split_images(evidence: Evidence) -> Figure | None:
    """An image of each class of task A and of task B.

    Args:
      evidence: the run's folder.

    Returns:
      The figure, a row a task; None where no images were kept.
    """
    arrays = evidence.arrays("split_images.npz", "images", "split", "task", "name")
    if arrays is None or not len(arrays[0]):
        return None
    rows: dict[str, list[tuple[str, np.ndarray]]] = defaultdict(list)
    for image, split, task, name in zip(*arrays, strict=True):
        rows[f"{split}\ntask {task}"].append((str(name), image))
    kept = list(rows.items())[: 2 * MOST_ROWS]
    across = max(len(own) for _, own in kept)
    figure = Figure(figsize=(1.7 * across + 1.4, 1.9 * len(kept)), layout="constrained")
    axes = figure.subplots(len(kept), 1, squeeze=False)[:, 0]
    for axis, (task, own) in zip(axes, kept, strict=True):
        height, width = own[0][1].shape[:2]
        gap = max(1, width // 8)
        blank = np.full((height, gap, *own[0][1].shape[2:]), 255, np.uint8)
        strip = np.concatenate([part for _, image in own for part in (image, blank)], axis=1)
        axis.imshow(strip.squeeze(), cmap="gray", vmin=0, vmax=255)
        axis.set_xlim(-0.5, across * (width + gap) - 0.5)
        for place, (name, _) in enumerate(own):
            middle = place * (width + gap) + width / 2
            text = legible(name.split(",")[0])[:14]
            axis.text(middle, -0.06 * height, text, ha="center", va="bottom", fontsize=11)
        axis.set_ylabel(task, rotation=0, ha="right", va="center")
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    return figure


def _mean_curves(
    evidence: Evidence, group: Group
) -> tuple[dict[tuple[Treatment, int], Curve], str]:
    held: dict[tuple[Treatment, int], dict[int, list[float]]] = {}
    kind = ""
    columns: dict[str, dict[str, Curve]] = {}
    for arm, places in group.rows.items():
        if arm.variant:
            continue
        for row in (row for rows in places.values() for row in rows):
            if row.column not in columns:
                columns[row.column], kind = evidence.curves(row.column)
            curve = columns[row.column].get(row.label, {})
            own = held.setdefault((arm.treatment, arm.n), defaultdict(list))
            for step, accuracy in curve.items():
                own[step].append(accuracy)
    means = {
        arm: {step: float(np.mean(values)) for step, values in sorted(own.items())}
        for arm, own in held.items()
        if own
    }
    return means, kind


def _draw_curves(axis: Axes, curves: dict[int, Curve]) -> Ends:
    """Lines from the first cut to the last; where each ends, and its colour."""
    colours = matplotlib.colormaps[CUT_MAP]
    ends: Ends = {}
    for place, (n, curve) in enumerate(sorted(curves.items())):
        colour = to_hex(colours(0.85 * place / max(1, len(curves) - 1)))
        axis.plot(list(curve), list(curve.values()), color=colour, lw=1.5)
        ends[f"n={n}" if n else "base"] = (list(curve.values())[-1], colour)
    tidy(axis)
    axis.tick_params(labelsize=10)
    return ends


def _chosen(names: Sequence[str]) -> list[str]:
    """Base networks first, then the fine-tuned ones with the deepest cuts of their split."""
    bases = [name for name in names if " base" in name]
    tuned = [name for name in names if name not in bases]
    first = [name for base in bases for name in [base, *_tuned_from(base, tuned)]]
    return first[:MOST_NETWORKS] or tuned[:MOST_NETWORKS]


def _tuned_from(base: str, tuned: Sequence[str]) -> list[str]:
    """A selffer and a transfer of one base network."""
    split, label = base.split(" ", 1)
    own = [name for name in tuned if name.startswith(f"{split} {label[-1]}") and "+" in name]
    by_target = {name.rstrip("+")[-1]: name for name in own}
    return list(by_target.values())


def _strip(kernel: Float[np.ndarray, "h w c out"]) -> np.ndarray:
    """Filters side by side, in as few rows as a page has room for, each with its own range."""
    low = kernel.min(axis=(0, 1, 2), keepdims=True)
    span = kernel.max(axis=(0, 1, 2), keepdims=True) - low
    scaled = (kernel - low) / np.where(span > 0, span, 1)
    padded = np.pad(scaled, ((1, 1), (1, 1), (0, 0), (0, 0)), constant_values=1.0)
    across = min(padded.shape[3], FILTERS_ACROSS)
    missing = -padded.shape[3] % across
    whole = np.pad(padded, ((0, 0), (0, 0), (0, 0), (0, missing)), constant_values=1.0)
    tiles = np.moveaxis(whole, 3, 0)
    rows = [np.concatenate(list(tiles[i : i + across]), 1) for i in range(0, len(tiles), across)]
    return np.concatenate(rows, axis=0).squeeze()
