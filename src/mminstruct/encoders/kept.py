"""Encoders that compute the vector of a content once, and read it from disk ever after.

    "a dog on a beach" ─► embeddings/clip-vit-b-32-5f1c….sqlite: there? ─► its vector, bit by bit as it was computed
                                                                └ no ─► the encoder ─► kept, and given

A file belongs to one model, told by the content of its files: a model that is trained on, or a processor that is
changed, is another model. Wrap an encoder where the same contents come back (instructions, descriptions, images); what
is asked once (the filter's answers) is better asked of the encoder itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from mminstruct.config.encoders import (
    CaptionEncoder,
    ClipEncoder,
    EmbeddedTextEncoder,
    EncoderConfig,
    TextEncoderConfig,
)
from mminstruct.encoders.protocols import Embeddings, ImageEncoder, TextEncoder
from mminstruct.encoders.text import EMBEDDED_NAME, embedded_folder
from mminstruct.encoders.vectors import VectorFile
from mminstruct.rows import Image

_WAY = "1"  # another number where the same model and content come to give another vector
_BLOCK = 256  # vectors of one transaction: what a killed process loses at most


def keep_texts(encoder: TextEncoder, config: TextEncoderConfig, folder: Path) -> KeptTextEncoder:
    """Return the encoder with its vectors kept in `folder`. Raises StoreError."""
    return KeptTextEncoder(encoder, VectorFile(vector_file(config, folder)))


def keep_images(encoder: ImageEncoder, config: ClipEncoder, folder: Path) -> KeptImageEncoder:
    """Return the encoder of images and texts with its vectors kept in `folder`. Raises StoreError."""
    return KeptImageEncoder(encoder, VectorFile(vector_file(config, folder)))


def vector_file(config: TextEncoderConfig | ClipEncoder, folder: Path) -> Path:
    """Return where an encoder's vectors are kept, whether any are or not; the model itself is not loaded.

    Raises MissingExtraError where the embedded one is not installed, OSError where a name of the hub was never loaded.
    """
    if isinstance(config, EmbeddedTextEncoder):
        return folder / _file_name(EMBEDDED_NAME, config.kind, str(embedded_folder()))
    return folder / _file_name(config.model, config.kind, config.model)


def vector_folder(replies: str) -> Path:
    """Return the folder of the files of vectors: inside that of the reply store."""
    return Path(replies) / "embeddings"


def read_kept(file: Path, keys: Sequence[bytes]) -> tuple[Embeddings, list[int]]:
    """Return `(len(keys), d)` float32 and the positions of the keys whose vectors are missing, as `VectorFile.read`.

    Where there is no file, or no vector in it, all are, and d is 0. Raises StoreError.
    """
    if not file.exists():
        return np.empty((len(keys), 0), np.float32), list(range(len(keys)))
    with closing(VectorFile(file)) as vectors:
        return vectors.read(keys, vectors.width() or 0)


class KeptTextEncoder:
    """A TextEncoder that asks another one for the texts that it has not met."""

    def __init__(self, encoder: TextEncoder, vectors: VectorFile) -> None:
        self.name = encoder.name
        self._texts = encoder
        self._vectors = vectors
        self._width = encoder.encode_texts([]).shape[1]

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Return `(len(texts), d)` float32 rows of unit length, in the order of the texts. Raises StoreError."""

        def compute(positions: list[int]) -> Iterator[Embeddings]:
            for start in range(0, len(positions), _BLOCK):
                yield self._texts.encode_texts([texts[position] for position in positions[start : start + _BLOCK]])

        return self._complete(text_keys(texts), compute)

    def lacking(self, keys: list[bytes]) -> list[int]:
        """Return the positions of the keys whose vectors are not on disk, for others to compute. Raises StoreError."""
        return self._vectors.read(keys, self._width)[1]

    def completed(self, keys: list[bytes], positions: list[int], computed: Embeddings) -> Embeddings:
        """Keep what others have computed for these positions, and return `(len(keys), d)` of all. Raises StoreError."""
        self._vectors.add([keys[position] for position in positions], computed)
        embeddings = self._vectors.read(keys, self._width)[0]
        embeddings[positions] = computed
        return embeddings

    def close(self) -> None:
        """Close the file of vectors."""
        self._vectors.close()

    def _complete(self, keys: list[bytes], compute: Callable[[list[int]], Iterable[Embeddings]]) -> Embeddings:
        """Return the vectors of the keys; `compute` gives those of some positions, in order, in parts of any size."""
        embeddings, missing = self._vectors.read(keys, self._width)
        firsts: dict[bytes, int] = {}  # of a content that comes several times, one is computed
        for position in missing:
            firsts.setdefault(keys[position], position)
        order = list(firsts.values())
        n_done = n_kept = 0
        try:
            for part in compute(order):
                embeddings[order[n_done : n_done + len(part)]] = part
                n_done += len(part)
                if n_done - n_kept >= _BLOCK:
                    self._keep(keys, embeddings, order[n_kept:n_done])
                    n_kept = n_done
        finally:  # also of what came before an error or Ctrl-C
            self._keep(keys, embeddings, order[n_kept:n_done])
        for position in missing:
            embeddings[position] = embeddings[firsts[keys[position]]]
        return embeddings

    def _keep(self, keys: list[bytes], embeddings: Embeddings, positions: list[int]) -> None:
        if positions:
            self._vectors.add([keys[position] for position in positions], embeddings[np.array(positions)])


