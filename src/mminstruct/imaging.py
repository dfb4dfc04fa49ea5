"""Image files to facts and pixels: the only place that opens an image.

    path ─► read_image_bytes ─► inspect_image  (width, height, format, or BadImage)
                             ├► decode_image   (RGB, upright, its transparent parts white)
                             └► decode_reduced (the same, a large JPEG at a fraction of its size)

Odd images are normal input: EXIF rotation, CMYK, palettes, 1 to 16 bits a channel, floats, animations (first frame).
"""

from __future__ import annotations

import errno
import hashlib
import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path

import PIL.Image

from mminstruct.rgb import as_rgb, channel_bits
from mminstruct.rows import Reason
from mminstruct.tars import read_member, split_tar_path

IMAGE_ENDINGS = frozenset(
    ["avif", "bmp", "gif", "jfif", "jp2", "jpe", "jpeg", "jpg", "png", "pgm", "ppm", "qoi", "tif", "tiff", "webp"]
)
"""Endings, in lower case and without the dot, by which a folder or a tar shows its images."""

# Formats without a signature of their own (TGA) see pictures in noise, and others (EPS, WMF) start other programs.
_FORMATS = ("JPEG", "MPO", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP", "PPM", "JPEG2000", "QOI")

_SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF8": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"\0\0\0\x0cjP  ": "JPEG2000",
    b"qoif": "QOI",
}

_TURNS = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}  # EXIF 2.32, section 4.6.4, tag 274: what turns the stored picture upright
_ORIENTATION_TAG = 274
_SIDEWAYS = (5, 6, 7, 8)
_DRAFTED = ("JPEG", "MPO")


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What a row keeps of an image: pixels after EXIF rotation, and Pillow's name of the format."""

    width: int
    height: int
    format: str


class BadImage(Exception):
    """Bytes that are no usable image; `reason` is one of the image reasons of `Reason`."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


# What open() says when the fault is this one path's; anything else (a full table, a dead disk) is the machine's.
_NO_FILE = {
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EPERM,
    errno.EINVAL,
}  # fmt: skip


def is_no_file(error: OSError) -> bool:
    """Tell an error of one path, which names nothing that can be opened, from one of the machine."""
    return error.errno in _NO_FILE


def image_hash(data: bytes) -> str:
    """Return what rows keep as `content_hash`: BLAKE2b of the file's bytes, 32 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def read_image_bytes(path: str) -> bytes:
    """Return the bytes of an image file, or of a member of a tar (`…/shard.tar::member`). Raises OSError."""
    split = split_tar_path(path)
    if split is not None:
        return read_member(*split)
    return Path(path).read_bytes()


def inspect_image(data: bytes, max_pixels: int) -> ImageFacts:
    """Return size and format of an image after decoding the whole of it (of an animation, the first frame).

    Raises BadImage: empty, not an image, over `max_pixels` (judged by the header, before decoding), cut short.
    """
    with _opened(data, max_pixels) as image:
        width, height = image.size
        # Decoding a JPEG at an eighth of its size reads every byte all the same, in about half the time.
        image.draft(image.mode, (1, 1))
        image.load()
        if image.format not in _DRAFTED:
            width, height = image.size  # Pillow turns a TIFF while it loads it
        if _orientation(image) in _SIDEWAYS:
            width, height = height, width
    return ImageFacts(width, height, image.format or "")


def decode_image(data: bytes, max_pixels: int | None = None, max_side: int | None = None) -> PIL.Image.Image:
    """Return the image as RGB, 8 bits a channel, upright, first frame, transparent parts composited on white.

    Deeper channels are scaled to 8 bits, not clipped. Without `max_pixels` any size is decoded: for images that went
    through `inspect_image` before. With `max_side` an image whose longer side has more pixels is scaled down to it.
    Raises BadImage.
    """
    with _opened(data, max_pixels) as image:
        if max_side is not None:
            _draft(image, max_side)
        rgb = _upright(image)
        if max_side is not None:
            rgb.thumbnail((max_side, max_side))
        return rgb


def decode_reduced(data: bytes, least_side: int) -> tuple[PIL.Image.Image, tuple[int, int]]:
    """Return the image as `decode_image` does, but maybe smaller, and the width and height of the whole one.

    The JPEG library decodes at a half, a quarter or an eighth of the size where no side comes under `least_side` pixels
    by it. Other formats are decoded whole. Raises BadImage.
    """
    with _opened(data, None) as image:
        size = image.size
        image.draft(image.mode, (least_side, least_side))
        reduced = _upright(image)
        if image.format not in _DRAFTED:
            return reduced, reduced.size  # Pillow turns a TIFF while it loads it
        return reduced, (size[1], size[0]) if _orientation(image) in _SIDEWAYS else size


