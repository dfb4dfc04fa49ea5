"""What training tells about itself while it goes on; the command line shows it, a notebook may ignore it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mminstruct.train.measure import RowLoss
from mminstruct.train.rows import RowCounts


@dataclass(frozen=True, slots=True)
class StageResult:
    """What one stage did. Losses are in nats per answer token; None where nothing was measured."""

    stage: str
    folder: Path  # of the trained model
    n_rows: int  # trained on
    n_steps: int
    n_learning: int  # parameters that learnt
    first_loss: float  # on training rows, before and after; with DeepSpeed of the first and the last steps
    last_loss: float
    held_out_before: float | None
    held_out_after: float | None
    n_held_out: int
    seconds: float  # of training alone, over all sessions
    counts: RowCounts


class TrainProgress(Protocol):
    """Receives the events of training, in order; must return quickly."""

    def stage_started(self, stage: str) -> None:
        """A stage begins; its rows are prepared first."""
        ...

    def rows_prepared(self, n_rows: int) -> None:
        """So many rows more were read."""
        ...

    def training_started(self, stage: str, counts: RowCounts, n_steps: int, n_done: int) -> None:
        """The first step comes: `n_steps` to do in all, `n_done` of them done earlier."""
        ...

    def stepped(self, n_done: int, loss: float, learning_rate: float) -> None:
        """So many steps are done; `loss` is that of the last ones."""
        ...

    def measured(self, stage: str, what: str, loss: RowLoss) -> None:
        """The loss on `what` rows was measured: `training rows before`, `held-out rows after`, …"""
        ...

    def stage_ended(self, result: StageResult, skipped: bool) -> None:
        """A stage is done; `skipped` says that it was done before, and nothing of it has changed."""
        ...

    def note(self, text: str) -> None:
        """Something that the user should know, in one sentence."""
        ...


class Silent:
    """A TrainProgress that says nothing."""

    def stage_started(self, stage: str) -> None:
        """Ignore."""

    def rows_prepared(self, n_rows: int) -> None:
        """Ignore."""

    def training_started(self, stage: str, counts: RowCounts, n_steps: int, n_done: int) -> None:
        """Ignore."""

    def stepped(self, n_done: int, loss: float, learning_rate: float) -> None:
        """Ignore."""

    def measured(self, stage: str, what: str, loss: RowLoss) -> None:
        """Ignore."""

    def stage_ended(self, result: StageResult, skipped: bool) -> None:
        """Ignore."""

    def note(self, text: str) -> None:
        """Ignore."""
