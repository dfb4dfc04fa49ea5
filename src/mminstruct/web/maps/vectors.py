"""The vectors that a run's own encoders gave its texts and images: read, not paid for again.

texts of a run ─► kept beside the replies? ─► their vectors
                                      └ no ─► the embedded sentence encoder computes some thousand, and keeps them;
                                              any other model is left alone, and what is missing is told
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mminstruct.config.encoders import CaptionEncoder, EmbeddedTextEncoder, TextEncoderConfig
from mminstruct.config.run import RunConfig
from mminstruct.encoders.kept import image_keys, keep_texts, read_kept, text_keys, vector_file, vector_folder
from mminstruct.encoders.protocols import Embeddings, TextEncoder
from mminstruct.encoders.text import load_text_encoder
from mminstruct.errors import MMInstructError, StoreError
from mminstruct.rows import Image
from mminstruct.web.maps.project import Told

N_COMPUTED = 20_000  # texts that the embedded encoder is asked for at most: some minutes
_BLOCK = 512  # texts encoded between two words of progress


@dataclass(frozen=True)
class Found:
    """The vectors that there are."""

    vectors: Embeddings  # (m, d)
    positions: npt.NDArray[np.int64]  # (m,) ascending: which of the contents asked for they belong to
    why: str = ""  # the others are missing, in a sentence that says what to do; empty where none is


def text_vectors(config: RunConfig, texts: Sequence[str], told: Told, n_computed: int = N_COMPUTED) -> Found:
    """Return the vectors of the texts by the run's sentence encoder."""
    folder = vector_folder(config.replies)
    try:
        found = _kept(vector_file(config.embedder, folder), text_keys(texts))
        missing = np.setdiff1d(np.arange(len(texts)), found.positions)
        if len(missing) == 0 or not isinstance(config.embedder, EmbeddedTextEncoder) or len(missing) > n_computed:
            return found
        computed = _computed(config.embedder, folder, [texts[position] for position in missing], told)
    except (MMInstructError, OSError) as error:
        return _nothing(str(error))
    vectors = np.empty((len(texts), computed.shape[1]), np.float32)
    vectors[missing] = computed
    if len(found.positions):
        vectors[found.positions] = found.vectors
    return Found(vectors, np.arange(len(texts)))


def image_vectors(config: RunConfig, contents: Sequence[str], told: Told) -> Found:
    """Return the vectors in which the match met images: of their descriptions or, by CLIP, of themselves.

    `contents` are what `content_of_match` gives.
    """
    encoder = config.match.encoder
    if isinstance(encoder, CaptionEncoder):
        return text_vectors(config, contents, told)
    try:
        return _kept(vector_file(encoder, vector_folder(config.replies)), image_keys(contents))
    except (MMInstructError, OSError) as error:
        return _nothing(str(error))


def content_of_match(config: RunConfig) -> Callable[[Image], str]:
    """Return what the match's vector of an image belongs to: its description, or its file by the hash."""
    by_caption = isinstance(config.match.encoder, CaptionEncoder)
    return lambda image: image.description if by_caption else image.content_hash


def _nothing(why: str) -> Found:
    return Found(np.empty((0, 1), np.float32), np.empty(0, np.int64), why)


def _kept(path: Path, keys: Sequence[bytes]) -> Found:
    """Return the kept vectors of the keys; nothing is written, but for what SQLite itself does. Raises StoreError."""
    vectors, missing = read_kept(path, keys)
    if not vectors.shape[1]:
        return _nothing(_why(path, len(keys), len(keys)))
    if not missing:
        return Found(vectors, np.arange(len(keys)))
    positions = np.setdiff1d(np.arange(len(keys)), missing)
    return Found(vectors[positions], positions, _why(path, len(missing), len(keys)))


def _computed(config: TextEncoderConfig, folder: Path, texts: Sequence[str], told: Told) -> Embeddings:
    """Return the vectors of texts that are not kept, and keep them where that is possible."""
    encoder: TextEncoder = load_text_encoder(config)
    kept = None
    try:
        kept = keep_texts(encoder, config, folder) if folder.parent.is_dir() else None
    except StoreError:
        kept = None  # somebody who may only read the run does without
    try:
        parts = []
        for start in range(0, len(texts), _BLOCK):
            parts.append((kept or encoder).encode_texts(texts[start : start + _BLOCK]))
            told(min(1.0, (start + _BLOCK) / len(texts)))
    finally:
        if kept:
            kept.close()
    return np.concatenate(parts)


def _why(path: Path, n_missing: int, n: int) -> str:
    return (
        f"Of {n:,} vectors {n_missing:,} are not kept in {path}, where `mminstruct run` keeps them on one machine. "
        "They are not computed for a map alone; bring the file here, or run again up to the match."
    )
