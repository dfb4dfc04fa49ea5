"""Training's progress on the terminal: a live bar of steps, or plain lines where nobody watches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from mminstruct.train.measure import RowLoss
    from mminstruct.train.progress import StageResult
    from mminstruct.train.rows import RowCounts

_PLAIN_EVERY_S = 10.0


class TrainingBars:
    """Tells a training's events; on a terminal with a bar, else a line every ten seconds."""

    def __init__(self, console: Console, bars: Progress) -> None:
        self._console = console
        self._bars = bars
        self._n_prepared = 0
        self._n_steps = 0
        self._stage = ""
        self._told = time.monotonic()

    def stage_started(self, stage: str) -> None:
        """Show that rows are read."""
        self._stage, self._n_prepared = stage, 0
        self._new_bar(f"{stage}: rows", None, 0)

    def rows_prepared(self, n_rows: int) -> None:
        """Count them."""
        self._n_prepared += n_rows
        self._bars.update(self._task, completed=self._n_prepared)
        self._tell_now_and_then(f"{self._stage}: {self._n_prepared:,} rows read")

    def training_started(self, stage: str, counts: RowCounts, n_steps: int, n_done: int) -> None:
        """Say what there is to learn from, and show a bar of steps."""
        self._n_steps = n_steps
        left_out = f", {counts.n_left_out:,} left out" if counts.n_left_out else ""
        cut = f", {counts.n_truncated:,} cut off at max_tokens" if counts.n_truncated else ""
        gone_on = f", going on after step {n_done:,}" if n_done else ""
        tokens = f"{counts.n_tokens:,} tokens, {counts.n_answer_tokens:,} of them in answers"
        self._print(f"{stage}: {counts.n_rows:,} rows ({tokens}{left_out}{cut}); {n_steps:,} steps{gone_on}")
        self._new_bar(stage, n_steps, n_done)

    def stepped(self, n_done: int, loss: float, learning_rate: float) -> None:
        """Move the bar."""
        told = f"loss {loss:.3f}, learning rate {learning_rate:.1e}"
        self._bars.update(self._task, completed=n_done, told=told)
        self._tell_now_and_then(f"{self._stage}: step {n_done:,} of {self._n_steps:,}, {told}")

    def measured(self, stage: str, what: str, loss: RowLoss) -> None:
        """Print the loss."""
        self._print(f"{stage}: loss {loss.loss:.3f} on {loss.n_rows:,} {what} training")

    def stage_ended(self, result: StageResult, skipped: bool) -> None:
        """Say that a stage was done before; what one did is in the table at the end."""
        self._bars.update(self._task, visible=False)
        if skipped:
            self._print(f"{result.stage}: unchanged, skipped")

    def note(self, text: str) -> None:
        """Print the note."""
        self._print(f"note: {text}")

    def _new_bar(self, description: str, total: int | None, completed: int) -> None:
        for task in self._bars.task_ids:
            self._bars.remove_task(task)
        self._task = self._bars.add_task(description, total=total, completed=completed, told="")

    def _tell_now_and_then(self, text: str) -> None:
        if not self._console.is_terminal and time.monotonic() - self._told >= _PLAIN_EVERY_S:
            self._told = time.monotonic()
            self._print(text)

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)


@contextmanager
def training_progress(console: Console) -> Iterator[TrainingBars]:
    """Show training's progress on the console while the context is open."""
    columns = TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    bars = Progress(
        *columns,
        TimeRemainingColumn(),
        TextColumn("{task.fields[told]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bars:
        yield TrainingBars(console, bars)
