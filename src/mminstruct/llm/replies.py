"""The durable reply store: one SQLite file that holds every reply ever paid for, keyed by the request's content.

`put` returns only after the commit that holds the reply. One writer thread commits what has gathered meanwhile in
one transaction, so that many replies share one wait for the disk. Failures are never stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import sqlite3
import threading
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any

from mminstruct.errors import StoreError
from mminstruct.llm.chat import Reply

_SCHEMA = """
CREATE TABLE IF NOT EXISTS replies (
    request_id TEXT PRIMARY KEY,
    text TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    model TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    request BLOB NOT NULL  -- the request's JSON body, zlib-compressed: `show` prints the exact prompt from it
)
"""
_INSERT = "INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?, ?, ?, ?)"
_SELECT = "SELECT text, finish_reason, model, prompt_tokens, completion_tokens FROM replies WHERE request_id = ?"
_LARGEST_COMMIT = 1000  # replies; a bound on what one commit can hold up
_BUSY_TIMEOUT_S = 60  # another run may be writing to the same store

_Pending = tuple[tuple[object, ...], asyncio.AbstractEventLoop, "asyncio.Future[None]"]


class ReplyStore:
    """Replies on disk in `folder`; several runs, and several processes, may share one. Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "replies.sqlite"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._reader = self._connect()
            self._reader.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"The reply store {self.path} cannot be opened: {error}. Check that the folder can be written and that "
                "the file is a reply store; point `replies` in the config at another folder to start an empty one."
            ) from error
        self._queue: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_until_closed, name="reply-store", daemon=True)
        self._writer.start()

    def __enter__(self) -> ReplyStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Commit what is pending and close the file."""
        self._queue.put(None)
        self._writer.join()
        self._reader.close()

    def get(self, request_id: str) -> Reply | None:
        """Return the stored reply, marked as cached, or None."""
        found = self._reader.execute(_SELECT, (request_id,)).fetchone()
        if found is None:
            return None
        text, finish_reason, model, prompt_tokens, completion_tokens = found
        return Reply(request_id, text, finish_reason, model, prompt_tokens, completion_tokens, cached=True)

    def request_body(self, request_id: str) -> dict[str, Any] | None:
        """Return the JSON body that was sent for a stored reply, or None."""
        found = self._reader.execute("SELECT request FROM replies WHERE request_id = ?", (request_id,)).fetchone()
        if found is None:
            return None
        body: dict[str, Any] = json.loads(zlib.decompress(found[0]))
        return body

    def __len__(self) -> int:
        """Return the number of replies stored."""
        count: int = self._reader.execute("SELECT count(*) FROM replies").fetchone()[0]
        return count

    async def put(self, reply: Reply, body: dict[str, Any]) -> None:
        """Store a reply with its request's body; returns after the commit. Raises StoreError when it cannot."""
        request = zlib.compress(json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass"), level=1)
        row = (
            reply.request_id,
            reply.text.encode("utf-8", "replace").decode("utf-8"),  # a lone surrogate has no UTF-8 form
            reply.finish_reason,
            reply.model,
            reply.prompt_tokens,
            reply.completion_tokens,
            request,
        )
        loop = asyncio.get_running_loop()
        committed: asyncio.Future[None] = loop.create_future()
        self._queue.put((row, loop, committed))
        await committed

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # a commit survives a power cut, not just a kill
        return connection

    def _write_until_closed(self) -> None:
        connection = self._connect()
        closed = False
        while not closed:
            batch, closed = self._gather()
            if batch:
                self._commit(connection, batch)
        connection.close()

    def _gather(self) -> tuple[list[_Pending], bool]:
        """Wait for one reply, then take whatever else is there; the second value says that the store is closing."""
        batch: list[_Pending] = []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if len(batch) == _LARGEST_COMMIT:
                return batch, False
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _commit(self, connection: sqlite3.Connection, batch: list[_Pending]) -> None:
        failure: StoreError | None = None
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_INSERT, [row for row, _, _ in batch])
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            failure = StoreError(
                f"The reply store {self.path} cannot be written: {error}. Everything committed before is safe; free "
                "some disk space or mend the folder's permissions, then run the same command again."
            )
        for _, loop, committed in batch:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
                loop.call_soon_threadsafe(_settle, committed, failure)


def _settle(committed: asyncio.Future[None], failure: StoreError | None) -> None:
    if committed.done():  # its row was cancelled meanwhile; the reply is on disk all the same
        return
    if failure is None:
        committed.set_result(None)
    else:
        committed.set_exception(failure)
