"""From an image as it is found to an array of one form; what was odd about it is told."""

import io
import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Num, UInt8
from PIL import Image, ImageOps

from transfer_jax.data.pixels import GREY_16_BIT, WHITE, BadImage, from_array, plain

RESIZES = ("warp", "crop")
BILINEAR = "bilinear"
SAMPLINGS = {BILINEAR: Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
MODES = {1: "L", 3: "RGB"}
ORIENTATION = 0x0112
# Of TIFF.
BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339
WHITE_IS_ZERO, SIGNED = 0, 2


@dataclass(frozen=True)
class ImageForm:
    """The form that all images of a prepared dataset have.

    Attributes:
      size: height and width in pixels.
      resize: "warp" scales both sides to `size`; "crop" scales the shorter side to it and cuts
        the middle out.
      channels: 3 for red, green and blue, 1 for grey.
      background: what shows through transparent images: red, green and blue.
      interpolation: how they are scaled: "bilinear" or "bicubic".
    """

    size: int
    resize: str = "warp"
    channels: int = 3
    background: tuple[int, int, int] = WHITE
    interpolation: str = BILINEAR

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return (self.size, self.size, self.channels)


class Decoded(NamedTuple):
    """An image, and what had to be converted: empty for nothing."""

    pixels: UInt8[np.ndarray, "height width channels"]
    converted: str


def decode(content: bytes, name: str, form: ImageForm) -> Decoded:
    """The image of a file, in the form asked for: docs/data.md says what becomes of each kind.

    Args:
      content: the bytes of the file.
      name: the file's name: its ending says what it should be.

    Returns:
      The image, and what was converted: a file of another format than its ending says, one of
      several images, turned or transparent ones, colours other than red, green and blue.

    Raises:
      BadImage: the file is empty, cut short, damaged or no image, or its values have no known
        range.

    Example:
      >>> file = io.BytesIO()
      >>> Image.new("CMYK", (4, 2)).save(file, "JPEG")
      >>> decode(file.getvalue(), "a.JPEG", ImageForm(8)).converted
      'CMYK to RGB'
    """
    if not content:
        raise BadImage("0 bytes")
    with warnings.catch_warnings():
        # What Pillow warns of (odd metadata, great size) says nothing about the pixels.
        warnings.simplefilter("ignore")
        try:
            image = Image.open(io.BytesIO(content))
            notes = _oddities(image, name)
            bits, negative = _bits(image), _is_negative(image)
            image.load()
            mode = MODES[form.channels]
            # Grey images are common and lose nothing.
            if image.mode not in (mode, "L") or "transparency" in image.info:
                notes.append(f"{image.mode} to {mode}")
            image = _upright(_with_true_transparency(image, content))
            found = plain(image, form.background, bits)
            if negative:
                found = ImageOps.invert(found)
            return Decoded(_formed(found, form), ", ".join(notes))
        except BadImage:
            raise
        except Image.DecompressionBombError as error:
            raise BadImage(str(error)) from None
        except Exception as error:  # a damaged file makes Pillow raise anything
            reason = str(error).partition("<_io")[0].strip() or type(error).__name__
            raise BadImage(f"no image that can be read: {reason}") from None


def decode_array(values: Num[np.ndarray, "height width channels"], form: ImageForm) -> Decoded:
    """An image that is an array already, in the form asked for, by the rules of `decode`.

    Args:
      values: the image, of 1 to 4 channels.

    Returns:
      The image, and what had to be converted.

    Raises:
      BadImage: the array is no image, or its values have no known range.

    Example:
      >>> decode_array(np.zeros((4, 2, 1), np.uint8), ImageForm(8)).pixels.shape
      (8, 8, 3)
    """
    if values.dtype == np.uint8 and values.shape == form.shape:
        return Decoded(values, "")
    image = from_array(values)
    notes = [] if values.dtype == np.uint8 else [f"{values.dtype} to 8 bits"]
    notes += [f"{image.mode} to {MODES[form.channels]}"] if image.mode in ("LA", "RGBA") else []
    return Decoded(_formed(plain(image, form.background), form), ", ".join(notes))


def _oddities(image: Image.Image, name: str) -> list[str]:
    """What is odd about a file, before its pixels are looked at."""
    notes = []
    # Cameras write a second, smaller picture into a JPEG; Pillow calls that MPO.
    if name.lower().endswith((".jpeg", ".jpg")) and image.format not in ("JPEG", "MPO"):
        notes.append(f"{image.format} named JPEG")
    if getattr(image, "n_frames", 1) > 1:
        notes.append("the first of several images")
    if _orientation(image) != 1:
        notes.append("turned as its EXIF says")
    return notes


def _orientation(image: Image.Image) -> int:
    try:
        found = image.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged metadata, of which Pillow raises anything
        return 1
    return found if found in range(1, 9) else 1


def _upright(image: Image.Image) -> Image.Image:
    """The image as a camera was held; Pillow has turned a TIFF already, and taken its mark off."""
    if _orientation(image) == 1:
        return image
    turned = ImageOps.exif_transpose(image)
    turned.format = image.format
    return turned


def _bits(image: Image.Image) -> int:
    """How many bits of 16-bit pixels are in use: a TIFF may say fewer."""
    if image.format != "TIFF":
        return 16
    tags: Any = getattr(image, "tag_v2", {})
    found = int(max(np.atleast_1d(tags.get(BITS_PER_SAMPLE, 16))))
    signed = max(np.atleast_1d(tags.get(SAMPLE_FORMAT, 1))) == SIGNED
    if signed and found <= 16:
        raise BadImage(f"signed integers of {found} bits")
    return found if image.mode in (*GREY_16_BIT, "I") and 8 <= found <= 16 else 16


def _is_negative(image: Image.Image) -> bool:
    """Whether 0 is white: a TIFF may say so, and Pillow heeds it up to 8 bits alone."""
    tags: Any = getattr(image, "tag_v2", {})
    wide = image.format == "TIFF" and image.mode in (*GREY_16_BIT, "I", "F")
    return wide and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO


def _with_true_transparency(image: Image.Image, content: bytes) -> Image.Image:
    """A PNG names its transparent colour in its own bits, Pillow compares it with 8."""
    clear = image.info.get("transparency")
    if image.format != "PNG" or clear is None:
        return image
    depth = content[24]
    if image.mode == "RGB" and depth == 16:
        raise BadImage("colours of 16 bits of which one is transparent")
    if image.mode == "L" and depth < 8:
        image.info["transparency"] = clear * 255 // (2**depth - 1)
    return image


def _formed(image: Image.Image, form: ImageForm) -> np.ndarray:
    image = image.convert(MODES[form.channels])
    width, height = image.size
    box = None
    if form.resize == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
    if (width, height) != (form.size, form.size):
        image = image.resize((form.size, form.size), SAMPLINGS[form.interpolation], box)
    return np.asarray(image, np.uint8).reshape(form.shape)
