"""Looking into a reply store from outside a run: what it holds and what was paid, and every reply as a line of JSON."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mminstruct.llm.store import ledger
from mminstruct.llm.store.file import NAME, open_store_file, store_error
from mminstruct.llm.store.replies import unpack_request
from mminstruct.llm.usage import Spent

_BY_MODEL = """
SELECT model, count(*), sum(prompt_tokens), sum(completion_tokens), min(created), max(created)
FROM replies GROUP BY model ORDER BY model
"""
_PAGE = """
SELECT rowid, request_id, created, model, request, text, finish_reason, prompt_tokens, completion_tokens
FROM replies WHERE rowid > ? AND (? IS NULL OR model = ?) ORDER BY rowid LIMIT 1000
"""


@dataclass(frozen=True)
class ModelReplies:
    """What a store holds of one model."""

    n_replies: int
    prompt_tokens: int
    completion_tokens: int
    oldest: int  # Unix seconds
    newest: int


@dataclass(frozen=True)
class StoreStats:
    """What a store holds, and what all runs have paid for, also for replies that were pruned since."""

    n_bytes: int  # on disk
    by_model: dict[str, ModelReplies]
    spent: dict[tuple[str, str, str], Spent]  # by run, stage and model

    @property
    def n_replies(self) -> int:
        """All models' replies."""
        return sum(replies.n_replies for replies in self.by_model.values())


def store_stats(folder: Path) -> StoreStats:
    """Return what the store in `folder` holds. Raises StoreError where there is none, or it cannot be read."""
    with closing(open_store_file(folder, create=False)) as connection:
        try:
            by_model = {model: ModelReplies(*sums) for model, *sums in connection.execute(_BY_MODEL)}
            spent = ledger.spent_by_run(connection)
        except sqlite3.Error as error:
            raise store_error(folder / NAME, "cannot be read", error) from error
        return StoreStats(n_bytes_on_disk(folder), by_model, spent)


def spent_so_far(folder: Path, run_id: str) -> dict[tuple[str, str], Spent] | None:
    """Return what a run has paid for by stage and model; None where there is no store, or none that can be read.

    The file is opened for reading alone, so that one may look on while the run writes to it.
    """
    try:
        with closing(
            sqlite3.connect(f"{(folder / NAME).resolve().as_uri()}?mode=ro", uri=True, timeout=1)
        ) as connection:
            return ledger.spent(connection, run_id)
    except sqlite3.Error:  # missing, of another version, or locked
        return None


def n_bytes_on_disk(folder: Path) -> int:
    """Return the size of the store's file and of the log in which SQLite keeps the latest commits."""
    paths = (folder / NAME, folder / f"{NAME}-wal")
    return sum(path.stat().st_size for path in paths if path.exists())


def json_lines(folder: Path, model: str | None = None) -> Iterator[bytes]:
    """Yield every reply, or one model's, as a line of JSON in UTF-8, in the order in which they were stored.

    The store is read a page at a time, so that a slow reader holds up nobody who writes to it. Raises StoreError.
    """
    with closing(open_store_file(folder, create=False)) as connection:
        rowid = 0
        while True:
            try:
                page = connection.execute(_PAGE, (rowid, model, model)).fetchall()
                lines = [_json_line(*row) for _, *row in page]
            except (sqlite3.Error, zlib.error, ValueError) as error:
                raise store_error(folder / NAME, "cannot be read", error) from error
            if not page:
                return
            yield from lines
            rowid = page[-1][0]


def _json_line(
    request_id: str,
    created: int,
    model: str,
    request: bytes,
    text: str,
    finish_reason: str,
    prompt_tokens: int,
    completion_tokens: int,
) -> bytes:
    line = {
        "request_id": request_id,
        "created": created,
        "model": model,
        "request": json.loads(unpack_request(request)),
        "reply": text,
        "finish_reason": finish_reason,
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
    }
    # A lone surrogate in a request has no UTF-8 form; Python's escape of it is JSON's, too.
    return json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
