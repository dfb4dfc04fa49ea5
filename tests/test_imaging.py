"""Odd but sound images become upright RGB; everything else is told apart by its reason."""

import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import PIL
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mminstruct.imaging import BadImage, ImageFacts, decode_image, decode_reduced, inspect_image, read_image_bytes
from mminstruct.rows import Reason

LIMIT = 1_000_000
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def encoded(image: PIL.Image.Image, image_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def noise(width: int = 80, height: int = 60) -> PIL.Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return PIL.Image.fromarray(pixels)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int, bits: int, colour: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header)


def deep_png(values: list[int], colour: int, extra: bytes = b"") -> bytes:
    """A PNG of one row with 16 bits a channel."""
    n_channels = {0: 1, 2: 3}[colour]
    pixels = zlib.compress(b"\0" + struct.pack(f">{len(values)}H", *values))
    header = png_header(len(values) // n_channels, 1, 16, colour)
    return header + extra + png_chunk(b"IDAT", pixels) + png_chunk(b"IEND", b"")


def reason_of(data: bytes, max_pixels: int = LIMIT) -> Reason:
    with pytest.raises(BadImage) as caught:
        inspect_image(data, max_pixels)
    return caught.value.reason


FORMATS = ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "JPEG2000"]


class TestInspect:
    @pytest.mark.parametrize("image_format", FORMATS)
    def test_size_and_format(self, image_format: str) -> None:
        assert inspect_image(encoded(noise(), image_format), LIMIT) == ImageFacts(80, 60, image_format)

    def test_avif_where_pillow_has_it(self) -> None:
        PIL.Image.init()
        if "AVIF" not in PIL.Image.SAVE:
            pytest.skip("this Pillow has no AVIF")
        assert inspect_image(encoded(noise(), "AVIF"), LIMIT) == ImageFacts(80, 60, "AVIF")

    def test_no_bytes(self) -> None:
        assert reason_of(b"") is Reason.EMPTY_IMAGE

    @pytest.mark.parametrize(
        "data",
        [
            b"<html><body>404 Not Found</body></html>",
            b"\0" * 5000,
            b"BMW is a make of cars",
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
            b'<svg xmlns="http://www.w3.org/2000/svg"/>',
            b"GI",
        ],
    )
    def test_other_content(self, data: bytes) -> None:
        assert reason_of(data) is Reason.NOT_AN_IMAGE

    def test_heic_is_named(self) -> None:
        with pytest.raises(BadImage, match="HEIC") as caught:
            inspect_image(b"\0\0\0\x18ftypheic" + b"\0" * 100, LIMIT)
        assert caught.value.reason is Reason.NOT_AN_IMAGE

    @pytest.mark.parametrize("image_format", [*FORMATS, "tiff_lzw", "progressive"])
    @pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
    def test_cut_short(self, image_format: str, share: float) -> None:
        if image_format == "tiff_lzw":
            data = encoded(noise(), "TIFF", compression="tiff_lzw")
        elif image_format == "progressive":
            data = encoded(noise(), "JPEG", progressive=True)
        else:
            data = encoded(noise(), image_format)
        assert reason_of(data[: int(len(data) * share)]) is Reason.TRUNCATED_IMAGE

    @pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF"])
    def test_cut_in_the_header(self, image_format: str) -> None:
        data = encoded(noise(), image_format)
        assert reason_of(data[:12]) is Reason.TRUNCATED_IMAGE

    def test_pixel_limit_is_inclusive(self) -> None:
        data = encoded(noise(), "PNG")
        assert inspect_image(data, 80 * 60).width == 80
        assert reason_of(data, 80 * 60 - 1) is Reason.TOO_MANY_PIXELS

    @pytest.mark.parametrize("side", [12_000, 60_000])  # Pillow would warn of the one and refuse the other
    def test_bomb_is_judged_by_its_header(self, side: int) -> None:
        bomb = png_header(side, side, 8, 2)  # no pixel follows: decoding would say "cut short"
        assert reason_of(bomb + png_chunk(b"IDAT", b"")) is Reason.TOO_MANY_PIXELS

    def test_limit_over_pillows_own(self) -> None:
        pillows = PIL.Image.MAX_IMAGE_PIXELS
        large = png_header(20_000, 20_000, 1, 0) + png_chunk(b"IDAT", b"")
        assert reason_of(large, 500_000_000) is Reason.TRUNCATED_IMAGE  # past the limit, into the decoder
        assert pillows == PIL.Image.MAX_IMAGE_PIXELS

    def test_a_large_sound_image_does_not_warn(self) -> None:
        data = encoded(PIL.Image.new("1", (10_000, 9_000)), "PNG")
        assert inspect_image(data, 100_000_000) == ImageFacts(10_000, 9_000, "PNG")

    def test_settings_are_put_back(self) -> None:
        before = (PIL.Image.MAX_IMAGE_PIXELS, list(warnings.filters))
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda data: inspect_image(data, 10**9), [encoded(noise(), "JPEG")] * 40))
        assert (PIL.Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before

    @settings(max_examples=200)
    @given(st.integers(0, 7), st.data())
    def test_damage_never_escapes_as_another_error(self, index: int, data: st.DataObject) -> None:
        sound = bytearray(encoded(noise(24, 16), FORMATS[index]))
        for _ in range(data.draw(st.integers(1, 8))):
            sound[data.draw(st.integers(0, len(sound) - 1))] = data.draw(st.integers(0, 255))
        for look in (lambda: inspect_image(bytes(sound), LIMIT), lambda: decode_image(bytes(sound), LIMIT)):
            try:
                look()
            except BadImage as bad:
                assert bad.detail


def with_corner(orientation: int, image_format: str) -> bytes:
    """A picture that is red at the upper left once it is upright, stored as the orientation says; 40 × 20 upright."""
    upright = PIL.Image.new("RGB", (40, 20), BLUE)
    upright.paste(RED, (0, 0, 10, 10))
    turn = PIL.Image.Transpose
    stored_by = {
        2: turn.FLIP_LEFT_RIGHT,
        3: turn.ROTATE_180,
        4: turn.FLIP_TOP_BOTTOM,
        5: turn.TRANSPOSE,
        6: turn.ROTATE_90,
        7: turn.TRANSVERSE,
        8: turn.ROTATE_270,
    }
    stored = upright.transpose(stored_by[orientation]) if orientation > 1 else upright
    exif = PIL.Image.Exif()
    exif[274] = orientation
    options: dict[str, Any] = {"quality": 95} if image_format == "JPEG" else {}
    return encoded(stored, image_format, exif=exif, **options)


def near(pixel: Any, expected: tuple[int, int, int], tolerance: int = 12) -> bool:
    return all(abs(found - wanted) <= tolerance for found, wanted in zip(pixel, expected, strict=True))


class TestOrientation:
    @pytest.mark.parametrize("image_format", ["JPEG", "PNG", "TIFF", "WEBP"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_upright(self, orientation: int, image_format: str) -> None:
        data = with_corner(orientation, image_format)
        assert inspect_image(data, LIMIT) == ImageFacts(40, 20, image_format)
        image = decode_image(data)
        assert image.size == (40, 20)
        assert near(image.getpixel((3, 3)), RED, 40)
        assert near(image.getpixel((36, 16)), BLUE, 40)

    @pytest.mark.parametrize(
        "exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\x7f", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"]
    )
    def test_corrupt_exif_is_ignored(self, exif: bytes) -> None:
        data = encoded(noise(), "JPEG", exif=exif)
        assert inspect_image(data, LIMIT) == ImageFacts(80, 60, "JPEG")
        assert decode_image(data).size == (80, 60)

    def test_orientation_that_does_not_exist(self) -> None:
        exif = PIL.Image.Exif()
        exif[274] = 42
        assert inspect_image(encoded(noise(), "JPEG", exif=exif), LIMIT).width == 80


class TestDecodeReduced:
    @pytest.mark.parametrize(
        ("least_side", "size"),
        [(1, (11, 8)), (7, (11, 8)), (8, (22, 16)), (15, (22, 16)), (16, (43, 31)), (31, (86, 61)), (500, (86, 61))],
    )
    def test_a_jpeg_is_decoded_as_small_as_it_may_be(self, least_side: int, size: tuple[int, int]) -> None:
        image, whole = decode_reduced(encoded(noise(86, 61), "JPEG"), least_side)
        assert whole == (86, 61)
        assert (image.mode, image.size) == ("RGB", size)

    @pytest.mark.parametrize("image_format", ["JPEG", "PNG", "TIFF", "WEBP"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_upright(self, orientation: int, image_format: str) -> None:
        image, whole = decode_reduced(with_corner(orientation, image_format), 10)
        assert whole == (40, 20)
        assert image.size == ((20, 10) if image_format == "JPEG" else (40, 20))
        assert near(image.getpixel((1, 1)), RED, 40)
        assert near(image.getpixel((image.width - 2, image.height - 2)), BLUE, 40)

    def test_cmyk(self) -> None:
        data = encoded(PIL.Image.new("CMYK", (64, 64), (0, 255, 255, 0)), "JPEG", quality=95)
        image, _ = decode_reduced(data, 8)
        assert (image.mode, image.size) == ("RGB", (8, 8))
        assert near(image.getpixel((4, 4)), RED)

    def test_a_jpeg_that_is_cut_short(self) -> None:
        with pytest.raises(BadImage) as caught:
            decode_reduced(encoded(noise(), "JPEG")[:1500], 8)
        assert caught.value.reason is Reason.TRUNCATED_IMAGE


class TestDecode:
    @pytest.mark.parametrize("image_format", FORMATS)
    def test_rgb(self, image_format: str) -> None:
        image = decode_image(encoded(PIL.Image.new("RGB", (16, 8), RED), image_format))
        assert (image.mode, image.size) == ("RGB", (16, 8))
        assert near(image.getpixel((5, 5)), RED, 6)

    def test_cmyk(self) -> None:
        data = encoded(PIL.Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
        assert inspect_image(data, LIMIT).format == "JPEG"
        assert near(decode_image(data).getpixel((8, 8)), RED)

    def test_lab(self) -> None:
        image = decode_image(encoded(PIL.Image.new("LAB", (4, 4), (255, 128, 128)), "TIFF"))
        assert image.mode == "RGB"

    @pytest.mark.parametrize(("mode", "value", "expected"), [("L", 100, 100), ("1", 1, 255), ("1", 0, 0)])
    def test_grey_and_black_and_white(self, mode: str, value: int, expected: int) -> None:
        image = decode_image(encoded(PIL.Image.new(mode, (4, 4), value), "PNG"))
        assert image.getpixel((0, 0)) == (expected, expected, expected)

    def test_palette(self) -> None:
        image = decode_image(encoded(PIL.Image.new("RGB", (4, 4), GREEN).quantize(), "PNG"))
        assert image.getpixel((0, 0)) == GREEN

    def test_palette_with_transparency(self) -> None:
        image = PIL.Image.new("P", (2, 1))
        image.putpalette([255, 0, 0, 0, 255, 0])
        image.putpixel((1, 0), 1)
        for transparency in (0, b"\0\xff"):
            decoded = decode_image(encoded(image, "PNG", transparency=transparency))
            assert [decoded.getpixel((x, 0)) for x in (0, 1)] == [WHITE, GREEN]

    @pytest.mark.parametrize("image_format", ["PNG", "WEBP", "TIFF"])
    def test_alpha_on_white(self, image_format: str) -> None:
        options: dict[str, Any] = {"lossless": True, "exact": True} if image_format == "WEBP" else {}
        image = PIL.Image.new("RGBA", (2, 1), (255, 0, 0, 0))
        image.putpixel((1, 0), (255, 0, 0, 128))
        decoded = decode_image(encoded(image, image_format, **options))
        assert decoded.getpixel((0, 0)) == WHITE
        assert near(decoded.getpixel((1, 0)), (255, 127, 127), 1)

    def test_grey_with_alpha(self) -> None:
        assert decode_image(encoded(PIL.Image.new("LA", (2, 2), (0, 0)), "PNG")).getpixel((0, 0)) == WHITE

    @pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG", "TIFF"])
    def test_animation_is_its_first_frame(self, image_format: str) -> None:
        frames = [PIL.Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
        data = encoded(frames[0], image_format, save_all=True, append_images=frames[1:])
        assert inspect_image(data, LIMIT) == ImageFacts(8, 8, image_format)
        assert near(decode_image(data).getpixel((4, 4)), RED)

    def test_not_an_image(self) -> None:
        with pytest.raises(BadImage):
            decode_image(b"no image")

    def test_pixel_limit(self) -> None:
        with pytest.raises(BadImage) as caught:
            decode_image(encoded(noise(), "PNG"), max_pixels=100)
        assert caught.value.reason is Reason.TOO_MANY_PIXELS


class TestDeepChannels:
    VALUES = (0, 257, 25_700, 65_535)
    SCALED = (0, 1, 100, 255)

    def grey_levels(self, data: bytes) -> tuple[int, ...]:
        return tuple(int(value) for value in np.asarray(decode_image(data))[0, :, 0])

    def test_png_grey(self) -> None:
        data = deep_png(list(self.VALUES), colour=0)
        assert inspect_image(data, LIMIT) == ImageFacts(4, 1, "PNG")
        assert self.grey_levels(data) == self.SCALED

    def test_png_grey_with_a_transparent_level(self) -> None:
        transparent = png_chunk(b"tRNS", struct.pack(">H", 257))
        assert self.grey_levels(deep_png(list(self.VALUES), 0, transparent)) == (0, 255, 100, 255)

    def test_png_colour(self) -> None:
        assert decode_image(deep_png([65_535, 0, 25_700], colour=2)).getpixel((0, 0)) == (255, 0, 100)

    @pytest.mark.parametrize("dtype", ["<u2", ">u2"])
    def test_tiff(self, dtype: str) -> None:
        pixels = np.array([self.VALUES], dtype=dtype)
        mode = "I;16" if dtype == "<u2" else "I;16B"
        image = PIL.Image.frombytes(mode, (4, 1), pixels.tobytes())
        assert self.grey_levels(encoded(image, "TIFF")) == self.SCALED

    def test_whole_numbers_of_32_bits(self) -> None:
        image = PIL.Image.fromarray(np.array([self.VALUES], dtype=np.int32))
        assert self.grey_levels(encoded(image, "TIFF")) == self.SCALED

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ((0.0, 0.4, 1.0, 0.2), (0, 102, 255, 51)),
            ((-10.0, 0.0, 10.0, 0.0), (0, 128, 255, 128)),
            ((5.0, 5.0, 5.0, 5.0), (0, 0, 0, 0)),
            ((float("nan"), 0.0, 1.0, float("inf")), (0, 0, 255, 0)),
        ],
    )
    def test_floats(self, values: tuple[float, ...], expected: tuple[int, ...]) -> None:
        image = PIL.Image.fromarray(np.array([values], dtype=np.float32))
        assert self.grey_levels(encoded(image, "TIFF")) == expected


class TestReadBytes:
    def test_file(self, tmp_path: Any) -> None:
        (tmp_path / "a.jpg").write_bytes(b"abc")
        assert read_image_bytes(str(tmp_path / "a.jpg")) == b"abc"

    def test_missing(self, tmp_path: Any) -> None:
        with pytest.raises(FileNotFoundError):
            read_image_bytes(str(tmp_path / "a.jpg"))
