"""Deleting replies from a store that others may be using: in small steps, so that nobody waits for long."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from mminstruct.llm.store.file import NAME, open_store_file, store_error

_ROWS_A_STEP = 10_000
_PAGES_A_STEP = 5_000
_PAUSE_S = 0.12  # between steps: SQLite looks every 0.1 s whether it may write, so whoever waits gets a turn
_INCREMENTAL = 2  # SQLite's number for files that can shrink a little at a time

_ResultT = TypeVar("_ResultT")


class Pruning:
    """The replies of a store that fulfil every condition given; nothing is deleted before `delete`.

    `created_before` is in Unix seconds; `kept` are request ids that stay in any case. Use as a context manager. Raises
    StoreError where there is no store, or it cannot be read or written.
    """

    def __init__(
        self,
        folder: Path,
        model: str | None = None,
        created_before: float | None = None,
        kept: Iterable[str] | None = None,
    ) -> None:
        self._path = folder / NAME
        self._connection = open_store_file(folder, create=False)
        conditions = ["TRUE"]
        if model is not None:
            conditions.append("model = :model")
        if created_before is not None:
            conditions.append("created < :created_before")
        if kept is not None:
            conditions.append("request_id NOT IN (SELECT request_id FROM temp.kept)")
            self._raising("cannot be read", lambda: self._note_kept(kept))
        self._condition = " AND ".join(conditions)
        self._values = {"model": model, "created_before": created_before}

    def __enter__(self) -> Pruning:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def by_model(self) -> dict[str, int]:
        """Return how many replies would go, by model."""
        query = f"SELECT model, count(*) FROM replies WHERE {self._condition} GROUP BY model ORDER BY model"
        return self._raising("cannot be read", lambda: dict(self._connection.execute(query, self._values).fetchall()))

    def n_kept(self) -> int:
        """Return how many of the replies named by `kept` the store holds."""
        condition = "request_id IN (SELECT request_id FROM temp.kept)"
        return self._raising("cannot be read", lambda: self._number(f"sum({condition})"))

    def delete(self) -> int:
        """Delete the replies, give their space back to the disk, and return how many they were.

        The ledger stays: what was paid for was paid for.
        """
        return self._raising("cannot be written", self._delete_and_shrink)

    def _note_kept(self, kept: Iterable[str]) -> None:
        """Put the ids into a table of this connection alone, on disk where they are many."""
        self._connection.execute("CREATE TEMP TABLE kept (request_id TEXT PRIMARY KEY) WITHOUT ROWID")
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT OR IGNORE INTO temp.kept VALUES (?)", ((key,) for key in kept))
        self._connection.execute("COMMIT")

    def _delete_and_shrink(self) -> int:
        n_deleted, first, last = 0, self._number("min(rowid)"), self._number("max(rowid)")
        for after in range(first - 1, last, _ROWS_A_STEP):
            n_deleted += self._delete_step({"after": after, "until": min(after + _ROWS_A_STEP, last)})
            time.sleep(_PAUSE_S)
        if self._pragma("auto_vacuum") != _INCREMENTAL:  # a file of version 0: in one go, this once
            self._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self._connection.execute("VACUUM")
        while self._pragma("freelist_count"):
            self._connection.executescript(f"PRAGMA incremental_vacuum({_PAGES_A_STEP})")  # `execute` frees one page
            time.sleep(_PAUSE_S)
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return n_deleted

    def _delete_step(self, span: dict[str, int]) -> int:
        """Delete among the rows of one span, and move the rest of them to the table's end.

        SQLite gives back whole pages only, and a page holds several replies: where some of them stay, it stays.
        """
        in_span = "rowid > :after AND rowid <= :until"
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            statement = f"DELETE FROM replies WHERE {in_span} AND {self._condition}"
            n_deleted = self._connection.execute(statement, {**self._values, **span}).rowcount
            if n_deleted:
                shift = f"UPDATE replies SET rowid = rowid + :shift WHERE {in_span}"
                self._connection.execute(shift, {**span, "shift": self._number("max(rowid)") - span["after"]})
            self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        return n_deleted

    def _pragma(self, name: str) -> int:
        number: int = self._connection.execute(f"PRAGMA {name}").fetchone()[0]
        return number

    def _number(self, expression: str) -> int:
        number: int | None = self._connection.execute(f"SELECT {expression} FROM replies").fetchone()[0]
        return number or 0

    def _raising(self, fault: str, work: Callable[[], _ResultT]) -> _ResultT:
        try:
            return work()
        except sqlite3.Error as error:
            raise store_error(self._path, fault, error) from error
