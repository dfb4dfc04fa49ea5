"""Images on their way to a vision model: a `Picture` becomes a JPEG no larger than asked, in a data URL.

    Picture("/data/42.png", content_hash, max_side=768)  ─►  "data:image/jpeg;base64,/9j/4AAQ…"

Only the wire sees data URLs. Requests, the reply store and everything else speak of a picture by its reference.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections import OrderedDict

from mminstruct.errors import SourceError
from mminstruct.imaging import BadImage, decode_image, image_hash, is_no_file, read_image_bytes
from mminstruct.llm.chat import Picture, Request, RequestFailed
from mminstruct.rows import Reason

_QUALITY = 85  # of 100: at these sizes hardly to be told from the original, at a fraction of its bytes
_MAX_BYTES = 64 * 2**20  # some hundreds of pictures: what a few hundred requests in flight speak of


class PictureCache:
    """Encodes pictures in threads and keeps the data URLs used last, by content and size, up to `max_bytes`."""

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._n_bytes = 0
        self._urls: OrderedDict[str, str] = OrderedDict()  # by reference, the least recently used first

    async def fill_in(self, body: str, request: Request, request_id: str) -> str:
        """Return the request's JSON text with data URLs where it has references; without pictures, the same text.

        Raises RequestFailed where an image is gone, is another than it was, or is damaged.
        """
        for message in request.messages:
            for picture in message.pictures:
                try:
                    url = await self.encode(picture)
                except BadImage as fault:
                    raise RequestFailed(request_id, fault.reason, f"{picture.path}: {fault.detail}") from fault
                # In quotes: no caption can hold these, for its own quotes are escaped.
                body = body.replace(json.dumps(picture.reference), f'"{url}"')
        return body

    async def encode(self, picture: Picture) -> str:
        """Return the picture as a data URL. Raises BadImage for a fault of this image, SourceError for a dead disk."""
        if picture.reference in self._urls:
            self._urls.move_to_end(picture.reference)
            return self._urls[picture.reference]
        url = await asyncio.to_thread(_data_url, picture)
        self._keep(picture.reference, url)
        return url

    def _keep(self, reference: str, url: str) -> None:
        """Put a URL in as the one used last, and let go of those used longest ago."""
        if reference in self._urls:  # encoded twice at the same time
            return
        self._urls[reference] = url
        self._n_bytes += len(url)
        while self._n_bytes > self._max_bytes:
            _, oldest = self._urls.popitem(last=False)
            self._n_bytes -= len(oldest)


def _data_url(picture: Picture) -> str:
    image = decode_image(_read(picture), max_side=picture.max_side)
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.getvalue()).decode("ascii")


def _read(picture: Picture) -> bytes:
    """Return the bytes of the very file that the picture speaks of; its reply is stored under their hash."""
    try:
        data = read_image_bytes(picture.path)
    except OSError as error:
        if is_no_file(error):
            raise BadImage(Reason.MISSING_IMAGE, f"found no file to open ({error.strerror})") from error
        raise SourceError(
            f"The image {picture.path} cannot be read: {error}. Every reply received so far is kept; run the same "
            "command again when it can be read."
        ) from error
    if image_hash(data) != picture.content_hash:
        raise BadImage(Reason.CHANGED_IMAGE, "found other bytes than when the images were read; expected the same file")
    return data
