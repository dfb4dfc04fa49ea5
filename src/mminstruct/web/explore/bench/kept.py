"""What was read of files, kept until one of them changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

Stamp = tuple[tuple[str, int, int, int], ...]
"""Path, last change in ns, bytes and inode of every file there is; a file that is replaced has another inode."""

T = TypeVar("T")


class Kept(Generic[T]):
    """A value that is read again when a file that it comes from changes, appears or goes. Safe among threads."""

    def __init__(self, files: Callable[[], Iterable[Path]], read: Callable[[], T]) -> None:
        self._files, self._read = files, read
        self._lock = threading.Lock()
        self._found: tuple[Stamp, T] | None = None

    def get(self) -> T:
        """Return the value of the files as they are. Raises what `read` raises; the next call then reads again."""
        with self._lock:  # whoever comes while it is read waits for that reading
            # Taken before the reading: what changes in the middle of it is read again by the next call.
            stamp = stamp_of(self._files())
            if self._found is None or self._found[0] != stamp:
                self._found = (stamp, self._read())
            return self._found[1]


def stamp_of(files: Iterable[Path]) -> Stamp:
    """Return what tells the state of the files from any other; those that are not there are left out."""
    found = []
    for file in files:
        try:
            status = file.stat()
        except OSError:
            continue
        found.append((str(file), status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(found)
