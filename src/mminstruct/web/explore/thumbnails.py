"""Thumbnails on disk, RUN/explore/thumbnails/3f/3f2a….webp, as many as a cap of bytes allows."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from mminstruct.web.own_folder import OwnFolder

_FOLDER = "thumbnails"
_MOST_BYTES = 512 * 2**20
_MOST_TEMPORARY_BYTES = 128 * 2**20  # where they go to a temporary folder, which may be memory
_LEFT = 0.8  # of the cap, after the oldest were removed


class Thumbnails:
    """A cache by image id, which is a hash of the image's content: what it has is never stale."""

    def __init__(self, own: OwnFolder, most_bytes: int | None = None) -> None:
        self._own = own
        self._most_bytes = most_bytes or (_MOST_BYTES if own.is_kept else _MOST_TEMPORARY_BYTES)
        self._lock = threading.Lock()
        self._n_bytes: int | None = None  # not counted yet

    def get(self, image_id: str) -> bytes | None:
        """Return the thumbnail, or None."""
        try:
            return (self._own.path / _name(image_id)).read_bytes() or None
        except OSError:
            return None

    def put(self, image_id: str, data: bytes) -> None:
        """Keep a thumbnail, and remove the oldest once all are over the cap; a full disk keeps none."""
        with contextlib.suppress(OSError):
            self._own.write(_name(image_id), data)
        with self._lock:
            if self._n_bytes is None:
                self._n_bytes = sum(size for _, size, _ in self._files())
            else:
                self._n_bytes += len(data)
            if self._n_bytes > self._most_bytes:
                self._remove_oldest()

    def _remove_oldest(self) -> None:
        files = sorted(self._files())
        n_bytes = sum(size for _, size, _ in files)
        for _, size, path in files:
            if n_bytes <= _LEFT * self._most_bytes:
                break
            with contextlib.suppress(OSError):
                path.unlink()
                n_bytes -= size
        self._n_bytes = n_bytes

    def _files(self) -> list[tuple[int, int, Path]]:
        """Return time of change, size and path of each."""
        found = []
        for path in (self._own.path / _FOLDER).glob("*/*.webp"):
            with contextlib.suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime_ns, status.st_size, path))
        return found


def _name(image_id: str) -> str:
    return f"{_FOLDER}/{image_id[:2]}/{image_id}.webp"
