"""Any image dataset of TFDS, read as a random-access source, which needs no TensorFlow."""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from transfer_jax.data import imagenet
from transfer_jax.data.originals.part import TEST, TRAIN, Original, Originals, OriginalsError

TEST_SPLITS = ("validation", "test")
EXAMPLES_A_PART = 5000


@dataclass(frozen=True)
class TfdsRange:
    """The examples of a split from `start` to `stop`."""

    name: str
    data_dir: str | None
    split_name: str
    start: int
    stop: int
    split: str

    def read(self) -> Iterator[Original]:
        """The images, in the order of the dataset."""
        source = _builder(self.name, self.data_dir).as_data_source(split=self.split_name)
        for i in range(self.start, self.stop):
            example: Any = source[i]
            name = f"{self.split_name}[{i}]"
            yield Original(name, int(example["label"]), example["image"])


def tfds_dataset(name: str, data_dir: str | None, manual_dir: str | None) -> Originals:
    """A dataset of TFDS; it is downloaded and prepared there first, if it is not yet.

    Args:
      name: its name there, such as "cifar100".
      data_dir: where TFDS keeps datasets; None for its default.
      manual_dir: folder of files that must be downloaded by hand.

    Returns:
      Parts of up to 5000 examples; tests on `validation`, else on `test`.

    Raises:
      OriginalsError: there is no such dataset, it cannot be prepared, or it has no labelled
        images.
    """
    builder = _builder(name, data_dir)
    _prepare(builder, name, manual_dir)
    features: Any = builder.info.features
    if not {"image", "label"} <= set(features):
        raise OriginalsError(f"TFDS {name} has {', '.join(features)}; it needs image and label")
    test = next((split for split in TEST_SPLITS if split in builder.info.splits), None)
    if test is None or "train" not in builder.info.splits:
        splits = ", ".join(builder.info.splits)
        raise OriginalsError(f"TFDS {name} has the splits {splits}; it needs train and test")
    parts = []
    for split_name, split in (("train", TRAIN), (test, TEST)):
        count = builder.info.splits[split_name].num_examples
        parts += [
            TfdsRange(name, data_dir, split_name, start, min(start + EXAMPLES_A_PART, count), split)
            for start in range(0, count, EXAMPLES_A_PART)
        ]
    channels = 1 if features["image"].shape[-1] == 1 else 3
    names = tuple(features["label"].names)
    groups = imagenet.groups() if names == imagenet.class_names() else {}
    return Originals(tuple(parts), names, groups, channels)


def _builder(name: str, data_dir: str | None) -> Any:
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
