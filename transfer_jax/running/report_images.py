"""What a report shows beside numbers: first-layer filters, and images of each split."""

from typing import NamedTuple

import numpy as np
from etils import epath

from transfer_jax.data.image_set import ImageSet
from transfer_jax.folder.whole_file import write_arrays
from transfer_jax.grid.conditions import Column, Split
from transfer_jax.models.layered import Variables

CLASSES_SHOWN = 6
SIDE = 64


class _Shown(NamedTuple):
    split: str
    task: str
    name: str
    image: np.ndarray


def keep_filters(
    path: epath.Path, column: Column, networks: dict[str, Variables], layer: str
) -> None:
    """Keep the first layer's kernels of a column's networks, where they can be looked at.

    Only the first seed's are kept, and only kernels of grey or colour images.

    Args:
      path: the file, `.npz`.
      networks: cut label to the layers that the condition owns.
      layer: name of the first layer.
    """
    kernels = {
        condition.label: np.asarray(networks[cut.label][layer]["params"]["kernel"])
        for condition, cut in zip(column.conditions, column.cuts, strict=True)
        if "kernel" in networks[cut.label].get(layer, {}).get("params", {})
    }
    seen = {k: v for k, v in kernels.items() if v.ndim == 4 and v.shape[2] in (1, 3)}
    if column.seed == 0 and seen:
        stacked = np.stack(list(seen.values())).astype(np.float16)
        write_arrays(path, labels=np.array(list(seen)), kernels=stacked)


def keep_split_images(path: epath.Path, splits: dict[str, Split], images: ImageSet) -> None:
    """Keep an image of each of the first classes of every task.

    Args:
      path: the file, `.npz`.
      splits: name to split.
      images: the dataset.
    """
    first = {label: i for i, label in reversed(list(enumerate(images.labels.tolist())))}
    shown = [
        _Shown(name, task.name, images.class_names[label], _small(images, first[label]))
        for name, split in splits.items()
        for task in split.tasks
        for label in task.classes[:CLASSES_SHOWN]
    ]
    fields = {name: np.array([getattr(s, name) for s in shown]) for name in _Shown._fields[:3]}
    write_arrays(path, images=np.stack([s.image for s in shown]), **fields)


def _small(images: ImageSet, number: int) -> np.ndarray:
    image = np.asarray(images.images[number])  # pyright: ignore
    step = -(-max(image.shape[:2]) // SIDE)
    return image[::step, ::step]
