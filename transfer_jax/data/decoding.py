"""From the bytes of an image file to an array of one size; what was odd about it is told."""

import io
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

RESIZES = ("warp", "crop")
MODES = {1: "L", 3: "RGB"}


class BadImage(ValueError):
    """An image that cannot be used; the message says why."""


@dataclass(frozen=True)
class ImageForm:
    """The form that all images of a prepared dataset have.

    Attributes:
      size: height and width in pixels.
      resize: "warp" scales both sides to `size`; "crop" scales the shorter side to it and cuts
        the middle out.
      channels: 3 for red, green and blue, 1 for grey.
    """

    size: int
    resize: str = "warp"
    channels: int = 3

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return (self.size, self.size, self.channels)


class Decoded(NamedTuple):
    """An image, and what had to be converted: empty for nothing."""

    pixels: UInt8[np.ndarray, "height width channels"]
    converted: str


def decode(content: bytes, name: str, form: ImageForm) -> Decoded:
    """The image of a file, in the form asked for.

    Args:
      content: the bytes of the file.
      name: the file's name: its ending says what it should be.
      form: the form.

    Returns:
      The image; a file of another format than its ending says, and colours other than red, green
      and blue, are converted, and that is told.

    Raises:
      BadImage: the file is empty, cut short, damaged or no image.

    Example:
      >>> file = io.BytesIO()
      >>> Image.new("CMYK", (4, 2)).save(file, "JPEG")
      >>> decode(file.getvalue(), "a.JPEG", ImageForm(8)).converted
      'CMYK to RGB'
    """
    if not content:
        raise BadImage("0 bytes")
    try:
        image = Image.open(io.BytesIO(content))
        image.load()
    except Image.DecompressionBombError as error:
        raise BadImage(str(error)) from None
    except (OSError, ValueError, SyntaxError) as error:
        reason = str(error).partition("<_io")[0].strip() or type(error).__name__
        raise BadImage(f"no image that can be read: {reason}") from None
    notes = []
    if name.lower().endswith((".jpeg", ".jpg")) and image.format != "JPEG":
        notes.append(f"{image.format} named JPEG")
    mode = MODES[form.channels]
    # Grey images are common and lose nothing.
    if image.mode not in (mode, "L"):
        notes.append(f"{image.mode} to {mode}")
    return Decoded(_formed(image.convert(mode), form), ", ".join(notes))


def resized(pixels: UInt8[np.ndarray, "height width channels"], form: ImageForm) -> Decoded:
    """An image that is decoded already, in the form asked for.

    Args:
      pixels: the image.
      form: the form.

    Returns:
      The image, and what had to be converted.

    Example:
      >>> resized(np.zeros((4, 2, 1), np.uint8), ImageForm(8)).pixels.shape
      (8, 8, 3)
    """
    if pixels.shape == form.shape:
        return Decoded(pixels, "")
    grey = pixels.shape[-1] == 1
    image = Image.fromarray(pixels[..., 0] if grey else pixels)
    return Decoded(_formed(image.convert(MODES[form.channels]), form), "")


def _formed(image: Image.Image, form: ImageForm) -> np.ndarray:
    width, height = image.size
    box = None
    if form.resize == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
    if (width, height) != (form.size, form.size):
        image = image.resize((form.size, form.size), Image.Resampling.BILINEAR, box)
    return np.asarray(image, np.uint8).reshape(form.shape)
