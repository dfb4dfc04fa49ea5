"""Pictures by an image's id: GET /thumb/{image_id} and /picture/{image_id}, both WebP, made anew from the file.

    image_id ─► the run's own row: path, hash ─► `image_files` ─► WebP

No path comes from a request. A file is shown if it is the very one that the run saw, and an image; else the answer says
why not, and nothing of what the file holds.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mminstruct.web.explore.replies import Refused
from mminstruct.web.explore.thumbnails import Thumbnails
from mminstruct.web.image_files import NotShown, make_webp

if TYPE_CHECKING:
    from mminstruct.web.explore.library import RunExplorer

THUMBNAIL_SIDE, THUMBNAIL_QUALITY = 320, 78  # pixels; of 100
PICTURE_SIDE, PICTURE_QUALITY = 2048, 88
N_DECODING = 2  # at once; the largest image that a run takes has half a gigabyte of pixels
_IMAGE_ID = re.compile(r"[0-9a-f]{16}")
_KEPT_BY_BROWSER = {"Cache-Control": "private, max-age=86400"}  # an id is a hash of the picture's content


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
            return webp_of(path, content_hash, self._explorer.config.intake.max_pixels, side, quality)

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


def webp_of(path: str, content_hash: str | None, max_pixels: int, side: int, quality: int) -> bytes:
    """Return an image file as WebP, its longer side at most `side` pixels. Raises Refused, which says why not."""
    try:
        return make_webp(path, content_hash, max_pixels, side, quality).data
    except NotShown as error:
        raise Refused(404 if error.gone else 422, str(error)) from error
