"""What becomes of each kind of image, pixel by pixel; docs/data.md has the table."""

import colorsys
import io
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transfer_jax.data.decoding import BadImage, ImageForm, decode, decode_array

ROOT = Path(__file__).parents[2]
SIZE = 8
RAMP = np.arange(SIZE * SIZE).reshape(SIZE, SIZE) / (SIZE * SIZE - 1)
NOISE = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 4), dtype=np.uint8)
WIDE = np.round(RAMP * 65535).astype(np.uint16)


def file_of(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def rgb(content: bytes, name: str = "a", **form: object) -> np.ndarray:
    return decode(content, name, ImageForm(SIZE, **form)).pixels


def on(background: tuple[int, int, int], colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    a = alpha[..., None] / 255
    return a * colours + (1 - a) * np.array(background)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(colour: int, depth: int, rows: list[bytes], width: int, clear: bytes = b"") -> bytes:
    """A PNG written by hand: kinds that Pillow cannot write."""
    head = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    transparent = chunk(b"tRNS", clear) if clear else b""
    chunks = chunk(b"IHDR", head) + transparent + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def wide_rows(values: np.ndarray) -> list[bytes]:
    return [row.astype(">u2").tobytes() for row in values.reshape(len(values), -1)]


def three(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=-1)


def palette_image() -> tuple[Image.Image, np.ndarray]:
    colours = np.random.default_rng(1).integers(0, 256, (256, 3), dtype=np.uint8)
    image = Image.fromarray(NOISE[..., 0], "L")
    image.putpalette(colours.ravel().tolist())
    return image, colours[NOISE[..., 0]]


def cases() -> dict[str, tuple[bytes, np.ndarray, float]]:
    """Kind to (file, right values, largest error allowed)."""
    white = (255, 255, 255)
    palette, palette_rgb = palette_image()
    palette_alpha = np.where(NOISE[..., 0] < 128, 0, 255)
    bits = NOISE[..., 0] > 127
    cmyk = 255 - NOISE.astype(float)
    y, cb, cr = (NOISE[..., i].astype(float) for i in range(3))
    ycc = np.stack(
        [y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128),
         y + 1.772 * (cb - 128)], axis=-1)  # fmt: skip
    hsv = np.array([colorsys.hsv_to_rgb(*p) for p in NOISE[..., :3].reshape(-1, 3) / 255])
    grey_lab = np.stack([NOISE[..., 0], np.full_like(NOISE[..., 0], 0)], axis=-1)
    lightness = NOISE[..., 0].astype(float) * 100 / 255
    luminance = np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness / 903.3)
    srgb = np.where(
        luminance > 0.0031308, 1.055 * luminance ** (1 / 2.4) - 0.055, 12.92 * luminance
    )
    lab = Image.frombytes("LAB", (SIZE, SIZE), np.pad(grey_lab, ((0, 0), (0, 0), (0, 1))).tobytes())
    premultiplied = (NOISE[..., :3] * (NOISE[..., 3:] / 255)).round().astype(np.uint8)
    return {
        "1": (file_of(Image.fromarray(bits)), three(bits * 255), 0),
        "L": (file_of(Image.fromarray(NOISE[..., 0])), three(NOISE[..., 0]), 0),
        "LA": (
            file_of(Image.fromarray(NOISE[..., :2])),
            on(white, three(NOISE[..., 0]), NOISE[..., 1]),
            1,
        ),
        "P": (file_of(palette), palette_rgb, 0),
        "PA": (
            file_of(palette, transparency=bytes([0] * 128 + [255] * 128)),
            on(white, palette_rgb, palette_alpha),
            0,
        ),
        "RGB": (file_of(Image.fromarray(NOISE[..., :3])), NOISE[..., :3], 0),
        "RGBA": (file_of(Image.fromarray(NOISE)), on(white, NOISE[..., :3], NOISE[..., 3]), 1),
        "RGBX": (
            file_of(Image.frombytes("RGBX", (SIZE, SIZE), NOISE.tobytes()), "TIFF"),
            NOISE[..., :3],
            0,
        ),
        "RGBa": (
            tiff(np.concatenate([premultiplied, NOISE[..., 3:]], axis=-1), extra=1),
            on(white, NOISE[..., :3], NOISE[..., 3]),
            2,
        ),
        "CMYK": (
            file_of(Image.frombytes("CMYK", (SIZE, SIZE), NOISE.tobytes()), "TIFF"),
            cmyk[..., :3] * cmyk[..., 3:] / 255,
            1,
        ),
        "YCbCr": (
            file_of(Image.frombytes("YCbCr", (SIZE, SIZE), NOISE[..., :3].tobytes()), "TIFF"),
            ycc.clip(0, 255),
            2,
        ),
        "HSV": (b"", hsv.reshape(SIZE, SIZE, 3) * 255, 6),
        "LAB": (file_of(lab, "TIFF"), three(srgb * 255), 3),
        "I;16": (file_of(Image.fromarray(WIDE)), three(WIDE >> 8), 0),
        "I": (file_of(Image.fromarray(WIDE.astype(np.int32)), "TIFF"), three(WIDE >> 8), 0),
        "F": (
            file_of(Image.fromarray(RAMP.astype(np.float32)), "TIFF"),
            three(np.round(RAMP * 255)),
            1,
        ),
        "colours of 16 bits": (
            png(2, 16, wide_rows(np.stack([WIDE, WIDE[::-1], WIDE.T], axis=-1)), SIZE),
            np.stack([WIDE, WIDE[::-1], WIDE.T], axis=-1) >> 8,
            0,
        ),
    }


