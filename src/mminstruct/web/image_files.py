"""A path of somebody's table ─► a plain file of bearable size ─► an image ─► WebP, or one sentence that says why not.

Paths and files are not to be trusted: a run comes by mail as well. Nothing of a file is shown but an image made anew.
"""

from __future__ import annotations

import io
import stat
from dataclasses import dataclass
from pathlib import Path

from mminstruct.imaging import BadImage, decode_image, image_hash, read_image_bytes
from mminstruct.rows import Reason
from mminstruct.tars import split_tar_path

_LARGEST_FILE = 512 * 2**20  # bytes
_WHY = {
    Reason.TOO_MANY_PIXELS: "The image has more pixels than are allowed (in a run, intake.max_pixels of its config).",
    Reason.TRUNCATED_IMAGE: "The file is cut short or damaged.",
    Reason.EMPTY_IMAGE: "The file is empty.",
    Reason.NOT_AN_IMAGE: "The file is no image.",
}


class NotShown(Exception):
    """There is no picture of a file; the message says why, in a sentence. `gone`: no file can be read at all."""

    def __init__(self, why: str, gone: bool = False) -> None:
        super().__init__(why)
        self.gone = gone


@dataclass(frozen=True, slots=True)
class WebP:
    """An image made anew."""

    data: bytes
    width: int
    height: int


def make_webp(
    path: str, content_hash: str | None, max_pixels: int, max_side: int, quality: int, method: int = 2
) -> WebP:
    """Return an image file as WebP, its longer side at most `max_side` pixels; `method` 0 to 6 is the care taken.

    Raises NotShown where there is no sound image, or none with this hash.
    """
    data = _read(path)
    if content_hash is not None and image_hash(data) != content_hash:
        raise NotShown("The file is no longer the one that the run saw.")
    made = io.BytesIO()
    try:
        image = decode_image(data, max_pixels, max_side)
        image.save(made, "WEBP", quality=quality, method=method)
    except BadImage as error:
        raise NotShown(_WHY.get(error.reason, "The file cannot be shown.")) from error
    except MemoryError as error:
        raise NotShown("The image is too large for this machine's memory.") from error
    return WebP(made.getvalue(), *image.size)


def _read(path: str) -> bytes:
    split = split_tar_path(path)
    try:
        status = Path(split[0] if split else path).stat()
        if not stat.S_ISREG(status.st_mode):
            raise NotShown("The image's path is no plain file.", gone=True)
        if not split and status.st_size > _LARGEST_FILE:
            raise NotShown(f"The file has more than {_LARGEST_FILE >> 20:,} MB.")
        return read_image_bytes(path)
    except FileNotFoundError as error:
        raise NotShown("The file is gone.", gone=True) from error
    except PermissionError as error:
        raise NotShown("The file may not be read.", gone=True) from error
    except (OSError, ValueError) as error:  # a NUL in the path, a tar without the member
        raise NotShown("The file cannot be read.", gone=True) from error
