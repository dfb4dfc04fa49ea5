"""Thumbnails for the gallery: an image's row → WebP bytes, or one sentence that says why there is no picture."""

from __future__ import annotations

import io

from mminstruct.imaging import BadImage, decode_image, image_hash, read_image_bytes
from mminstruct.rows import Image
from mminstruct.web.report.contents import Picture

_MAX_SIDE = 320
_QUALITY = 70


def make_picture(image: Image, max_pixels: int) -> Picture:
    """Return the thumbnail, with a longer side of at most 320 pixels."""
    try:
        data = read_image_bytes(image.path)
    except (OSError, ValueError) as error:
        return Picture(None, problem=f"The file cannot be read: {type(error).__name__}.")
    if image_hash(data) != image.content_hash:
        return Picture(None, problem="The file is no longer the one that the run read.")
    try:
        picture = decode_image(data, max_pixels, _MAX_SIDE)
    except BadImage as error:
        return Picture(None, problem=f"It cannot be shown: {error.reason}.")
    webp = io.BytesIO()
    picture.save(webp, "WEBP", quality=_QUALITY, method=4)
    return Picture(webp.getvalue(), *picture.size)
