"""Pictures by an image's id: GET /thumb/{image_id} and /picture/{image_id}, both WebP, made anew from the file.

    image_id ─► the run's own row: path, hash ─► bytes with that hash ─► decoded by `imaging` ─► WebP

No path comes from a request. A file is shown if it is the very one that the run saw, and an image; else the answer says
why not, and nothing of what the file holds.
"""

from __future__ import annotations

import io
import re
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mminstruct.imaging import BadImage, decode_image, image_hash, read_image_bytes
from mminstruct.rows import Reason
from mminstruct.tars import split_tar_path
from mminstruct.web.explore.replies import Refused
from mminstruct.web.explore.thumbnails import Thumbnails

if TYPE_CHECKING:
    from mminstruct.web.explore.library import RunExplorer

THUMBNAIL_SIDE, THUMBNAIL_QUALITY = 320, 78  # pixels; of 100
PICTURE_SIDE, PICTURE_QUALITY = 2048, 88
_LARGEST_FILE = 512 * 2**20  # bytes
N_DECODING = 2  # at once; the largest image that a run takes has half a gigabyte of pixels
_IMAGE_ID = re.compile(r"[0-9a-f]{16}")
_KEPT_BY_BROWSER = {"Cache-Control": "private, max-age=86400"}  # an id is a hash of the picture's content
_WHY = {
    Reason.TOO_MANY_PIXELS: "The image has more pixels than are allowed (in a run, intake.max_pixels of its config).",
    Reason.TRUNCATED_IMAGE: "The file is cut short or damaged.",
    Reason.EMPTY_IMAGE: "The file is empty.",
    Reason.NOT_AN_IMAGE: "The file is no image.",
}


def routes(explorer: RunExplorer) -> list[Route]:
    """GET /thumb/{image_id} and /picture/{image_id}."""
    studio = Studio(explorer)

    def thumbnail(request: Request) -> Response:
        return _webp(studio.thumbnail(_image_id(request)))

    def picture(request: Request) -> Response:
        return _webp(studio.picture(_image_id(request)))

    return [Route("/thumb/{image_id}", thumbnail), Route("/picture/{image_id}", picture)]


def _image_id(request: Request) -> str:
    image_id: str = request.path_params["image_id"]
    if not _IMAGE_ID.fullmatch(image_id):
        raise Refused(404, "This is no image's id.")
    return image_id


def _webp(data: bytes) -> Response:
    return Response(data, media_type="image/webp", headers=_KEPT_BY_BROWSER)


class Studio:
    """Makes pictures of a run's images, few at a time. Raises Refused with the reason where one cannot be made."""

    def __init__(self, explorer: RunExplorer) -> None:
        self._explorer = explorer
        self._decoding = threading.Semaphore(N_DECODING)
        self._thumbnails = Thumbnails(explorer.own)

    def thumbnail(self, image_id: str) -> bytes:
        """Return the image as WebP, its longer side 320 pixels, from the cache where it is there."""
        if (kept := self._thumbnails.get(image_id)) is not None:
            return kept
        data = self._make(image_id, THUMBNAIL_SIDE, THUMBNAIL_QUALITY)
        self._thumbnails.put(image_id, data)
        return data

    def picture(self, image_id: str) -> bytes:
        """Return the image as WebP, its longer side 2048 pixels at most."""
        return self._make(image_id, PICTURE_SIDE, PICTURE_QUALITY)

    def _make(self, image_id: str, side: int, quality: int) -> bytes:
        path, content_hash = self._find(image_id)
        with self._decoding:
            data = read_file(path)
            if image_hash(data) != content_hash:
                raise Refused(422, "The file is no longer the one that the run saw.")
            return make_webp(data, self._explorer.config.intake.max_pixels, side, quality)

    def _find(self, image_id: str) -> tuple[str, str]:
        """Return the path and the hash that the run's table has for the image."""
        table = self._explorer.tables.images
        parts = self._explorer.select("SELECT part FROM rows WHERE image_id = ? AND kind = 0 LIMIT 1", [image_id]) or [
            (place.part,) for place in table.index().places(image_id) if not place.rejected
        ]
        for (part,) in parts:
            for image in table.pick(part, [image_id]):
                return image.path, image.content_hash
        raise Refused(404, "This run has no such image.")


def make_webp(data: bytes, max_pixels: int, side: int, quality: int) -> bytes:
    """Return an image file as WebP, its longer side at most `side` pixels. Raises Refused for no sound image."""
    try:
        image = decode_image(data, max_pixels, side)
        made = io.BytesIO()
        image.save(made, "WEBP", quality=quality, method=2)
    except BadImage as error:
        raise Refused(422, _WHY.get(error.reason, "The file cannot be shown.")) from error
    except MemoryError as error:
        raise Refused(422, "The image is too large for this machine's memory.") from error
    return made.getvalue()


def read_file(path: str) -> bytes:
    """Return the bytes of a plain file of bearable size. Raises Refused where it is none or is not there."""
    split = split_tar_path(path)
    try:
        status = Path(split[0] if split else path).stat()
        if not stat.S_ISREG(status.st_mode):
            raise Refused(404, "The image's path is no plain file.")
        if not split and status.st_size > _LARGEST_FILE:
            raise Refused(422, f"The file has more than {_LARGEST_FILE >> 20:,} MB.")
        return read_image_bytes(path)
    except FileNotFoundError as error:
        raise Refused(404, "The file is gone.") from error
    except PermissionError as error:
        raise Refused(404, "The file may not be read.") from error
    except (OSError, ValueError) as error:  # a NUL in the path, a tar without the member
        raise Refused(404, "The file cannot be read.") from error
