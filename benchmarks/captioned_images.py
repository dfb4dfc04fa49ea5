"""A collection of any size: the demo's photographs, small, each copy with bytes of its own, and their descriptions.

    folder/images/0000/00000017.jpg, …   folder/captions.jsonl: {"image": "0000/00000017.jpg", "caption": "…", …}

A copy differs in its JPEG comment, so that intake, which rejects the same bytes, takes it for another image, and in the
number at the end of its caption, so that no request is like another.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from mminstruct.demo import write_demo_inputs

PER_FOLDER = 1_000
_SIDE = 96  # pixels: a million copies of photographs as they are would not fit on a disk
_START_OF_IMAGE = b"\xff\xd8"


def make_collection(folder: Path, n_images: int, pictures: Sequence[tuple[bytes, str]] = ()) -> Path:
    """Write `n_images` images and their captions, and return `captions.jsonl`; JPEGs may be given with captions."""
    pictures = pictures or demo_pictures()
    with (folder / "captions.jsonl").open("w", encoding="utf-8") as lines:
        for number in range(n_images):
            data, caption = pictures[number % len(pictures)]
            name = f"{number // PER_FOLDER:04d}/{number:08d}.jpg"
            path = folder / "images" / name
            if number % PER_FOLDER == 0:
                path.parent.mkdir(parents=True)
            path.write_bytes(numbered(data, number))
            lines.write(json.dumps({"image": name, "caption": f"{caption} Photo {number}.", "id": str(number)}) + "\n")
    return folder / "captions.jsonl"


def demo_pictures(side: int = _SIDE) -> list[tuple[bytes, str]]:
    """Return the demo's photographs as JPEGs of at most `side` pixels, with their descriptions."""
    with tempfile.TemporaryDirectory() as folder:
        captions = write_demo_inputs(Path(folder))
        rows = [json.loads(line) for line in captions.read_text(encoding="utf-8").splitlines()]
        return [(_small(Path(folder) / "images" / row["image"], side), row["caption"]) for row in rows]


def numbered(data: bytes, number: int) -> bytes:
    """Return a JPEG with a number in a comment."""
    comment = b"%012d" % number
    return _START_OF_IMAGE + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:]


def _small(path: Path, side: int) -> bytes:
    buffer = io.BytesIO()
    with Image.open(path) as image:
        small = image.convert("RGB")
        small.thumbnail((side, side))
        small.save(buffer, "JPEG", quality=75)
    return buffer.getvalue()
