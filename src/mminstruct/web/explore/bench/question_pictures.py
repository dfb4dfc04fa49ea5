"""Pictures by a question's id: GET /thumb/{question_id} and /picture/{question_id}, WebP made anew from the file.

A question's file may be replaced while its id stays. So browsers ask each time, and get 304 where it is the same.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mminstruct.rows import content_id
from mminstruct.web.explore.bench.explorer import BenchExplorer
from mminstruct.web.explore.pictures import (
    N_DECODING,
    PICTURE_QUALITY,
    PICTURE_SIDE,
    THUMBNAIL_QUALITY,
    THUMBNAIL_SIDE,
    webp_of,
)
from mminstruct.web.explore.replies import Refused

_MAX_PIXELS = 100_000_000
_MOST_BYTES = 64 * 2**20  # of thumbnails in memory: a benchmark's folder gets no files that are not its own


def routes(explorer: BenchExplorer) -> list[Route]:
    """Return GET /thumb/{question_id} and /picture/{question_id}."""
    studio = Studio(explorer)

    def thumbnail(request: Request) -> Response:
        return studio.answer(request, THUMBNAIL_SIDE, THUMBNAIL_QUALITY)

    def picture(request: Request) -> Response:
        return studio.answer(request, PICTURE_SIDE, PICTURE_QUALITY)

    return [Route("/thumb/{question_id:path}", thumbnail), Route("/picture/{question_id:path}", picture)]


class Studio:
    """Makes pictures of a benchmark's images, few at a time, and keeps the newest thumbnails."""

    def __init__(self, explorer: BenchExplorer) -> None:
        self._explorer = explorer
        self._decoding = threading.Semaphore(N_DECODING)
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, bytes] = OrderedDict()  # by tag
        self._n_bytes = 0

    def answer(self, request: Request, side: int, quality: int) -> Response:
        """Answer with the question's image. Raises Refused with the reason where it cannot be shown."""
        path = self._explorer.image_path(request.path_params["question_id"])
        if path is None:
            raise Refused(404, "This benchmark has no such question, or the question has no image.")
        tag = _tag(path, side)
        headers = {"ETag": f'"{tag}"'}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        data = self._kept.get(tag)
        if data is None:
            with self._decoding:
                data = webp_of(str(path), None, _MAX_PIXELS, side, quality)
            if side == THUMBNAIL_SIDE:
                self._keep(tag, data)
        return Response(data, media_type="image/webp", headers=headers)

    def _keep(self, tag: str, data: bytes) -> None:
        with self._lock:
            self._n_bytes += len(data) - len(self._kept.pop(tag, b""))
            self._kept[tag] = data
            while self._n_bytes > _MOST_BYTES:
                self._n_bytes -= len(self._kept.popitem(last=False)[1])


def _tag(path: Path, side: int) -> str:
    """Return what stands for the file as it is. Raises Refused where it is not there."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise Refused(404, f"The image {path.name} is not in the benchmark's folder images/.") from error
    return content_id(str(path), str(status.st_mtime_ns), str(status.st_size), str(side))
