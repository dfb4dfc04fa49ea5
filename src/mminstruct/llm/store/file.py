"""The reply store's file: where it is, its tables, how older ones are brought up to date, and what its faults mean."""

from __future__ import annotations

import errno
import sqlite3
import time
from pathlib import Path

from mminstruct.errors import StoreError

NAME = "replies.sqlite"
_VERSION = 1  # 0: without `created`, without the ledger
_BUSY_TIMEOUT_S = 60  # another run may be writing to the same store

_REPLIES = """
CREATE TABLE replies (
    request_id TEXT PRIMARY KEY,
    text TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    model TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    request BLOB NOT NULL,  -- the request's JSON text, mostly zlib-compressed: `show` prints the exact prompt from it
    created INTEGER NOT NULL  -- Unix seconds
)
"""
_LEDGER = """
CREATE TABLE ledger (
    run_id TEXT NOT NULL,
    stage TEXT NOT NULL,
    model TEXT NOT NULL,
    requests INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    cost REAL NOT NULL,  -- of the requests whose price was known
    unpriced INTEGER NOT NULL,  -- requests whose price was not
    PRIMARY KEY (run_id, stage, model)
) WITHOUT ROWID
"""

_DAMAGED = "The file is damaged: save what can still be read with `mminstruct replies recover`."
_NO_SPACE = "Free some disk space, then run the same command again."
_ADVICE = {
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: "Point `replies` in the config at another folder to start an empty store.",
    sqlite3.SQLITE_FULL: _NO_SPACE,
    sqlite3.SQLITE_IOERR: "Check the disk and its free space, then run the same command again.",
    sqlite3.SQLITE_BUSY: (
        f"Another process has kept it locked for {_BUSY_TIMEOUT_S} s: wait for it or stop it, then run the same "
        "command again."
    ),
}
_OTHERWISE = (
    "Check that the folder can be written and that the file is a reply store; point `replies` in the config at another "
    "folder to start an empty one."
)


def store_error(path: Path, fault: str, error: Exception) -> StoreError:
    """Return what a user can act on; `fault` is like `cannot be written`."""
    if isinstance(error, sqlite3.Error):
        advice = _ADVICE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, _OTHERWISE)
    elif isinstance(error, OSError):
        advice = _NO_SPACE if error.errno in (errno.ENOSPC, errno.EDQUOT) else _OTHERWISE
    else:  # what was read makes no sense
        advice = _DAMAGED
    return StoreError(f"The reply store {path} {fault}: {error}. {advice}")


def open_store_file(folder: Path, create: bool) -> sqlite3.Connection:
    """Return a connection to the store in `folder`, with today's tables.

    Raises StoreError where the file cannot be opened, is no reply store, or is missing and not to be created.
    """
    path = folder / NAME
    if not create and not path.is_file():
        raise StoreError(f"There is no reply store: {path} is missing. Expected the folder that `replies` names.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists() or path.stat().st_size == 0
        last_change = time.time() if is_new else path.stat().st_mtime
        connection = connect(path, is_new)
        try:
            _bring_up_to_date(connection, path, int(last_change))
        except BaseException:
            connection.close()
            raise
    except (OSError, sqlite3.Error) as error:
        raise store_error(path, "cannot be opened", error) from error
    return connection


def connect(path: Path, is_new: bool = False) -> sqlite3.Connection:
    """Return a connection in autocommit mode that any one thread at a time may use; raises sqlite3.Error."""
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        if is_new:  # can shrink a little at a time, see `pruning.py`
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        _switch_to_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")  # a commit survives a power cut, not just a kill
    except BaseException:
        connection.close()
        raise
    return connection


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Set the journal mode; SQLite does not wait by itself for another process that is just doing the same."""
    give_up_at = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_at:
                raise
            time.sleep(0.005)


def _bring_up_to_date(connection: sqlite3.Connection, path: Path, last_change: int) -> None:
    if _version(connection) == _VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")  # of several processes that open an old file at once, one changes it
    version = _version(connection)
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if version > _VERSION:
        raise StoreError(
            f"The reply store {path} has version {version} of its tables; this version of mminstruct knows them up to "
            f"{_VERSION}. Upgrade mminstruct, or point `replies` in the config at another folder."
        )
    if tables and "replies" not in tables:
        raise StoreError(
            f"{path} is an SQLite file, but no reply store: it holds the tables {', '.join(sorted(tables))}. Point "
            "`replies` in the config at another folder."
        )
    if version == 0:
        if tables:  # when a reply came was not kept; none is younger than the file's last change
            connection.execute(f"ALTER TABLE replies ADD COLUMN created INTEGER NOT NULL DEFAULT {last_change}")
        else:
            connection.execute(_REPLIES)
        connection.execute(_LEDGER)
        connection.execute(f"PRAGMA user_version = {_VERSION}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
