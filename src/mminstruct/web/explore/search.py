"""Full-text search: an index that a thread of its own makes, and until it is there, a look into the texts themselves.

    q ─► terms ─┬► search.sqlite        rows of the units that are indexed
                └► DuckDB over parts    rows of the others: slower, and nothing is missing

Who looks while the index is being made gets the whole result all the same, in a second or two instead of at once.
"""

from __future__ import annotations

import fcntl
import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from mminstruct.pipeline.tables import FileState
from mminstruct.rows import content_id
from mminstruct.web.explore.parts import Unit
from mminstruct.web.explore.query import Numbers, Remembered
from mminstruct.web.explore.search_index import SearchIndex
from mminstruct.web.explore.search_words import Term, read_terms
from mminstruct.web.explore.texts import searched_texts, units_by_kind

if TYPE_CHECKING:
    from mminstruct.web.explore.library import RunExplorer

_NAME = "search.sqlite"
_LOOK_EVERY_S = 2.0

_log = logging.getLogger(__name__)


class Search:
    """Finds rows by the words of their texts."""

    def __init__(self, explorer: RunExplorer) -> None:
        self._explorer = explorer
        self._path = explorer.own.path / _NAME
        self._found = Remembered(32)
        self._states = Remembered(1)
        self._closing = threading.Event()
        self._index = self._open()
        self._n_indexings = 0
        self._builder = threading.Thread(target=self._build_until_closed, name="explore-search", daemon=True)
        self._builder.start()

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        self._builder.join()

    def find(self, typed: str) -> Numbers:
        """Return the numbers of the rows that have every term; of a text without any word, none. Raises Refused."""
        terms = read_terms(typed)
        if not terms:
            return np.empty(0, np.int64)
        return self._found.get((self.version, tuple(terms)), lambda: self._find(terms))

    @property
    def version(self) -> tuple[int, int]:
        """Another one wherever the same words may find other rows."""
        return self._explorer.version, self._n_indexings

    def status(self) -> dict[str, Any]:
        """Return whether the index is whole, and which share of the units is in it."""
        states = self._text_states()
        waiting = self._waiting(states)
        progress = 1 - len(waiting) / len(states) if states else 1.0
        return {"ready": not waiting, "progress": round(progress, 3), "indexed": self._index is not None}

    def _find(self, terms: Sequence[Term]) -> Numbers:
        states = self._text_states()
        indexed, held = np.empty(0, np.int64), set()
        if self._index is not None:
            try:
                indexed, blocks = self._index.find(terms)
                held = {block.unit for block in blocks if states.get(block.unit) == block.state}
            except sqlite3.Error as error:
                _log.warning("%s cannot be read, and texts are searched one by one: %s", self._path, error)
        if len(indexed):
            indexed = indexed[np.isin(indexed >> 32, [unit.first_row >> 32 for unit in held])]
        return np.concatenate([indexed, self._scan(terms, states.keys() - held)])

    def _scan(self, terms: Sequence[Term], units: set[Unit]) -> Numbers:
        """Look into the texts of these units themselves."""
        found = []
        for kind, parts in units_by_kind(units).items():
            sql, values = searched_texts(self._explorer, kind, parts)
            conditions = [f"regexp_matches(plain, $term{number})" for number in range(len(terms))]
            values |= {f"term{number}": term.for_duckdb() for number, term in enumerate(terms)}
            plain = f"SELECT n, lower(strip_accents(text)) AS plain FROM ({sql})"
            rows = self._explorer.select(f"SELECT n FROM ({plain}) WHERE {' AND '.join(conditions)}", values)
            found += [n for (n,) in rows]
        return np.array(found, np.int64)

    def _open(self) -> SearchIndex | None:
        """Return the index, begun anew where its file is damaged; None where none can be had."""
        for _ in range(2):
            try:
                return SearchIndex(self._path)
            except sqlite3.DatabaseError as error:
                _log.warning("%s is made anew: %s", self._path, error)
                try:
                    self._path.unlink(missing_ok=True)
                except OSError:
                    break
        return None

    def _build_until_closed(self) -> None:
        while not self._closing.is_set():
            if self._index is not None:
                try:
                    self._build(self._index)
                except Exception as error:  # a full disk, a part that has gone: texts are searched one by one
                    _log.warning("The search index waits, and texts are searched one by one: %s", error)
            self._closing.wait(_LOOK_EVERY_S)

    def _build(self, index: SearchIndex) -> None:
        states = self._text_states()
        if not self._waiting(states) and len(index.blocks()) <= len(states):
            return
        with self._only_writer() as alone:
            if not alone:  # another explorer of this run is at it
                return
            index.forget([block.unit for block in index.blocks() if block.unit not in states])
            for unit in sorted(self._waiting(states)):
                if self._closing.is_set() or self._text_states().get(unit) != states[unit]:
                    return
                sql, values = searched_texts(self._explorer, unit.kind, {unit.part})
                rows = self._explorer.select(f"{sql} ORDER BY n", values)
                index.add(unit, states[unit], [n for n, _ in rows], [text for _, text in rows])
            self._n_indexings += 1

    def _waiting(self, states: dict[Unit, str]) -> set[Unit]:
        """Return the units that are not indexed as they are."""
        if self._index is None:
            return set(states)
        try:
            held = {block.unit: block.state for block in self._index.blocks()}
        except sqlite3.Error:
            return set(states)
        return {unit for unit, state in states.items() if held.get(unit) != state}

    def _text_states(self) -> dict[Unit, str]:
        """Return for each unit a hash of the files that its texts come from: later stages change no text."""

        def compute() -> dict[Unit, str]:
            instructions = self._explorer.parts.instructions_state()
            return {unit: self._hash_of([*state, *instructions]) for unit, state in self._explorer.units().items()}

        return self._states.get(self._explorer.version, compute)

    def _hash_of(self, files: Sequence[FileState]) -> str:
        texts = (self._explorer.parts.captioned, "04_matches", "06_answers")
        return content_id(*(str(file) for file in files if "/" not in file.name or file.name.split("/")[0] in texts))

    @contextmanager
    def _only_writer(self) -> Iterator[bool]:
        """Yield whether this process may write the index; the lock goes with the process, however it ends."""
        with self._path.with_suffix(".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
                return
            yield True