@contextmanager
def _opened(data: bytes, max_pixels: int | None) -> Iterator[PIL.Image.Image]:
    """Yield the image with its header read; what Pillow raises about it becomes BadImage."""
    with _PILLOW.prepared(max_pixels):
        image = _open(data, max_pixels)
        try:
            yield image
        except MemoryError:
            raise
        except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, …
            raise _undecoded(image.format, error) from error


def _upright(image: PIL.Image.Image) -> PIL.Image.Image:
    """Return an opened image decoded, turned and as RGB."""
    image.load()
    turn = _TURNS.get(_orientation(image))
    return as_rgb(image if turn is None else image.transpose(turn), channel_bits(image))


class _Pillow:
    """Pillow's process-wide settings, changed while one of our threads is inside Pillow and put back after the last.

    Pillow's own pixel limit makes way for ours, and its warnings (a corrupt tag, a large image) stay inside.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_inside = 0
        self._limit_before: int | None = None
        self._warnings = warnings.catch_warnings()

    @contextmanager
    def prepared(self, max_pixels: int | None) -> Iterator[None]:
        with self._lock:
            if self._n_inside == 0:
                self._limit_before = PIL.Image.MAX_IMAGE_PIXELS
                self._warnings = warnings.catch_warnings()
                self._warnings.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._n_inside += 1
            if max_pixels is None or PIL.Image.MAX_IMAGE_PIXELS is None:
                PIL.Image.MAX_IMAGE_PIXELS = None
            else:  # Pillow raises over twice its limit
                PIL.Image.MAX_IMAGE_PIXELS = max(PIL.Image.MAX_IMAGE_PIXELS, -(-max_pixels // 2))
        try:
            yield
        finally:
            with self._lock:
                self._n_inside -= 1
                if self._n_inside == 0:
                    PIL.Image.MAX_IMAGE_PIXELS = self._limit_before
                    self._warnings.__exit__(None, None, None)


_PILLOW = _Pillow()


@cache
def _readable_formats() -> tuple[str, ...]:
    PIL.Image.init()
    return tuple(name for name in _FORMATS if name in PIL.Image.OPEN)  # an older Pillow has no AVIF


def _open(data: bytes, max_pixels: int | None) -> PIL.Image.Image:
    """Return the image with its header read and nothing decoded."""
    if not data:
        raise BadImage(Reason.EMPTY_IMAGE, "found a file without any bytes; expected an image")
    try:
        image = PIL.Image.open(io.BytesIO(data), formats=_readable_formats())
    except MemoryError:
        raise
    except PIL.Image.DecompressionBombError as error:
        raise _undecoded(None, error) from error
    except Exception as error:
        raise _unopened(data, error) from error
    n_pixels = image.width * image.height
    if max_pixels is not None and n_pixels > max_pixels:
        raise BadImage(
            Reason.TOO_MANY_PIXELS,
            f"found {image.width} × {image.height} = {n_pixels:,} pixels; expected at most {max_pixels:,} (max_pixels)",
        )
    return image


def _draft(image: PIL.Image.Image, max_side: int) -> None:
    """Let a JPEG be decoded at a half, a quarter or an eighth of its size where that leaves twice `max_side`."""
    scale = 2 * max_side / max(image.size)
    if scale < 1:
        image.draft(image.mode, (ceil(image.width * scale), ceil(image.height * scale)))


def _unopened(data: bytes, error: Exception) -> BadImage:
    """Tell a file that begins as an image from one that is none."""
    name = _signature(data)
    if name:
        return BadImage(Reason.TRUNCATED_IMAGE, f"begins as {name}, and its header is cut short or damaged ({error})")
    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1"):
        return BadImage(Reason.NOT_AN_IMAGE, "found HEIC, which Pillow does not read; convert it to JPEG or PNG")
    return BadImage(Reason.NOT_AN_IMAGE, f"found no image format; the file begins with the bytes {data[:16]!r}")


def _signature(data: bytes) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP"[: max(0, len(data) - 8)]:
        return "WEBP"
    if data[4:12] in (b"ftypavif", b"ftypavis"):
        return "AVIF"
    for signature, name in _SIGNATURES.items():
        if data.startswith(signature) or (len(data) >= 3 and signature.startswith(data)):
            return name
    return ""


def _undecoded(format_name: str | None, error: Exception) -> BadImage:
    if isinstance(error, PIL.Image.DecompressionBombError):
        return BadImage(Reason.TOO_MANY_PIXELS, f"found a decompression bomb ({error})")
    return BadImage(Reason.TRUNCATED_IMAGE, f"begins as {format_name}, and is cut short or damaged ({error})")


def _orientation(image: PIL.Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) where there is none that makes sense."""
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # corrupt EXIF raises anything, and the picture is sound without it
        return 1
    return value if isinstance(value, int) else 1
