"""Rebuild the clip art that the package carries, bit for bit, from Debian's package.

    apt-get download openclipart-png && dpkg-deb -x openclipart-png*.deb unpacked
    python experiments/openclipart/embed.py unpacked/usr/share/openclipart/png

takes up to 150 pictures from each of eight folders, lays them on white, cuts off what is white
around them, pads them to squares and scales these to 96x96. Left out are a picture that stands in
two of the eight folders, and one that is like a picture already taken: clip art has many copies in
other colours, and one in the test of a picture that was trained on would be no test. Of each class
a third, rounded down, is for the test. Expect: two minutes, images.npy.xz of about 4 MB. `--check`
writes nothing and compares.
"""

import hashlib
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from transfer_jax.data.embedded import EMBEDDED, IMAGES, LABELS
from transfer_jax.data.embedding import rebuild
from transfer_jax.data.pixels import plain

CLASSES = EMBEDDED["openclipart"].class_names
SIZE, PER_CLASS, TEST_SHARE = 96, 150, 3
# Larger pictures are signs of the road, one like the other.
MOST_PIXELS = 40_000_000
# Pillow's own bound, which is an error.
Image.MAX_IMAGE_PIXELS = None
# Above these correlations, of grey levels or of outlines, one picture is a copy of another.
GREY_ALIKE, OUTLINE_ALIKE = 0.9, 0.7
GRID = 24


def pictures(root: Path) -> dict[str, int]:
    """The pictures of one of the classes, by name: links are followed, and say other classes."""
    classes = defaultdict(set)
    for label, name in enumerate(CLASSES):
        for path in (root / name).rglob("*.png"):
            classes[os.path.relpath(path.resolve(), root.resolve())].add(label)
    return {name: labels.pop() for name, labels in classes.items() if len(labels) == 1}


def square(path: Path) -> Image.Image | None:
    """A picture on white, as a square; None where it is too large to read, or white alone."""
    with Image.open(path) as image:
        if image.width * image.height > MOST_PIXELS:
            return None
        flat = plain(image).convert("RGB")
    # Many lie in a corner of a page.
    if (box := ImageOps.invert(flat).getbbox()) is None:
        return None
    flat = flat.crop(box)
    side = max(flat.size)
    padded = Image.new("RGB", (side, side), (255, 255, 255))
    padded.paste(flat, ((side - flat.width) // 2, (side - flat.height) // 2))
    return padded.resize((SIZE, SIZE), Image.Resampling.BICUBIC)


def sketches(image: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """A picture's grey levels and its outlines on a coarse grid, each of mean 0 and length 1."""
    grey = np.asarray(image.convert("L"), np.float64)
    outline = np.sqrt(np.hypot(np.gradient(grey, axis=0), np.gradient(grey, axis=1)))
    found = []
    for values in (grey, outline):
        coarse = values.reshape(GRID, SIZE // GRID, GRID, SIZE // GRID).mean(axis=(1, 3)).ravel()
        apart = coarse - coarse.mean()
        found.append(apart / max(float(np.linalg.norm(apart)), 1e-9))
    return found[0], found[1]


def unlike(root: Path) -> list[list[np.ndarray]]:
    """The pictures of each class, none like another, in an order that their names decide."""
    taken, greys, outlines = [[] for _ in CLASSES], [], []
    known = pictures(root)
    for name in sorted(known, key=lambda name: hashlib.sha256(name.encode()).digest()):
        own = taken[known[name]]
        if len(own) == PER_CLASS or (image := square(root / name)) is None:
            continue
        grey, outline = sketches(image)
        if greys and max(np.stack(greys) @ grey) > GREY_ALIKE:
            continue
        if outlines and max(np.stack(outlines) @ outline) > OUTLINE_ALIKE:
            continue
        greys.append(grey)
        outlines.append(outline)
        own.append(np.asarray(image))
    return taken


def subset(root: Path) -> dict[str, np.ndarray]:
    """The images and labels to embed, training images first."""
    classes = unlike(root)
    parts = {"train": ([], []), "test": ([], [])}
    for label, images in enumerate(classes):
        test = len(images) // TEST_SHARE
        for part, own in (("train", images[test:]), ("test", images[:test])):
            parts[part][0].extend(own)
            parts[part][1].extend([label] * len(own))
    print({part: np.bincount(labels).tolist() for part, (_, labels) in parts.items()})
    images, labels = (parts["train"][i] + parts["test"][i] for i in range(2))
    return {IMAGES: np.stack(images), LABELS: np.array(labels, np.uint8)}


if __name__ == "__main__":
    rebuild("openclipart", subset)
