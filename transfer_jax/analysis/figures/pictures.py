"""Pictures of what was trained on, and of the first layers that came of it."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfer_jax.analysis.evidence import Evidence
from transfer_jax.analysis.figures.drawing import room_for
from transfer_jax.analysis.figures.letters import legible
from transfer_jax.analysis.statistics.crossing import WHOLE
from transfer_jax.folder.results import ResultRow
from transfer_jax.grid.conditions import Treatment

MOST_ROWS, MOST_NETWORKS, FILTERS_ACROSS = 4, 12, 48
SMALL, LARGE = 11, 13
TUNED = (Treatment.SELFFER_PLUS, Treatment.TRANSFER_PLUS)


def filters(evidence: Evidence) -> Figure | None:
    """First-layer filters of base networks and of those that were fine-tuned from them.

    Returns:
      The figure, a row a network of the first seed, in the order of the results; None where none
      were kept.
    """
    found = {row: kernel for row in _looked_at(evidence.rows)
             if (kernel := _kernel(evidence, row)) is not None}  # fmt: skip
    if not found:
        return None
    chosen = dict(list(found.items())[:MOST_NETWORKS])
    across = min(FILTERS_ACROSS, max(kernel.shape[3] for kernel in chosen.values()))
    names = [_told(row) for row in chosen]
    figure, axes = _lines(names, min(7.0, 0.5 * across), 0.5, size=SMALL)
    for axis, kernel in zip(axes, chosen.values(), strict=True):
        axis.imshow(_strip(kernel.astype(float)), cmap="gray", interpolation="nearest")
    return figure


def split_images(evidence: Evidence) -> Figure | None:
    """An image of each class of task A and of task B.

    Returns:
      The figure, a row a task; None where no images were kept.
    """
    arrays = evidence.arrays("split_images.npz", "images", "split", "task", "name")
    if arrays is None or not len(arrays[0]):
        return None
    rows: dict[str, list[tuple[str, np.ndarray]]] = defaultdict(list)
    for image, split, task, name in zip(*arrays, strict=True):
        whole = evidence.is_pretrained and split == WHOLE
        rows["classes" if whole else f"{split}\ntask {task}"].append((str(name), image))
    kept = dict(list(rows.items())[: 2 * MOST_ROWS])
    across = max(map(len, kept.values()))
    # ImageNet's names are lists of synonyms; in those of others a comma is a letter.
    synonyms = "imagenet" in str(evidence.config.get("data"))
    figure, axes = _lines(list(kept), 1.35 * across, 1.25, above=0.25, size=LARGE)
    for axis, own in zip(axes, kept.values(), strict=True):
        height, width = own[0][1].shape[:2]
        gap = max(1, width // 8)
        blank = np.full((height, gap, *own[0][1].shape[2:]), 255, np.uint8)
        strip = np.concatenate([part for _, image in own for part in (image, blank)], axis=1)
        axis.imshow(strip.squeeze(), cmap="gray", vmin=0, vmax=255)
        axis.set_xlim(-0.5, across * (width + gap) - 0.5)
        for place, (name, _) in enumerate(own):
            middle = place * (width + gap) + width / 2
            text = legible(name.split(",")[0] if synonyms else name)[:14]
            axis.text(middle, -0.06 * height, text, ha="center", va="bottom", fontsize=SMALL)
    return figure


def _lines(
    names: Sequence[str], wide: float, high: float, *, above: float = 0.0, size: float
) -> tuple[Figure, list[Axes]]:
    """A figure of rows with a name to the left of each; sizes in inches."""
    left, gap = room_for(names, size) + 0.1, 0.12
    width, height = left + wide + 0.1, 0.1 + len(names) * (high + above + gap)
    figure = Figure(figsize=(width, height))
    axes = []
    for number, name in enumerate(names):
        bottom = height - (number + 1) * (high + above + gap) + gap / 2
        axis = figure.add_axes((left / width, bottom / height, wide / width, high / height))
        axis.set_anchor("W")
        axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=size)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        axes.append(axis)
    return figure, axes


def _looked_at(rows: Sequence[ResultRow]) -> list[ResultRow]:
    """Of the first seed, each base network, then what was tuned from it with the deepest cut."""
    order = (Treatment.BASE, *TUNED)
    mine = [r for r in rows if not (r.seed or r.variant or r.examples) and r.treatment in order]
    families = list(dict.fromkeys((row.split, row.base) for row in mine))
    mine.sort(key=lambda r: (families.index((r.split, r.base)), order.index(r.treatment), r.n))
    kinds = groupby(mine, key=lambda row: (row.split, row.base, row.treatment))
    return [list(own)[-1] for _, own in kinds]


def _kernel(evidence: Evidence, row: ResultRow) -> np.ndarray | None:
    arrays = evidence.arrays(f"filters/{row.column}.npz", "labels", "kernels", of=row)
    found = {} if arrays is None else dict(zip(arrays[0].tolist(), arrays[1], strict=True))
    return found.get(row.label)


def _told(row: ResultRow) -> str:
    is_base = row.treatment == Treatment.BASE
    return f"{row.split}, base {row.target}" if is_base else f"{row.split}, {row.label}"


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
