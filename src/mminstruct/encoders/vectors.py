"""Vectors on disk: one SQLite file for each model, a row for each content.

key (16 bytes: what kind of content, and its hash) ─► 512 × float32, the very bits that the model gave
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mminstruct.encoders.protocols import Embeddings
from mminstruct.errors import StoreError

_TABLE = "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL)"
_INSERT = "INSERT OR IGNORE INTO vectors VALUES (?, ?)"  # another process may have been first
_N_KEYS = 2000  # of one query
_BUSY_TIMEOUT_S = 60
# Keys are hashes: every commit touches pages all over the index. Larger pages, a cache for them and a longer log before
# they are written back make 500,000 vectors of 512 numbers twice as fast to store as SQLite's own settings.
_SETTINGS = (
    "PRAGMA page_size = 16384",
    "PRAGMA cache_size = -32000",
    "PRAGMA wal_autocheckpoint = 8000",
    "PRAGMA synchronous = NORMAL",  # a power cut may take the last commits, never more
)


class VectorFile:
    """The vectors of one model. Threads and processes of one machine may use the same file at a time."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it. Raises StoreError."""
        self.path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = _connect(path)
        except (OSError, sqlite3.Error) as error:
            raise self._error("cannot be opened", error) from error

    def close(self) -> None:
        """Close the file; everything added is on disk already."""
        self._connection.close()

    def read(self, keys: Sequence[bytes], width: int) -> tuple[Embeddings, list[int]]:
        """Return `(len(keys), width)` float32 and the positions of the missing keys, whose rows mean nothing.

        Raises StoreError.
        """
        embeddings = np.empty((len(keys), width), np.float32)
        missing: list[int] = []
        for start in range(0, len(keys), _N_KEYS):
            part = keys[start : start + _N_KEYS]
            found = self._find(part)
            there = [position for position, key in enumerate(part, start) if key in found]
            missing += [position for position, key in enumerate(part, start) if key not in found]
            blobs = [found[keys[position]] for position in there]
            if any(len(blob) != 4 * width for blob in blobs):
                raise self._error("is damaged", ValueError(f"found a vector that has not {width} numbers"))
            embeddings[there] = np.frombuffer(b"".join(blobs), "<f4").reshape(len(there), width)
        return embeddings, missing

    def add(self, keys: Sequence[bytes], embeddings: Embeddings) -> None:
        """Store the rows of `(len(keys), d)` float32 in one transaction. Raises StoreError."""
        blobs = (row.tobytes() for row in embeddings.astype("<f4", copy=False))
        try:
            with self._lock:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    self._connection.executemany(_INSERT, zip(keys, blobs, strict=True))
                    self._connection.execute("COMMIT")
                except BaseException:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
        except sqlite3.Error as error:
            raise self._error("cannot be written", error) from error

    def width(self) -> int | None:
        """Return how many numbers a vector has; None where there is no vector yet. Raises StoreError."""
        try:
            with self._lock:
                found = self._connection.execute("SELECT length(vector) FROM vectors LIMIT 1").fetchone()
        except sqlite3.Error as error:
            raise self._error("cannot be read", error) from error
        return found[0] // 4 if found else None

    def count(self) -> int:
        """Return how many vectors there are. Raises StoreError."""
        try:
            with self._lock:
                n_vectors: int = self._connection.execute("SELECT count(*) FROM vectors").fetchone()[0]
        except sqlite3.Error as error:
            raise self._error("cannot be read", error) from error
        return n_vectors

    def _find(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        query = f"SELECT key, vector FROM vectors WHERE key IN ({','.join('?' * len(keys))})"
        try:
            with self._lock:
                return dict(self._connection.execute(query, keys))
        except sqlite3.Error as error:
            raise self._error("cannot be read", error) from error

    def _error(self, fault: str, error: Exception) -> StoreError:
        return StoreError(
            f"The file of kept embeddings {self.path} {fault}: {error}. Check the disk and its free space; what the "
            "file holds can be computed again, so you may as well delete it and run the same command again."
        )


def _connect(path: Path) -> sqlite3.Connection:
    """Return a connection in autocommit mode, with the table there; raises sqlite3.Error."""
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        for setting in _SETTINGS:
            connection.execute(setting)
        give_up_at = time.monotonic() + _BUSY_TIMEOUT_S
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:  # SQLite does not wait for another process that is just doing it
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_at:
                    raise
                time.sleep(0.005)
        connection.execute(_TABLE)
    except BaseException:
        connection.close()
        raise
    return connection
