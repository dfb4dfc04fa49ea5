"""Small real pictures for the readers' tests."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

Picture = Callable[[int], bytes]
AddPicture = Callable[..., Path]


@pytest.fixture
def picture() -> Picture:
    """Return the bytes of a JPEG; another number, another picture."""

    def make(number: int) -> bytes:
        pixels = np.random.default_rng(number).integers(0, 256, (12, 16, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        PIL.Image.fromarray(pixels).save(buffer, "JPEG")
        return buffer.getvalue()

    return make


@pytest.fixture
def add_picture(tmp_path: Path, picture: Picture) -> AddPicture:
    """Write a picture below the test's folder and return its path."""

    def add(name: str, number: int) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number))
        return path

    return add
