"""RUN/explore/search.sqlite: SQLite's full-text index (FTS5) of the rows' texts, unit by unit.

    blocks   first, last: row numbers of the index;  kind, part: the unit;  state: of the files that its texts came from
    words    FTS5 without the texts themselves, which stand in the parts

A unit's rows fill one block without a gap, so that a place in the index and a row's number are a subtraction apart. A
unit that has changed gets a new block; what the index still holds of the old one points nowhere, until it is so much
that the index is begun anew.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mminstruct.web.explore.parts import Unit
from mminstruct.web.explore.query import Numbers
from mminstruct.web.explore.search_words import Term

_VERSION = 1  # of the tables below and of what the texts are; another one is begun anew
_TABLES = """
CREATE TABLE blocks (
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, kind INTEGER NOT NULL, part INTEGER NOT NULL, state TEXT NOT NULL
);
CREATE VIRTUAL TABLE words USING fts5(text, content='', tokenize='unicode61 remove_diacritics 2');
"""
_MUCH_WASTE = 0.5  # of the index
_BUSY_S = 10.0


class Block(NamedTuple):
    """The places `first` to `last` of the index are the rows of a unit in a state."""

    first: int
    last: int
    unit: Unit
    state: str


class SearchIndex:
    """The file. Raises sqlite3.Error where it cannot be used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._opened() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            if connection.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                self._begin_anew(connection)

    def blocks(self) -> list[Block]:
        """Return what is indexed."""
        with self._opened() as connection:
            return _blocks(connection)

    def find(self, terms: Sequence[Term]) -> tuple[Numbers, list[Block]]:
        """Return the numbers of the rows that have all the terms, and the blocks that they were looked for in."""
        query = " ".join(term.for_sqlite() for term in terms)
        with self._opened() as connection:
            connection.execute("BEGIN")  # both are read from the same state of the file
            blocks = _blocks(connection)
            # One text of all places: as rows of their own, 260,000 of them take SQLite and Python three times as long.
            places = connection.execute("SELECT group_concat(rowid) FROM words WHERE words MATCH ?", [query])
            text = places.fetchone()[0] or ""
        return _to_rows(np.fromstring(text, np.int64, sep=",") if text else np.empty(0, np.int64), blocks), blocks

    def add(self, unit: Unit, state: str, numbers: Sequence[int], texts: Sequence[str]) -> None:
        """Index a unit's rows in the place of what was indexed of it; all of it or, on an error, nothing."""
        with self._writing() as connection:
            connection.execute("DELETE FROM blocks WHERE kind = ? AND part = ?", unit)
            if not numbers:  # remembered too, so that nobody looks for its texts again
                numbers, texts = [unit.first_row], [""]
            highest = connection.execute("SELECT max(last) FROM blocks").fetchone()[0]
            first = max(highest or 0, _highest_place(connection)) + 1
            places = [(first + number - unit.first_row, text) for number, text in zip(numbers, texts, strict=True)]
            connection.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", places)
            last = max(place for place, _ in places)
            connection.execute("INSERT INTO blocks VALUES (?, ?, ?, ?, ?)", [first, last, *unit, state])

    def forget(self, units: Sequence[Unit]) -> None:
        """Drop units that are no longer there; the index is begun anew where most of it points nowhere."""
        with self._writing() as connection:
            connection.executemany("DELETE FROM blocks WHERE kind = ? AND part = ?", units)
            n_places = sum(block.last - block.first + 1 for block in _blocks(connection))
            if n_places < (1 - _MUCH_WASTE) * _highest_place(connection):
                connection.execute("DELETE FROM blocks")
                connection.execute("INSERT INTO words (words) VALUES ('delete-all')")

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None)
        try:
            yield connection
        finally:
            connection.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._opened() as connection:
            connection.execute("PRAGMA synchronous = OFF")  # what a power cut takes can be made again
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    def _begin_anew(self, connection: sqlite3.Connection) -> None:
        connection.execute("DROP TABLE IF EXISTS words")
        connection.execute("DROP TABLE IF EXISTS blocks")
        connection.executescript(_TABLES)
        connection.execute(f"PRAGMA user_version = {_VERSION}")


def _blocks(connection: sqlite3.Connection) -> list[Block]:
    rows = connection.execute("SELECT first, last, kind, part, state FROM blocks ORDER BY first")
    return [Block(first, last, Unit(kind, part), state) for first, last, kind, part, state in rows]


def _highest_place(connection: sqlite3.Connection) -> int:
    """Return the highest place that was ever given out since the index was begun."""
    highest: int = connection.execute("SELECT coalesce(max(id), 0) FROM words_docsize").fetchone()[0]
    return highest


def _to_rows(places: Numbers, blocks: Sequence[Block]) -> Numbers:
    """Return the rows' numbers; places of no block are left out."""
    if not blocks or not len(places):
        return np.empty(0, np.int64)
    firsts, lasts = (np.array([block[column] for block in blocks], np.int64) for column in (0, 1))
    first_rows = np.array([block.unit.first_row for block in blocks], np.int64)
    which = np.searchsorted(firsts, places, "right") - 1
    held = (which >= 0) & (places <= lasts[which])
    rows: Numbers = (first_rows[which] + places - firsts[which])[held]
    return rows
