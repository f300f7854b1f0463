"""Images of one size in ArrayRecords, read when they are asked for, and their mean image."""

import functools
import hashlib
import io
import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from transfer_jax.data.class_sums import ClassSum, read_sums, squares_of, statistics_file
from transfer_jax.data.image_set import SUBSETS, ImageSet
from transfer_jax.data.manifest import Manifest, RecordsError, Shard

JPEG_QUALITY = 95
# Images that wait in memory while a mean image is made of single ones.
AT_ONCE = 256


def pack(pixels: UInt8[np.ndarray, "h w c"], encoding: str) -> bytes:
    """A record: an image, and nothing else, so that only pixels change a file's checksum.

    Args:
      pixels: the image.
      encoding: one of `ENCODINGS`.

    Returns:
      The record's bytes.

    Example:
      >>> unpack(pack(np.ones((2, 2, 3), np.uint8), "raw"), (2, 2, 3), "raw").sum()
      np.uint64(12)
    """
    if encoding == "raw":
        return pixels.tobytes()
    file = io.BytesIO()
    image = Image.fromarray(pixels if pixels.shape[-1] > 1 else pixels[..., 0])
    image.save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()


def unpack(record: bytes, shape: Sequence[int], encoding: str) -> UInt8[np.ndarray, "h w c"]:
    """The image of a record.

    Args:
      record: what `pack` made.
      shape: (height, width, channels) of the image.
      encoding: as for `pack`.

    Returns:
      The image.

    Raises:
      RecordsError: the record is damaged.
    """
    try:
        if encoding == "raw":
            return np.frombuffer(record, np.uint8).reshape(shape)
        with Image.open(io.BytesIO(record)) as image:
            return np.asarray(image, np.uint8).reshape(shape)
    except (ValueError, OSError, SyntaxError) as error:
        raise RecordsError(f"a record is damaged: {error}; prepare again") from None


class StoredImages:
    """The images of a prepared dataset, read when they are asked for.

    Args:
      folder: the dataset's folder.
      manifest: what it holds.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        self.shape = (sum(len(s.labels) for s in manifest.shards), *manifest.shape)
        self._known: dict[bytes, tuple[np.ndarray, float]] = {}

    @functools.cached_property
    def records(self) -> Sequence[bytes]:
        """The records, by number."""
        # Only a run that reads from disk pays for Grain and its threads.
        import grain

        files = [str(self.folder / shard.file) for shard in self.manifest.shards if shard.labels]
        return grain.sources.ArrayRecordDataSource(files)  # pyright: ignore

    def __getitem__(self, number: int) -> UInt8[np.ndarray, "h w c"]:
        """One image."""
        try:
            record = self.records[int(number)]
        except RuntimeError as error:
            raise RecordsError(f"{self.folder}: record {number} cannot be read: {error}") from None
        return unpack(record, self.manifest.shape, self.manifest.encoding)

    def statistics(
        self, examples: Int[np.ndarray, " example"]
    ) -> tuple[Float[np.ndarray, "h w c"], float]:
        """The mean image of some images, and the deviation of what is left.

        It is exact, and little is read: sums over whole classes are there, and of those that are
        not wanted (held out of training, say) or wanted alone, the images themselves.

        Args:
          examples: numbers of the images.

        Returns:
          (mean image, standard deviation of the pixels from it), in grey levels.
        """
        key = hashlib.sha256(np.asarray(examples, np.int64).tobytes()).digest()
        if key not in self._known:
            self._known[key] = self._statistics(examples)
        return self._known[key]

    def _statistics(self, examples: np.ndarray) -> tuple[np.ndarray, float]:
        wanted = np.zeros(self.shape[0], bool)
        wanted[examples] = True
        total, squares, start = np.zeros(self.manifest.shape, np.int64), 0, 0
        for shard in self.manifest.shards:
            here = wanted[start : start + len(shard.labels)]
            for sign, own in self._sums(shard, start, here) if here.any() else ():
                total += sign * own.pixels.astype(np.int64)
                squares += sign * own.squares
            start += len(shard.labels)
        mean = total / wanted.sum()
        variance = squares / wanted.sum() / mean.size - np.mean(mean**2)
        return mean, float(np.sqrt(max(0.0, variance)))

    def _sums(self, shard: Shard, start: int, wanted: np.ndarray) -> Iterator[tuple[int, ClassSum]]:
        """What to add (1) and to take away (-1) for the wanted images of a shard."""
        labels, names = np.array(shard.labels), self.manifest.class_names
        sums = {}
        if shard.sums_sha256:
            sums = read_sums(self.folder / statistics_file(shard.file), shard.sums_sha256)
        for label in np.unique(labels[wanted]):
            most = 2 * (wanted & (labels == label)).sum() > (labels == label).sum()
            whole = most and names[label] in sums
            if whole:
                yield 1, sums[names[label]]
            single = (labels == label) & (wanted != whole)
            for pixels in self._each(start + np.flatnonzero(single)):
                own = ClassSum(pixels.astype(np.uint32), squares_of(pixels), 1)
                yield -1 if whole else 1, own

    def _each(self, numbers: np.ndarray) -> Iterator[np.ndarray]:
        with ThreadPoolExecutor() as pool:
            for first in range(0, len(numbers), AT_ONCE):
                yield from pool.map(self.__getitem__, numbers[first : first + AT_ONCE])

    def __getstate__(self) -> dict[str, Any]:
        """Worker processes open the files themselves."""
        return {"folder": self.folder, "manifest": self.manifest, "shape": self.shape, "_known": {}}


def open_records(folder: Path, *, stream: bool) -> ImageSet:
    """A prepared dataset.

    Args:
      stream: whether images are read as training goes on, or all of them now.

    Returns:
      The dataset.

    Raises:
      RecordsError: it is not there, damaged, or too large for the memory that it is to fill.
    """
    manifest = Manifest.read(folder)
    if not stream:
        _check_memory(folder, manifest)
    images = StoredImages(folder, manifest)
    labels: Int[np.ndarray, " image"] = np.array(
        [label for shard in manifest.shards for label in shard.labels], np.int32
    )
    subsets = [SUBSETS.index(shard.subset) for shard in manifest.shards for _ in shard.labels]
    pixels = images if stream else np.stack([images[i] for i in range(len(labels))])
    return ImageSet(
        pixels,
        labels,
        np.array(subsets, np.int8),
        manifest.class_names,
        manifest.groups,
        digest=manifest.digest,
    )


def memory() -> int | None:
    """Bytes of this machine's memory; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _check_memory(folder: Path, manifest: Manifest) -> None:
    """Images are held twice for a moment, on their way to where training finds them."""
    size = sum(len(s.labels) for s in manifest.shards) * math.prod(manifest.shape)
    if (there := memory()) is not None and 2 * size > there:
        raise RecordsError(
            f"the images of {folder} take {size / 2**30:,.1f} GiB; allowed in memory: half of its "
            f"{there / 2**30:,.1f} GiB; --config.data.stream=True reads them as training goes on"
        )
