"""Which decisions hold for the rows as they are now: what the gallery, the review and its filters go by.

files of decisions (several servers') ─► DecisionDesk ─► those made on the answer that the row has now
                                                              ─► explorer.decisions: id → keep, drop or edit
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mminstruct.errors import RunError
from mminstruct.pipeline.deciding import DecisionDesk, Draft, Shown
from mminstruct.pipeline.decisions import Decision, hash_of_answer
from mminstruct.web.explore.items import items_of, rows_with_ids
from mminstruct.web.explore.replies import Refused

if TYPE_CHECKING:
    from mminstruct.web.explore.library import RunExplorer

_AT_ONCE = 1000  # rows whose texts are read together


class Decided:
    """The decisions of one run, held against its rows."""

    def __init__(self, explorer: RunExplorer) -> None:
        self._explorer = explorer
        self._desk = DecisionDesk(explorer.run_dir)
        self._lock = threading.Lock()
        self._version = -1  # of the rows that the decisions were held against
        self._holds: dict[str, bool] = {}  # by decision_id
        self._standing: dict[str, Decision] = {}

    def close(self) -> None:
        """Close the file of decisions."""
        self._desk.close()

    def refresh(self) -> None:
        """Read what was decided elsewhere, hold it against the rows. Raises Refused where the run changes just now."""
        with self._lock:
            self._refresh()

    def on(self, row_id: str) -> Decision | None:
        """Return the decision that stands on a row as it is now."""
        return self._standing.get(row_id)

    @property
    def n_not_holding(self) -> int:
        """Decisions on rows that are gone, or were made anew with another answer."""
        return sum(not holds for holds in self._holds.values())

    @property
    def n_passed_over(self) -> int:
        """Lines that hold no decision."""
        return self._desk.book.n_passed_over

    def reviewers(self) -> dict[str, int]:
        """Return how many of the standing decisions are whose."""
        return dict(self._desk.book.reviewers().most_common())

    def decide(self, draft: Draft, shown: Shown) -> Decision:
        """Keep a decision; returns once it is on disk. Raises DecisionError, or Refused where it cannot be written."""
        try:
            decision = self._desk.decide(draft, shown)
        except RunError as error:
            raise Refused(503, str(error)) from error
        self.refresh()
        return decision

    def _refresh(self) -> None:
        standing = dict(self._desk.refreshed().standing)
        if self._version != self._explorer.version:
            self._version, self._holds = self._explorer.version, {}
        # A decision that no longer stands would else be counted among those that do not hold.
        ids = {decision.decision_id for decision in standing.values()}
        self._holds = {decision_id: holds for decision_id, holds in self._holds.items() if decision_id in ids}
        new = [decision for decision in standing.values() if decision.decision_id not in self._holds]
        for start in range(0, len(new), _AT_ONCE):
            self._compare(new[start : start + _AT_ONCE])
        self._standing = {row_id: one for row_id, one in standing.items() if self._holds[one.decision_id]}
        self._explorer.decisions = {row_id: str(one.decision) for row_id, one in self._standing.items()}

    def _compare(self, decisions: list[Decision]) -> None:
        numbers = rows_with_ids(self._explorer, [decision.sample_id for decision in decisions])
        hashes = {item["id"]: hash_of_answer(item["answer"]) for item in items_of(self._explorer, numbers, whole=True)}
        for decision in decisions:
            self._holds[decision.decision_id] = hashes.get(decision.sample_id) == decision.answer_hash
