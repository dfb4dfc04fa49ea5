"""What a run tells about itself while it goes on; the command line shows it, a notebook may ignore it."""

from __future__ import annotations

from typing import Protocol

from mminstruct.llm.usage import Usage
from mminstruct.pipeline.manifest import StageRecord


class Progress(Protocol):
    """Receives a run's events, in order; must return quickly."""

    def stage_started(self, stage: str, n_rows: int | None, n_done: int) -> None:
        """A stage begins: `n_rows` to do in all (None: not known beforehand), `n_done` of them done earlier."""
        ...

    def advanced(self, n_rows: int, n_rejected: int, usage: Usage | None) -> None:
        """Rows of the current stage are through, `n_rejected` of them rejected; `usage` is the sum so far."""
        ...

    def stage_ended(self, stage: str, record: StageRecord, skipped: bool) -> None:
        """A stage is done; `skipped` says that it was done before and nothing of it has changed."""
        ...

    def note(self, text: str) -> None:
        """Something that the user should know, in one sentence."""
        ...


class Silent:
    """A Progress that says nothing."""

    def stage_started(self, stage: str, n_rows: int | None, n_done: int) -> None:
        """Ignore."""

    def advanced(self, n_rows: int, n_rejected: int, usage: Usage | None) -> None:
        """Ignore."""

    def stage_ended(self, stage: str, record: StageRecord, skipped: bool) -> None:
        """Ignore."""

    def note(self, text: str) -> None:
        """Ignore."""
