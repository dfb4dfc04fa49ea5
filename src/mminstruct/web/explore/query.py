"""Pages and counts of the gallery: filters in, row numbers and facets out.

Filters ─┬► chosen(…)   a temporary view of the rows that they leave, with the search and a selection as lists of rows
         ├► page_of     total, and the numbers of one page's rows in the order that is asked for
         └► facets_of   how many rows each value has, under all the other filters
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from mminstruct.web.explore.filters import RANGES, UNDECIDED, Filters
from mminstruct.web.explore.replies import Refused

if TYPE_CHECKING:
    from mminstruct.web.explore.library import RunExplorer

Numbers = np.ndarray[Any, np.dtype[np.int64]]
T = TypeVar("T")

SORTS = {
    "order": "n",
    "score": "score ASC NULLS LAST, n",
    "-score": "score DESC NULLS LAST, n",
    "words": "n_words ASC NULLS LAST, n",
    "-words": "n_words DESC NULLS LAST, n",
    "random": "hash(n)",  # the same every time, so that a page's link stays true
}
_FACETS = ("status", "category", "source", "reason")
_MOST_INSTRUCTIONS = 200
N_BINS = 20


class Remembered:
    """The last answers, as long as the rows are those that they were computed from."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return what is known of the key, or compute it; two threads may compute the same at once."""
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                found: T = self._known[key]
                return found
        value = compute()
        with self._lock:
            self._known[key] = value
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return value


