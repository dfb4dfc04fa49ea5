"""Pillow's many modes to RGB of 8 bits a channel: palettes, CMYK, transparency, deep greys, floats."""

from __future__ import annotations

import numpy as np
import PIL.Image

_BITS_TAG = 258  # TIFF's BitsPerSample


def channel_bits(image: PIL.Image.Image) -> int:
    """Return the bits of a channel as a TIFF says them: Pillow keeps 12 bits in 16."""
    try:
        return int(getattr(image, "tag_v2", {}).get(_BITS_TAG, (16,))[0])
    except (TypeError, ValueError, LookupError):
        return 16


def as_rgb(image: PIL.Image.Image, n_bits: int) -> PIL.Image.Image:
    """Return the image as RGB, its transparent parts composited on white; `n_bits` are those of a 16-bit channel.

    An image that is RGB already comes back as it is, not as a copy.
    """
    if image.mode == "F" or image.mode.startswith("I"):
        image = _eight_bits(image, n_bits)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return PIL.Image.alpha_composite(PIL.Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: PIL.Image.Image, n_bits: int) -> PIL.Image.Image:
    """Return a deep grey image as `L`, or `LA` where a grey level stands for transparent.

    16-bit values go by their full range. 32-bit values and floats have no agreed white: 0 to 1 for floats within it,
    16 bits for whole numbers within them, and else the image's own darkest and brightest value.
    """
    values = np.asarray(image, dtype=np.float32)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I;16"):
        low, high = 0.0, float(2 ** min(max(n_bits, 1), 16) - 1)
    elif image.mode == "I" and low >= 0 and high <= 65_535:
        low, high = 0.0, 65_535.0
    elif image.mode == "F" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    scaled = np.rint((values - low) * (255.0 / ((high - low) or 1.0))).clip(0, 255).astype(np.uint8)
    grey = PIL.Image.fromarray(scaled)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey.putalpha(PIL.Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return grey
