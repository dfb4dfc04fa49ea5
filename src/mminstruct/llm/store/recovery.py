"""Saving what can still be read of a damaged reply store into a new one."""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mminstruct.errors import StoreError
from mminstruct.llm.store.file import NAME, open_store_file, store_error
from mminstruct.llm.store.replies import unpack_request

_Row = tuple[Any, ...]

_COLUMNS = "request_id, text, finish_reason, model, prompt_tokens, completion_tokens, request, created"
_SELECT = f"SELECT {_COLUMNS} FROM replies WHERE rowid = ?"
_INSERT = f"INSERT OR IGNORE INTO replies ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_BY_INDEX = "(SELECT rowid FROM replies INDEXED BY sqlite_autoindex_replies_1 ORDER BY request_id)"
_MOST_REPLIES_A_PAGE = 40  # of 4 kB; a reply has a hundred bytes at the very least
_ROWS_A_COMMIT = 5000


@dataclass(frozen=True)
class Recovered:
    """What was saved; without the ledger, the runs' spending counts from zero."""

    n_replies: int
    with_ledger: bool


def recover(damaged: Path, new: Path) -> Recovered:
    """Copy every readable reply, and the ledger, from the store in one folder to a new store in another.

    Raises StoreError where nothing at all can be read, or the new store is there already or cannot be written.
    """
    if (new / NAME).exists():
        raise StoreError(f"There is a reply store in {new} already. Choose another folder for what is saved.")
    with closing(open_store_file(damaged, create=False)) as source:
        rows = _readable(source)
        with closing(open_store_file(new, create=True)) as target:
            try:
                while some := list(itertools.islice(rows, _ROWS_A_COMMIT)):
                    _write(target, _INSERT, some)
                with_ledger = _copy_ledger(source, target)
                n_replies = target.execute("SELECT count(*) FROM replies").fetchone()[0]
            except sqlite3.Error as error:
                raise store_error(new / NAME, "cannot be written", error) from error
    return Recovered(n_replies, with_ledger)


def _readable(source: sqlite3.Connection) -> Iterator[_Row]:
    """Yield every row that can be read, each looked up by its number.

    A scan would not do: damage inside a page can end it early without an error. The rows end where more numbers in
    turn have none than all pages together could hold.
    """
    now = int(time.time())  # no reply is younger, but a damaged one may say so
    n_missing, enough = 0, _MOST_REPLIES_A_PAGE * source.execute("PRAGMA page_count").fetchone()[0]
    for rowid in itertools.count(_first_rowid(source)):
        try:
            row = source.execute(_SELECT, (rowid,)).fetchone()
        except sqlite3.DatabaseError:
            row = None
        n_missing = 0 if row else n_missing + 1
        if n_missing > enough:
            return
        if row and _is_whole(row):
            yield (*row[:-1], min(row[-1], now))


def _first_rowid(source: sqlite3.Connection) -> int:
    """Return the least number that the table or its index tells; what damage makes of a number is mostly huge."""
    found = []
    for rows in ("replies", _BY_INDEX):
        with contextlib.suppress(sqlite3.DatabaseError):
            found.append(source.execute(f"SELECT min(rowid) FROM {rows}").fetchone()[0] or 1)
    return max(1, min(found, default=1))


def _is_whole(row: _Row) -> bool:
    """Tell whether a row's last long value is the JSON text that was written."""
    try:
        json.loads(unpack_request(row[6]))
    except (zlib.error, ValueError, TypeError):
        return False
    return True


def _copy_ledger(source: sqlite3.Connection, target: sqlite3.Connection) -> bool:
    try:
        lines = source.execute("SELECT * FROM ledger").fetchall()
    except sqlite3.DatabaseError:
        return False
    _write(target, "INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?, ?)", lines)
    return True


def _write(target: sqlite3.Connection, statement: str, rows: list[_Row]) -> None:
    target.execute("BEGIN IMMEDIATE")
    target.executemany(statement, rows)
    target.execute("COMMIT")
