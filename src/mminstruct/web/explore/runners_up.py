"""The instructions that came near in the match: similarities of one image with all of them, computed anew.

What is compared are the vectors that the match itself kept beside the replies; no model is loaded, and nothing is asked
of anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mminstruct.config.encoders import CaptionEncoder
from mminstruct.encoders.kept import keys_of_match, read_kept, text_keys, vector_file, vector_folder
from mminstruct.encoders.protocols import Embeddings
from mminstruct.errors import MMInstructError
from mminstruct.rows import Image
from mminstruct.web.explore.query import Remembered

if TYPE_CHECKING:
    from mminstruct.web.explore.library import RunExplorer

N_SHOWN = 8
_MOST_INSTRUCTIONS = 20_000  # a matrix of 30 MB; the story of one row waits for its product
_ROUNDED = 1e-3  # a score that is further away is another encoder's


class NoVectors(Exception):
    """The similarities cannot be had; the message says why."""


class RunnersUp:
    """Ranks a run's instructions for an image; their vectors are kept in memory."""

    def __init__(self, explorer: RunExplorer) -> None:
        self._explorer = explorer
        self._instructions = Remembered(1)

    def of(self, image: Image, instruction_id: str, score: float) -> list[dict[str, Any]]:
        """Return the nearest instructions, nearest first, the drawn one among them. Raises NoVectors.

        `score` is the match's own: where the drawn instruction comes out at another one, the vectors are not the
        match's, and nothing is said.
        """
        try:
            ids, texts, vectors = self._instructions.get(self._explorer.version, self._load)
            scores = vectors @ self._vectors_of(image)[0]
        except (MMInstructError, OSError) as error:
            raise NoVectors(str(error)) from error
        drawn = ids.index(instruction_id) if instruction_id in ids else None
        if drawn is None or abs(float(scores[drawn]) - score) > _ROUNDED:
            raise NoVectors("The vectors that are kept are not those that the match was made with.")
        nearest = np.argsort(-scores, kind="stable")[:N_SHOWN].tolist()
        shown = nearest if drawn in nearest else [*nearest, drawn]
        return [
            {"instruction_id": ids[place], "text": texts[place], "score": round(float(scores[place]), 6)}
            for place in shown
        ]

    def _load(self) -> tuple[list[str], list[str], Embeddings]:
        rows = self._explorer.select("SELECT instruction_id, text FROM instructions ORDER BY instruction_id")
        if len(rows) > _MOST_INSTRUCTIONS:
            raise NoVectors(f"There are {len(rows):,} instructions, more than are compared for one row.")
        texts = [text for _, text in rows]
        return [instruction_id for instruction_id, _ in rows], texts, self._kept(text_keys(texts))

    def _vectors_of(self, image: Image) -> Embeddings:
        """Return the one vector of the image, `(1, d)`."""
        return self._kept(keys_of_match(self._explorer.config.match.encoder, [image]))

    def _kept(self, keys: Sequence[bytes]) -> Embeddings:
        """Return vectors that the match kept. Raises NoVectors where any is missing."""
        path = self._path
        if not path.exists():
            raise NoVectors(f"The match's vectors are not kept on this machine (there is no {path}).")
        vectors, missing = read_kept(path, keys)
        if missing:
            raise NoVectors(f"{len(missing):,} of the match's {len(keys):,} vectors are not kept in {path}.")
        return vectors

    @cached_property
    def _path(self) -> Path:
        """Where the match keeps its vectors; its name holds a hash of the whole model, so it is asked for once."""
        config = self._explorer.config
        encoder = config.match.encoder
        wanted = config.embedder if isinstance(encoder, CaptionEncoder) else encoder
        return vector_file(wanted, vector_folder(config.replies))