def tiff(pixels: np.ndarray, extra: int) -> bytes:
    """A TIFF of four samples a pixel, the last of the kind `extra`: 1 is premultiplied alpha."""
    height, width, samples = pixels.shape
    data = pixels.astype(np.uint8).tobytes()
    bits_at = 8 + len(data)
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, samples, bits_at), (259, 3, 1, 1),
            (262, 3, 1, 2), (273, 4, 1, 8), (277, 3, 1, samples), (278, 3, 1, height),
            (279, 4, 1, len(data)), (338, 3, 1, extra)]  # fmt: skip
    directory = struct.pack("<H", len(tags))
    directory += b"".join(struct.pack("<HHII", *tag) for tag in tags) + struct.pack("<I", 0)
    head = b"II" + struct.pack("<HI", 42, bits_at + 2 * samples)
    return head + data + struct.pack(f"<{samples}H", *[8] * samples) + directory


@pytest.mark.parametrize("kind", [kind for kind in cases() if kind != "HSV"])
def test_each_kind_becomes_what_the_table_says(kind):
    content, right, allowed = cases()[kind]
    np.testing.assert_allclose(rgb(content), right, atol=allowed)
    grey = right @ [0.299, 0.587, 0.114]
    found = decode(content, "a", ImageForm(SIZE, channels=1)).pixels[..., 0]
    np.testing.assert_allclose(found, grey, atol=allowed + 1)


@pytest.mark.parametrize("mode", ["HSV", "La", "RGBa", "LAB", "PA"])
def test_kinds_that_no_file_holds_are_converted_too(mode):
    from transfer_jax.data.pixels import plain

    if mode == "HSV":
        _, right, allowed = cases()["HSV"]
        image = Image.frombytes("HSV", (SIZE, SIZE), NOISE[..., :3].tobytes())
    elif mode == "La":
        image = Image.fromarray(NOISE[..., :2]).convert("La")
        right, allowed = on((255, 255, 255), three(NOISE[..., 0]), NOISE[..., 1]), 2
    elif mode == "RGBa":
        image = Image.fromarray(NOISE).convert("RGBa")
        right, allowed = on((255, 255, 255), NOISE[..., :3], NOISE[..., 3]), 2
    elif mode == "LAB":
        image, right, allowed = Image.new("LAB", (SIZE, SIZE), (255, 128, 128)), 255, 1
    else:
        palette, colours = palette_image()
        image = palette.convert("PA")
        image.putalpha(Image.fromarray(NOISE[..., 3]))
        right, allowed = on((255, 255, 255), colours, NOISE[..., 3]), 1
    np.testing.assert_allclose(np.asarray(plain(image).convert("RGB")), right, atol=allowed)


def test_the_table_of_the_docs_names_every_kind():
    section = (ROOT / "docs" / "data.md").read_text().split("## Pixels")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+?) \|", section, re.MULTILINE)
    assert set(rows) - {"kind", "---"} == set(cases()) | {"La"}


