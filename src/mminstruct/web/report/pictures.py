"""Thumbnails for the gallery: an image's row → WebP bytes, or one sentence that says why there is no picture."""

from __future__ import annotations

from mminstruct.rows import Image
from mminstruct.web.image_files import NotShown, make_webp
from mminstruct.web.report.contents import Picture

_MAX_SIDE = 320
_QUALITY = 70
_METHOD = 4  # made once and sent with the page, so some more care for its size


def make_picture(image: Image, max_pixels: int) -> Picture:
    """Return the thumbnail, with a longer side of at most 320 pixels."""
    try:
        webp = make_webp(image.path, image.content_hash, max_pixels, _MAX_SIDE, _QUALITY, _METHOD)
    except NotShown as error:
        return Picture(None, problem=str(error))
    return Picture(webp.data, webp.width, webp.height)
