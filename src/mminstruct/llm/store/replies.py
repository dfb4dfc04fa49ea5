"""The durable reply store: one SQLite file that holds every reply ever paid for, keyed by the request's content.

`put` returns only after the commit that holds the reply and its entry in the ledger. One writer thread commits what
has gathered meanwhile in one transaction, so that many replies share one wait for the disk. Failures are never stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import sqlite3
import threading
import time
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from mminstruct.errors import StoreError
from mminstruct.llm.chat import Reply
from mminstruct.llm.store import ledger
from mminstruct.llm.store.file import NAME, connect, open_store_file, store_error
from mminstruct.llm.store.ledger import MeanTokens
from mminstruct.llm.usage import Account, Spent

_INSERT = """
INSERT OR IGNORE INTO replies
(request_id, text, finish_reason, model, prompt_tokens, completion_tokens, request, created)
VALUES """
_ROW = "(?, ?, ?, ?, ?, ?, ?, ?)"
_SELECT = "SELECT text, finish_reason, model, prompt_tokens, completion_tokens FROM replies WHERE request_id = ?"
_LARGEST_COMMIT = 1000  # replies; a bound on what one commit can hold up
_ROWS_A_STATEMENT = (128, 32, 8, 1)  # each statement hands the interpreter back to the event loop, and waits to get it
_COMPRESSED_UP_TO = 16  # replies in a commit; where more come at once, the time for it is dearer than the disk
_GATHERING_S = 0.001  # a commit waits so long for company: at thousands of replies a second, half the work


class _Pending(NamedTuple):
    committed: asyncio.Future[None]
    reply: Reply
    request: str
    account: Account
    cost: float | None


class ReplyStore:
    """Replies on disk in `folder`; several runs, and several processes, may share one. Use as a context manager.

    Without `create`, a store must be there already. Raises StoreError where the file cannot be opened.
    """

    def __init__(self, folder: Path, create: bool = True) -> None:
        self.path = folder / NAME
        self._reader = open_store_file(folder, create)
        try:
            self._file = _identity(self.path)
            self._connection = connect(self.path)  # of the writer
        except (OSError, sqlite3.Error) as error:
            self._reader.close()
            raise store_error(self.path, "cannot be opened", error) from error
        self._closed = False
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
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._writer.join()
        self._reader.close()

    def get(self, request_id: str) -> Reply | None:
        """Return the stored reply, marked as cached, or None. Raises StoreError where the file cannot be read."""
        try:
            found = self._reader.execute(_SELECT, (request_id,)).fetchone()
        except sqlite3.Error as error:
            raise self._unreadable(error) from error
        if found is None:
            return None
        text, finish_reason, model, prompt_tokens, completion_tokens = found
        return Reply(request_id, text, finish_reason, model, prompt_tokens, completion_tokens, cached=True)

    async def find(self, request_id: str) -> Reply | None:
        """Return as `get` does, which waits for nobody; a store on another machine has only this."""
        return self.get(request_id)

    def request_body(self, request_id: str) -> dict[str, Any] | None:
        """Return the JSON body that was sent for a stored reply, or None."""
        try:
            found = self._reader.execute("SELECT request FROM replies WHERE request_id = ?", (request_id,)).fetchone()
            if found is None:
                return None
            body: dict[str, Any] = json.loads(unpack_request(found[0]))
        except (sqlite3.Error, zlib.error, ValueError) as error:
            raise self._unreadable(error) from error
        return body

    def __len__(self) -> int:
        """Return the number of replies stored."""
        try:
            count: int = self._reader.execute("SELECT count(*) FROM replies").fetchone()[0]
        except sqlite3.Error as error:
            raise self._unreadable(error) from error
        return count

    def spent(self, run_id: str) -> dict[tuple[str, str], Spent]:
        """Return what a run has paid for in all its sessions, by stage and model."""
        try:
            return ledger.spent(self._reader, run_id)
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def mean_tokens(self, stage: str, model: str) -> MeanTokens | None:
        """Return what a request of a stage to a model took on average, over all runs; None where there were none."""
        try:
            return ledger.mean_tokens(self._reader, stage, model)
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    async def put(self, reply: Reply, request: str, account: Account, cost: float | None) -> None:
        """Store a reply with its request's JSON text and book its cost; returns after the commit.

        A reply that another process has stored meanwhile is booked too, for it was paid. A `cost` of None is one whose
        price is not known. Raises StoreError where it cannot be written.
        """
        if self._closed:
            raise StoreError(f"The reply store {self.path} is closed; nothing can be written to it any more.")
        committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put(_Pending(committed, reply, request, account, cost))
        await committed

    def _unreadable(self, error: Exception) -> StoreError:
        return store_error(self.path, "cannot be read", error)

    def _write_until_closed(self) -> None:
        closed = False
        while not closed:
            batch, closed = self._gather()
            if batch:
                self._commit(batch)
        self._connection.close()

    def _gather(self) -> tuple[list[_Pending], bool]:
        """Wait for one reply, then take whatever has come with it; the second value says that the store is closing."""
        batch: list[_Pending] = []
        item = self._queue.get()
        if item is not None:
            time.sleep(_GATHERING_S)
        while item is not None:
            batch.append(item)
            if len(batch) == _LARGEST_COMMIT:
                return batch, False
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _commit(self, batch: list[_Pending]) -> None:
        failure: Exception | None = None
        try:
            self._write(batch)
        except (OSError, sqlite3.Error) as error:
            failure = store_error(self.path, "cannot be written", error)
        except Exception as error:  # a fault of ours: it ends these puts, not the thread, or all others would hang
            failure = error
        if failure is not None and self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
        futures: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for pending in batch:
            futures.setdefault(pending.committed.get_loop(), []).append(pending.committed)
        for loop, of_loop in futures.items():
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
                loop.call_soon_threadsafe(_settle, of_loop, failure)

    def _write(self, batch: list[_Pending]) -> None:
        if _identity(self.path) != self._file:
            raise FileNotFoundError("another file has taken its place")
        now = int(time.time())
        compressed = len(batch) <= _COMPRESSED_UP_TO
        rows = [_row(pending, now, compressed) for pending in batch]
        self._connection.execute("BEGIN IMMEDIATE")
        while rows:
            n_rows = next(size for size in _ROWS_A_STATEMENT if size <= len(rows))
            now_written, rows = rows[:n_rows], rows[n_rows:]
            values = [value for row in now_written for value in row]
            self._connection.execute(_INSERT + ", ".join([_ROW] * n_rows), values)
        ledger.book(self._connection, ((pending.reply, pending.account, pending.cost) for pending in batch))
        self._connection.execute("COMMIT")


def _identity(path: Path) -> tuple[int, int]:
    """Return what tells a file from another one at the same path: SQLite goes on writing to one that was deleted."""
    status = path.stat()
    return status.st_dev, status.st_ino


def unpack_request(packed: bytes) -> str:
    """Return a stored request's JSON text, whether it was compressed or not."""
    data = packed if packed.startswith(b"{") else zlib.decompress(packed)
    return data.decode("utf-8", "surrogatepass")


def _row(pending: _Pending, now: int, compressed: bool) -> tuple[object, ...]:
    reply, request = pending.reply, pending.request.encode("utf-8", "surrogatepass")
    return (
        reply.request_id,
        reply.text.encode("utf-8", "replace").decode("utf-8"),  # a lone surrogate has no UTF-8 form
        reply.finish_reason,
        reply.model,
        reply.prompt_tokens,
        reply.completion_tokens,
        zlib.compress(request, level=1) if compressed else request,
        now,
    )


def _settle(futures: list[asyncio.Future[None]], failure: Exception | None) -> None:
    for committed in futures:
        if committed.done():  # its row was cancelled meanwhile; the reply is on disk all the same
            continue
        if failure is None:
            committed.set_result(None)
        else:
            committed.set_exception(failure)
