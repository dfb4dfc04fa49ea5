"""In which order rows are reviewed, and how many are done: the run's own order, under the gallery's filters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mminstruct.web.explore.filters import UNDECIDED, Filters
from mminstruct.web.explore.items import Item, rows_with_ids
from mminstruct.web.explore.query import Numbers

if TYPE_CHECKING:
    from mminstruct.web.explore.library import RunExplorer

CAN_BE_DECIDED = "(status IN ('kept', 'waiting') OR (status = 'rejected' AND stage = 'filter'))"
"""Rows with an answer that may come into the training set; of one item, `can_be_decided`."""


def can_be_decided(item: Item) -> bool:
    """Tell of an item what CAN_BE_DECIDED tells of a row."""
    return item["status"] in ("kept", "waiting") or (item["status"] == "rejected" and item["stage"] == "filter")


class ReviewOrder:
    """The rows to review under some filters, as row numbers. Raises Refused as the gallery does.

    "Not reviewed" is left out of the filters: the walk looks for such rows anyway, and so a row stays in the list, and
    its place the same, once it is decided about.
    """

    def __init__(self, explorer: RunExplorer, filters: Filters) -> None:
        if filters.decisions == (UNDECIDED,):
            filters = replace(filters, decisions=())
        self._explorer = explorer
        self._numbers = explorer.query.numbers_of(filters, CAN_BE_DECIDED)
        self._decided = np.array(sorted(rows_with_ids(explorer, list(explorer.decisions))), np.int64)

    def walk(
        self,
        size: int,
        after: str | None = None,
        before: str | None = None,
        at: str | None = None,
        undecided: bool = False,
    ) -> list[int]:
        """Return the next rows behind, before or from a row on, nearest first; from the start where none is named.

        With `undecided` rows that are decided about are passed over, and from the end it goes on at the start.
        """
        numbers = self._undecided() if undecided else self._numbers
        if before is not None:
            number = self._number_of(before)
            found = numbers[numbers < number][-size:][::-1] if number is not None else numbers[:0]
        else:
            number = self._number_of(after or at or "")
            start = 0 if number is None else int(np.searchsorted(numbers, number, "right" if after else "left"))
            found = numbers[start : start + size]
            if undecided and len(found) < size:
                found = np.concatenate([found, numbers[: min(start, size - len(found))]])
        return [int(number) for number in found]

    def position(self, number: int) -> int:
        """Return the row's place in the list, from 1 on."""
        return int(np.searchsorted(self._numbers, number)) + 1

    def counts(self) -> dict[str, int]:
        """Return how many rows there are to review, and how many are done and left."""
        n_left = len(self._undecided())
        return {"total": len(self._numbers), "n_done": len(self._numbers) - n_left, "n_left": n_left}

    def _undecided(self) -> Numbers:
        return self._numbers[~np.isin(self._numbers, self._decided, assume_unique=True)]

    def _number_of(self, row_id: str) -> int | None:
        found = rows_with_ids(self._explorer, [row_id]) if row_id else []
        return found[0] if found else None
