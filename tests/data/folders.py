"""Folders of images as people have them, small."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from transfer_jax.cli import main


def png_bytes(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write_classes(root: Path, classes: Sequence[str] = ("cat", "dog"), count: int = 10) -> Path:
    """A folder a class, images that are all different."""
    for name in classes:
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            seed = sum(map(ord, f"{root.name}{name}")) * 1000 + i
            (root / name / f"{i}.png").write_bytes(png_bytes(seed))
    return root


def prepare_folder(folder: Path, to: Path, *more: str) -> int:
    """The command, on one process."""
    arguments = ["prepare", "--config=cifar100", "--config.data.source=folder", "--workers=1"]
    arguments += [f"--config.data.folder={to}", "--config.data.form.size=8"]
    return main([*arguments, f"--manual_dir={folder}", *more])