class Query:
    """Asks the rows of one run."""

    def __init__(self, explorer: RunExplorer) -> None:
        self._explorer = explorer
        self._facets = Remembered(64)
        self._bounds = Remembered(1)
        self._numbers = Remembered(4)

    def page_of(self, filters: Filters, sort: str, page: int, size: int) -> tuple[int, list[int]]:
        """Return the number of rows that the filters leave, and the numbers of one page's rows. Raises Refused."""
        if sort not in SORTS:
            raise Refused(400, f"sort is {sort[:40]!r}; expected one of {', '.join(SORTS)}.")
        with self._explorer.cursor() as cursor:
            source, values = self._chosen(cursor, filters)
            total = cursor.execute(f"SELECT count(*) {source}", values).fetchone()[0]
            if page * size >= total:
                return total, []
            cursor.execute(f"SELECT n {source} ORDER BY {SORTS[sort]} LIMIT ? OFFSET ?", [*values, size, page * size])
            return total, [n for (n,) in cursor.fetchall()]

    def numbers_of(self, filters: Filters, condition: str) -> Numbers:
        """Return the numbers of all rows that the filters and a condition in SQL leave, in order. Raises Refused."""

        def find() -> Numbers:
            with self._explorer.cursor() as cursor:
                source, values = self._chosen(cursor, filters, condition)
                found: Numbers = cursor.execute(f"SELECT n {source} ORDER BY n", values).fetchnumpy()["n"]
                return found

        if filters.decisions:  # which change without the rows
            return find()
        key = (self._explorer.version, self._explorer.search.version if filters.q else None, repr(filters), condition)
        return self._numbers.get(key, find)

    def facets_of(self, filters: Filters) -> dict[str, Any]:
        """Return the counts of all facets; each under all filters but its own."""
        if filters.decisions:  # which change without the rows
            return self._count_facets(filters)
        explorer = self._explorer
        key = (explorer.version, explorer.search.version if filters.q else None, repr(filters))
        return self._facets.get(key, lambda: self._count_facets(filters))

    def _count_facets(self, filters: Filters) -> dict[str, Any]:
        with self._explorer.cursor() as cursor:
            found: dict[str, Any] = {name: self._values(cursor, filters, name) for name in _FACETS}
            found["instruction"] = self._instructions(cursor, filters)
            if filters.selection:
                found["selection"] = {"n": len(self._explorer.selections.rows_of(filters.selection))}
            return found | {name: self._histogram(cursor, filters, name) for name in RANGES}

    def _values(self, cursor: Any, filters: Filters, name: str) -> list[dict[str, Any]]:
        source, values = self._chosen(cursor, filters.without(name), f"{name} IS NOT NULL")
        rows = cursor.execute(f"SELECT {name}, count(*) AS c {source} GROUP BY {name} ORDER BY c DESC, {name}", values)
        return [{"value": value, "label": value, "n": n} for value, n in rows.fetchall()]

    def _instructions(self, cursor: Any, filters: Filters) -> list[dict[str, Any]]:
        source, values = self._chosen(cursor, filters.without("instruction"), "instruction_id IS NOT NULL")
        rows = cursor.execute(
            f"""
            WITH counted AS (
                SELECT instruction_id, count(*) AS c {source} GROUP BY instruction_id
                ORDER BY c DESC, instruction_id LIMIT {_MOST_INSTRUCTIONS}
            )
            SELECT instruction_id, text, c FROM counted LEFT JOIN instructions USING (instruction_id)
            ORDER BY c DESC, instruction_id
            """,
            values,
        )
        return [{"value": value, "label": text or value, "n": n} for value, text, n in rows.fetchall()]

    def _histogram(self, cursor: Any, filters: Filters, name: str) -> dict[str, Any]:
        """Return the bounds over the whole run, which stay while filters change, and the counts between them."""
        column = RANGES[name]
        low, high = self._bounds_of(cursor)[name]
        bins = [0] * N_BINS
        if low is None:
            return {"min": None, "max": None, "bins": bins}
        source, values = self._chosen(cursor, filters.without(name), f"{column} IS NOT NULL")
        place = f"least({N_BINS - 1}, CAST(floor(({column} - ?) / ? * {N_BINS}) AS INTEGER))"
        width = float(high - low) or 1.0
        rows = cursor.execute(f"SELECT {place} AS place, count(*) {source} GROUP BY place", [low, width, *values])
        for number, n in rows.fetchall():
            bins[number] = n
        return {"min": low, "max": high, "bins": bins}

    def _bounds_of(self, cursor: Any) -> dict[str, tuple[Any, Any]]:
        def compute() -> dict[str, tuple[Any, Any]]:
            wanted = ", ".join(f"min({column}), max({column})" for column in RANGES.values())
            (found,) = cursor.execute(f"SELECT {wanted} FROM rows").fetchall()  # all: the cursor is free again
            return {name: (found[2 * place], found[2 * place + 1]) for place, name in enumerate(RANGES)}

        return self._bounds.get(self._explorer.version, compute)

    def _chosen(self, cursor: Any, filters: Filters, *more: str) -> tuple[str, list[Any]]:
        """Return `FROM rows WHERE …` and its parameters; lists of rows are registered with the cursor as tables."""
        conditions, values = filters.where()
        if filters.decisions:
            condition, ids = self._decided(filters.decisions)
            conditions.append(condition)
            values += ids
        lists: dict[str, Numbers] = {}
        if filters.selection:
            lists["selected"] = self._explorer.selections.rows_of(filters.selection)
        if filters.q:
            lists["found"] = self._explorer.search.find(filters.q)
        for name, numbers in lists.items():
            _register(cursor, name, numbers)
            conditions.append(f"n IN (SELECT n FROM {name})")
        conditions += more
        return f"FROM rows WHERE {' AND '.join(conditions)}" if conditions else "FROM rows", values

    def _decided(self, wanted: tuple[str, ...]) -> tuple[str, list[Any]]:
        decisions = list(self._explorer.decisions.items())  # a copy, for the review goes on meanwhile
        ids = [item for item, decision in decisions if decision in wanted]
        condition, values = "id IN (SELECT unnest(CAST(? AS VARCHAR[])))", [ids]
        if UNDECIDED in wanted:
            condition = f"({condition} OR id NOT IN (SELECT unnest(CAST(? AS VARCHAR[]))))"
            values.append([item for item, _ in decisions])
        return condition, values


def _register(cursor: Any, name: str, numbers: Numbers) -> None:
    import pyarrow as pa

    cursor.register(name, pa.table({"n": pa.array(numbers)}))