class KeptImageEncoder(KeptTextEncoder):
    """The same for images, which are known by their files' content."""

    def __init__(self, encoder: ImageEncoder, vectors: VectorFile) -> None:
        super().__init__(encoder, vectors)
        self._images = encoder

    def encode_images(self, paths: Sequence[str], content_hashes: Sequence[str]) -> Embeddings:
        """Return `(len(paths), d)` float32 rows of unit length, for `Image.path` and `Image.content_hash` of each.

        The file of an image whose vector is kept is not opened. Raises RunError where a file can no longer be read, or
        has become another than its hash says; StoreError.
        """

        def compute(positions: list[int]) -> Iterator[Embeddings]:
            some = [(paths[position], content_hashes[position]) for position in positions]
            return self._images.encode_image_batches([path for path, _ in some], [known for _, known in some])

        return self._complete(image_keys(content_hashes), compute)


def fingerprint(model: str) -> str:
    """Return 32 hexadecimal digits of a model's files: of their content in a folder, of the commit of a hub's name.

    A name of the hub must have been loaded before: its files are looked for on this machine alone.
    """
    if not Path(model).is_dir():
        from transformers.utils.hub import cached_file

        config = cached_file(model, "config.json", local_files_only=True)
        commit = Path(config or model).parent.name  # …/snapshots/COMMIT/config.json
        return _digest([b"hub", model.encode(), commit.encode()])
    parts = []
    for path in sorted(Path(model).rglob("*")):
        name = path.relative_to(model).as_posix()
        if path.is_file() and not name.startswith(".") and path.suffix != ".md":
            with path.open("rb") as file:
                parts += [name.encode(), hashlib.file_digest(file, "blake2b").digest()]
    return _digest([b"folder", *parts])


def _file_name(name: str, kind: str, model: str) -> str:
    """Return a name that tells a person the model, and a file of vectors from any other."""
    readable = re.sub(r"[^a-z0-9.]+", "-", Path(name).name.lower()).strip("-.")[:40] or "model"
    return f"{readable}-{_digest([_WAY.encode(), kind.encode(), fingerprint(model).encode()])[:16]}.sqlite"


def text_keys(texts: Sequence[str]) -> list[bytes]:
    """Return what texts' vectors are kept under; a lone surrogate has no UTF-8 form, and is a text all the same."""
    return [_key("text", text.encode("utf-8", "surrogatepass")) for text in texts]


def image_keys(content_hashes: Sequence[str]) -> list[bytes]:
    """Return what images' vectors are kept under."""
    return [_key("image", known.encode("ascii")) for known in content_hashes]


def keys_of_match(encoder: EncoderConfig, images: Sequence[Image]) -> list[bytes]:
    """Return what the match's vectors of images are kept under: those of their descriptions, or of themselves."""
    if isinstance(encoder, CaptionEncoder):
        return text_keys([image.description for image in images])
    return image_keys([image.content_hash for image in images])


def _key(kind: str, content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16, person=kind.encode()).digest()


def _digest(parts: Iterable[bytes]) -> str:
    """Return the hash of byte strings, no two lists of which run together."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()
