"""What a stage may ask of an encoder. Stages see this file and no other of `encoders/`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Embeddings = npt.NDArray[np.float32]
"""`(n, d)` float32, rows of unit length."""


class TextEncoder(Protocol):
    """Turns texts into unit vectors."""

    @property
    def name(self) -> str:
        """Which model this is, as the manifest keeps it."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Return `(len(texts), d)` float32 rows of unit length, in the order of the texts."""
        ...


class ImageEncoder(TextEncoder, Protocol):
    """Turns images into unit vectors of the texts' space."""

    def encode_image_batches(self, paths: Sequence[str], content_hashes: Sequence[str]) -> Iterator[Embeddings]:
        """Yield `(b, d)` float32 rows of unit length, batch by batch in the order of the paths."""
        ...
