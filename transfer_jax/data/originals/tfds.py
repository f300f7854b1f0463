"""Any image dataset of TFDS, read as a random-access source, which needs no TensorFlow."""

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transfer_jax.data import imagenet
from transfer_jax.data.image_set import SUBSETS, TRAIN
from transfer_jax.data.originals.layout import subsets_by_name
from transfer_jax.data.originals.part import Original, Originals, OriginalsError, readable
from transfer_jax.folder.extras import needs

EXAMPLES_A_PART = 5000


@dataclass(frozen=True)
class TfdsRange:
    """The examples of a split from `start` to `stop`.

    Attributes:
      name: of the dataset.
      data_dir: where TFDS keeps datasets.
      split_name: what TFDS calls the split.
      start: the first example.
      stop: the one after the last.
      subset: what it is for.
      class_names: names of the dataset's classes.
      files: names, sizes and times of the dataset's files.
      encoded: whether images are read as files, not as the arrays that TFDS makes of them.
    """

    name: str
    data_dir: str | None
    split_name: str
    start: int
    stop: int
    subset: int
    class_names: tuple[str, ...]
    files: tuple[tuple[str, int, int], ...]
    encoded: bool

    @property
    def inputs(self) -> list[Any]:
        """Which examples they are, of which files."""
        return [self.split_name, self.start, self.stop, self.class_names, self.files]

    def read(self) -> Iterator[Original]:
        """The images, in the order of the dataset."""
        import tensorflow_datasets as tfds

        # One rule for the pixels of all sources: TFDS cannot read some kinds, and cuts others.
        skip = {"image": tfds.decode.SkipDecoding()} if self.encoded else None
        builder = _builder(self.name, self.data_dir)
        source = builder.as_data_source(split=self.split_name, decoders=skip)
        for i in range(self.start, self.stop):
            example: Any = source[i]
            name = f"{self.split_name}[{i}]"
            yield Original(name, int(example["label"]), example["image"])


def tfds_dataset(
    name: str, data_dir: str | None, manual_dir: str | None, *, download: bool = True
) -> Originals:
    """A dataset of TFDS; it is downloaded and prepared there first, if it is not yet.

    Args:
      name: its name there, such as "cifar100".
      data_dir: where TFDS keeps datasets; None for its default.
      manual_dir: folder of files that must be downloaded by hand.
      download: whether it may be; else it must be there.

    Returns:
      Parts of up to 5000 examples, of the splits under the usual names.

    Raises:
      OriginalsError: there is no such dataset, it cannot be prepared, or it has no labelled
        images.
    """
    builder = _builder(name, data_dir)
    if download:
        _prepare(builder, name, manual_dir)
    elif not builder.data_path.exists():
        raise OriginalsError(f"TFDS {name} is not in {builder.data_path}")
    features: Any = builder.info.features
    if not {"image", "label"} <= set(features):
        raise OriginalsError(f"TFDS {name} has {', '.join(features)}; it needs image and label")
    names = _class_names(features["label"], name)
    splits = subsets_by_name(builder.info.splits, f"TFDS {name}")
    if TRAIN not in splits:
        seen = ", ".join(builder.info.splits)
        raise OriginalsError(f"TFDS {name} has the splits {seen}; it needs one called train")
    place, files = _files(builder)
    encoded = _is_encoded(features["image"])
    parts = []
    for subset in (subset for subset in range(len(SUBSETS)) if subset in splits):
        count = builder.info.splits[splits[subset]].num_examples
        parts += [
            TfdsRange(
                name, data_dir, splits[subset], start, min(start + EXAMPLES_A_PART, count),
                subset, names, files, encoded,
            )
            for start in range(0, count, EXAMPLES_A_PART)
        ]  # fmt: skip
    channels = 1 if features["image"].shape[-1] == 1 else 3
    groups = imagenet.groups() if names == imagenet.class_names() else {}
    return Originals(tuple(parts), names, groups, channels, place, fixed_classes=True)


def _class_names(label: Any, name: str) -> tuple[str, ...]:
    """The names of the classes; numbers where the dataset has none."""
    count = getattr(label, "num_classes", None)
    if not count or count < 2:
        kind = type(label).__name__
        found = f"{kind} of {count or 'no known number of'} classes" if count is not None else kind
        raise OriginalsError(
            f"the label of TFDS {name} is a {found}; it needs a ClassLabel of two classes or more"
        )
    return tuple(readable(each) for each in label.names)


def _is_encoded(image: Any) -> bool:
    import tensorflow_datasets as tfds

    # Floats are kept in the bytes of a PNG that shows something else.
    return isinstance(image, tfds.features.Image) and image.np_dtype != np.float32


def _files(builder: Any) -> tuple[str, tuple[tuple[str, int, int], ...]]:
    """Where TFDS keeps its datasets, and what is known of this one's files."""
    folder = getattr(builder, "data_path", None)
    if folder is None:
        return "", ()
    kept = Path(folder)
    depth = len(Path(builder.info.full_name).parts)
    stats = [(path.name, path.stat()) for path in sorted(kept.iterdir())]
    files = tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
    return os.path.realpath(kept.parents[depth - 1]), files


def _builder(name: str, data_dir: str | None) -> Any:
    with needs("tfds", "A dataset of TFDS"):
        import importlib_resources  # noqa: F401  # TFDS imports it, but does not ask for it.
        import tensorflow_datasets as tfds

    # It recommends OpenCV once a process, which makes no difference here.
    logging.getLogger("absl").setLevel(logging.ERROR)
    try:
        return tfds.builder(name, data_dir=data_dir, file_format="array_record")
    except (tfds.core.DatasetNotFoundError, ValueError) as error:
        line = str(error).strip().splitlines()[0]
        raise OriginalsError(f"no dataset '{name}' of TFDS can be read: {line}") from None


def _prepare(builder: Any, name: str, manual_dir: str | None) -> None:
    """Let TFDS download and prepare; some of its datasets need TensorFlow for it."""
    with contextlib.suppress(AttributeError, ValueError):
        if builder.info.splits.total_num_examples and builder.data_path.exists():
            return
    import tensorflow_datasets as tfds

    try:
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(manual_dir=manual_dir)
        )
    except ImportError as error:
        raise OriginalsError(
            f"TFDS needs TensorFlow to prepare {name}: pip install 'transfer_jax[prepare]' "
            f"({error})"
        ) from None
    except Exception as error:  # whatever a dataset's own code raises is told in one line
        line = " ".join(str(error).split())[:300]
        raise OriginalsError(
            f"TFDS cannot prepare {name}: {type(error).__name__}: {line}"
        ) from None