def test_red_that_is_transparent_is_the_background():
    content = file_of(Image.new("RGBA", (SIZE, SIZE), (255, 0, 0, 0)))
    assert (rgb(content) == 255).all()
    assert (rgb(content, background=(1, 2, 3)) == [1, 2, 3]).all()
    half = file_of(Image.new("RGBA", (SIZE, SIZE), (255, 0, 0, 128)))
    np.testing.assert_allclose(rgb(half, background=(0, 0, 0))[0, 0], [128, 0, 0], atol=1)
    grey = rgb(content, channels=1, background=(10, 10, 10))
    assert (grey == 10).all()


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_png_s_transparent_grey_is_told_in_its_own_bits(depth):
    top = 2**depth - 1
    values = [0, top, 0, top] if depth < 8 else [0, 255, 7, 255]
    packed = int("".join(f"{v:0{depth}b}" for v in values).ljust(8, "0"), 2)
    row = packed.to_bytes(-(-4 * depth // 8), "big") if depth < 8 else bytes(values)
    content = png(0, depth, [row] * 4, 4, clear=struct.pack(">H", values[0]))
    found = decode(content, "a", ImageForm(4, background=(9, 9, 9))).pixels[0, :, 0]
    assert found.tolist() == [9 if v == values[0] else v * 255 // top for v in values]


def test_transparent_colours_of_16_bits():
    grey = png(0, 16, wide_rows(WIDE), SIZE, clear=struct.pack(">H", int(WIDE[0, 5])))
    right = np.where(WIDE[0, 5] == WIDE, 255, WIDE >> 8)
    np.testing.assert_array_equal(rgb(grey), three(right))
    colours = np.stack([WIDE] * 3, axis=-1)
    clear = struct.pack(">3H", 0, 0, 0)
    with pytest.raises(BadImage, match="16 bits of which one is transparent"):
        rgb(png(2, 16, wide_rows(colours), SIZE, clear=clear))
    alpha = np.concatenate([colours, np.full((SIZE, SIZE, 1), 32768, np.uint16)], axis=-1)
    right = on((255, 255, 255), colours >> 8, np.full((SIZE, SIZE), 128))
    np.testing.assert_allclose(rgb(png(6, 16, wide_rows(alpha), SIZE)), right, atol=1)


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_16_bits_of_either_order(order):
    image = Image.frombytes(
        "I;16" if order[0] == "<" else "I;16B", (SIZE, SIZE), WIDE.astype(order).tobytes()
    )
    np.testing.assert_array_equal(rgb(file_of(image, "TIFF")), three(WIDE >> 8))


def test_a_pgm_of_16_bits_holds_16_bits_though_all_are_small():
    content = b"P5 8 8 65535\n" + (WIDE // 300).astype(">u2").tobytes()
    np.testing.assert_array_equal(rgb(content), three((WIDE // 300) >> 8))


def grey_tiff(data: bytes, bits: int, zero: int = 1, kind: int = 1) -> bytes:
    """A TIFF of one sample a pixel: 0 is white (0) or black (1); unsigned, signed or float."""
    tags = [(256, 3, 1, SIZE), (257, 3, 1, SIZE), (258, 3, 1, bits), (259, 3, 1, 1),
            (262, 3, 1, zero), (273, 4, 1, 8), (277, 3, 1, 1), (278, 3, 1, SIZE),
            (279, 4, 1, len(data)), (339, 3, 1, kind)]  # fmt: skip
    directory = struct.pack("<H", len(tags))
    directory += b"".join(struct.pack("<HHII", *tag) for tag in tags) + struct.pack("<I", 0)
    return b"II" + struct.pack("<HI", 42, 8 + len(data)) + data + directory


def test_a_tiff_of_12_bits():
    values = (WIDE >> 4).astype(int).ravel()
    pairs = values.reshape(-1, 2)
    data = b"".join(int(a << 12 | b).to_bytes(3, "big") for a, b in pairs)
    np.testing.assert_array_equal(rgb(grey_tiff(data, 12)), three(WIDE >> 8))


@pytest.mark.parametrize(
    ("bits", "values", "kind"),
    [(8, (WIDE >> 8).astype(np.uint8), 1), (16, WIDE, 1), (32, RAMP.astype(np.float32), 3)],
)
def test_a_tiff_whose_zero_is_white_is_turned_round(bits, values, kind):
    right = three(255 - np.round(RAMP * 255))
    found = rgb(grey_tiff(values.tobytes(), bits, zero=0, kind=kind))
    np.testing.assert_allclose(found, right, atol=1)


@pytest.mark.parametrize("bits", [8, 16])
def test_signed_integers_of_few_bits_are_skipped(bits):
    data = np.full((SIZE, SIZE), -5, f"<i{bits // 8}").tobytes()
    with pytest.raises(BadImage, match=f"signed integers of {bits} bits"):
        rgb(grey_tiff(data, bits, kind=2))


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.full((8, 8), np.nan, np.float32), "no numbers"),
        (np.full((8, 8), np.inf, np.float32), "no numbers"),
        (np.full((8, 8), 1.5, np.float32), "outside of 0 to 1"),
        (np.full((8, 8), -0.5, np.float32), "outside of 0 to 1"),
        (np.full((8, 8), 70_000, np.int32), "outside of 0 to 65535"),
        (np.full((8, 8), -1, np.int32), "outside of 0 to 65535"),
        (np.full((8, 8), 200, np.int32), "is not known"),
    ],
)
def test_what_has_no_known_range_is_refused(image, words):
    with pytest.raises(BadImage, match=words):
        rgb(file_of(Image.fromarray(image), "TIFF"))
    with pytest.raises(BadImage, match=words):
        decode_array(image[..., None], ImageForm(8))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_its_exif_says(kind, orientation):
    # A camera held as the orientation says wrote this; upright, its upper left quarter is white.
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :16] = 255
    back = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.transpose(1, 0, 2), 6: np.rot90(upright),
        7: np.rot90(upright.transpose(1, 0, 2), 2), 8: np.rot90(upright, -1),
    }  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = file_of(Image.fromarray(back[orientation].copy()), kind, exif=exif)
    found = decode(content, "a", ImageForm(16))
    expected = np.zeros((16, 16), bool)
    expected[:8, :8] = True
    assert ((found.pixels[..., 0] > 127) == expected).mean() > 0.97
    assert ("turned" in found.converted) == (orientation > 1)


def test_the_first_of_several_images_is_taken_and_told():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    for kind in ("GIF", "TIFF", "WEBP", "PNG"):
        more = {"lossless": True} if kind == "WEBP" else {}
        content = file_of(frames[0], kind, save_all=True, append_images=frames[1:], **more)
        found = decode(content, "a", ImageForm(8))
        np.testing.assert_allclose(found.pixels[0, 0], [255, 0, 0], atol=3)
        assert "the first of several images" in found.converted, kind


@pytest.mark.parametrize(
    "array",
    [
        (RAMP[..., None] * 65535).round().astype(np.uint16),
        RAMP[..., None].astype(np.float32),
        np.repeat(RAMP[..., None], 3, -1),
        np.repeat((RAMP[..., None] * 65535).round().astype(np.int64), 3, -1),
        (RAMP * 255).round().astype(np.uint8),
    ],
)
def test_arrays_go_by_the_same_rules(array):
    found = decode_array(array, ImageForm(SIZE)).pixels
    np.testing.assert_allclose(found, three(RAMP * 255), atol=1)


def test_arrays_with_alpha_and_odd_arrays():
    red = np.zeros((8, 8, 4), np.uint8)
    red[..., 0] = 255
    assert (decode_array(red, ImageForm(8)).pixels == 255).all()
    assert (decode_array(np.ones((8, 8, 1), bool), ImageForm(8)).pixels == 255).all()
    for shape in ((8, 8, 5), (2, 8, 8, 3), (0, 8, 3), (8,)):
        with pytest.raises(BadImage, match="an array of shape"):
            decode_array(np.zeros(shape, np.uint8), ImageForm(8))
    with pytest.raises(BadImage, match="complex"):
        decode_array(np.zeros((8, 8, 3), np.complex64), ImageForm(8))


def test_damaged_files_are_named_whatever_pillow_makes_of_them():
    whole = file_of(Image.fromarray(NOISE[..., :3]))
    generator = np.random.default_rng(0)
    for _ in range(300):
        content = bytearray(whole)
        for place in generator.integers(0, len(whole), 4):
            content[place] = generator.integers(0, 256)
        try:
            assert decode(bytes(content), "a", ImageForm(4)).pixels.shape == (4, 4, 3)
        except BadImage as error:
            assert "\n" not in str(error)
    for content in (b"notes", b"a,b\n1,2\n", whole[:40], b"\x00" * 100):
        with pytest.raises(BadImage, match="no image"):
            decode(content, "a", ImageForm(4))
