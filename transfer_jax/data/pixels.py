"""From pixels of any kind to 8 bits: by the range of their kind, never by cutting off."""

import numpy as np
from jaxtyping import Num, UInt8
from PIL import Image

GREY_16_BIT = ("I;16", "I;16B", "I;16L", "I;16N")
PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}
# Their integers are of 16 bits, though Pillow holds them in 32.
HOLD_16_BIT = ("PNG", "PPM")
WHITE = (255, 255, 255)
CHANNELS = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


class BadImage(ValueError):
    """An image that cannot be used; the message says why."""


def eight_bits(values: Num[np.ndarray, "..."], bits: int = 16) -> UInt8[np.ndarray, "..."]:
    """Values of any kind as 0 ... 255.

    Args:
      values: 8 bits stay as they are; of 16 bits the upper 8 are kept; floats are 0 to 1; wider
        integers hold 16 bits.
      bits: how many of 16 bits are in use.

    Returns:
      The values.

    Raises:
      BadImage: the range of the values is not that of their kind, or cannot be told.

    Example:
      >>> eight_bits(np.array([0, 255, 256, 65535], np.uint16)).tolist()
      [0, 0, 1, 255]
      >>> eight_bits(np.array([0.0, 0.5, 1.0])).tolist()
      [0, 128, 255]
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind == "f":
        return _from_floats(values)
    if values.dtype.kind not in "ui":
        raise BadImage(f"pixels of type {values.dtype}; bits, integers and floats can be converted")
    if values.dtype.kind == "i" or values.dtype.itemsize > 2:
        _check_integers(values)
    return (values >> (bits - 8)).clip(0, 255).astype(np.uint8)


def _from_floats(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise BadImage("floats that are no numbers (nan, inf)")
    if values.size and not 0 <= values.min() <= values.max() <= 1:
        raise BadImage("floats outside of 0 to 1")
    return np.floor(values.astype(np.float64) * 255 + 0.5).astype(np.uint8)


def _check_integers(values: np.ndarray) -> None:
    """Integers of an unknown range: those that need 16 bits, and black, can only be one thing."""
    if values.size and not 0 <= values.min() <= values.max() <= 65535:
        raise BadImage("integers outside of 0 to 65535")
    if values.size and 0 < values.max() <= 255:
        raise BadImage("wide integers of 0 to 255: of 8 bits or of 16 is not known")


def plain(
    image: Image.Image, background: tuple[int, int, int] = WHITE, bits: int = 16
) -> Image.Image:
    """An image in grey or in red, green and blue, of 8 bits, opaque.

    Args:
      image: of any mode of Pillow.
      background: what shows through where it is transparent.
      bits: how many bits of 16-bit pixels are in use.

    Returns:
      The image; of mode L or RGB.

    Raises:
      BadImage: its values have no known range.

    Example:
      >>> plain(Image.new("RGBA", (1, 1), (255, 0, 0, 0))).getpixel((0, 0))
      (255, 255, 255)
    """
    if image.mode in (*GREY_16_BIT, "I", "F"):
        image = _from_wide(image, bits)
    image = image.convert(PREMULTIPLIED.get(image.mode, image.mode))
    if _may_be_transparent(image):
        below = Image.new("RGBA", image.size, (*background, 255))
        return Image.alpha_composite(below, image.convert("RGBA")).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def from_array(values: Num[np.ndarray, "..."]) -> Image.Image:
    """An array as an image of 8 bits, transparent where it says so.

    Args:
      values: height, width and 1 to 4 channels: grey, or colours, and how opaque.

    Returns:
      The image.

    Raises:
      BadImage: the array is no image, or its values have no known range.

    Example:
      >>> from_array(np.zeros((2, 3, 4), np.uint16)).mode
      'RGBA'
    """
    values = values[..., None] if values.ndim == 2 else values
    if values.ndim != 3 or values.shape[-1] not in CHANNELS or not values.size:
        raise BadImage(f"an array of shape {values.shape}; height, width and 1 to 4 channels")
    pixels = np.ascontiguousarray(eight_bits(values))
    # Pillow tells the mode by the last axis; grey has none.
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def _from_wide(image: Image.Image, bits: int) -> Image.Image:
    values = np.asarray(image)
    if image.mode == "I" and image.format in HOLD_16_BIT:
        values = values.astype(np.uint16)
    grey = Image.fromarray(eight_bits(values, bits))
    if (clear := image.info.get("transparency")) is not None:
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return grey


def _may_be_transparent(image: Image.Image) -> bool:
    if image.mode == "P" and image.palette is not None and image.palette.mode.endswith("A"):
        return True
    return image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info
