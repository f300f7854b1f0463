"""Tar files as ILSVRC-2012 has them, with few images."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from transfer_jax.data.imagenet import class_names, validation_labels

CLASSES = 4
PER_CLASS = 5
ODD = {
    "n01440764_1.JPEG": "cmyk",
    "n01440764_2.JPEG": "png",
    "n01443537_0.JPEG": "empty",
    "n01443537_1.JPEG": "cut short",
}


def image_bytes(seed: int, kind: str = "jpeg") -> bytes:
    if kind == "empty":
        return b""
    generator = np.random.default_rng(seed)
    height, width = generator.integers(20, 60, 2)
    pixels = generator.integers(0, 255, (height, width, 3), dtype=np.uint8)
    image, file = Image.fromarray(pixels), io.BytesIO()
    if kind == "cmyk":
        image = image.convert("CMYK")
    image.save(file, "PNG" if kind == "png" else "JPEG")
    content = file.getvalue()
    return content[: len(content) // 2] if kind == "cut short" else content


def _tar(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return content.getvalue()


def known_images() -> list[int]:
    """Numbers of validation images whose classes have training images here."""
    return [n + 1 for n, label in enumerate(validation_labels()) if label < CLASSES][:12]


def write_tars(
    folder: Path, odd: dict[str, str] = ODD, numbers: Sequence[int] | None = None
) -> None:
    """Real names of files, folders and tars; random JPEGs of odd sizes."""
    classes = {}
    for label, wnid in enumerate(class_names()[:CLASSES]):
        names = [f"{wnid}_{i}.JPEG" for i in range(PER_CLASS)]
        files = {n: image_bytes(10 * label + i, odd.get(n, "jpeg")) for i, n in enumerate(names)}
        classes[f"{wnid}.tar"] = _tar(files)
    (folder / "ILSVRC2012_img_train.tar").write_bytes(_tar(classes))
    tests = {f"ILSVRC2012_val_{n:08d}.JPEG": image_bytes(n) for n in numbers or known_images()}
    (folder / "ILSVRC2012_img_val.tar").write_bytes(_tar(tests))
