"""A run's progress on the terminal: a live line a stage, or plain lines where nobody watches."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from mminstruct.llm.usage import Usage
from mminstruct.pipeline.manifest import StageRecord

_PLAIN_EVERY_S = 10.0
_LIVE_EVERY_S = 0.1  # more often than anybody can read; at thousands of rows a second each update would cost


def one_line(stage: str, record: StageRecord, skipped: bool) -> str:
    """Return what a finished stage did, in one line."""
    rejected = f", {record.n_rejected:,} rejected" if record.n_rejected else ""
    took = "unchanged, skipped" if skipped else f"{record.seconds:.1f} s"
    return f"{stage:<10} {record.n_in:,} in, {record.n_out:,} out{rejected} ({took})"


class _Rate:
    """Counts the current stage's rows and how fast they come."""

    def __init__(self) -> None:
        self.n_rows = self.n_rejected = 0
        self.started = time.monotonic()

    @property
    def per_second(self) -> float:
        return self.n_rows / max(time.monotonic() - self.started, 1e-6)

    def text(self, usage: Usage | None) -> str:
        rate = self.per_second
        parts = [f"{rate:,.1f} rows/s" if rate >= 1 else f"{60 * rate:.1f} rows/min"]
        if usage is not None:
            parts.append(f"{usage.prompt_tokens + usage.completion_tokens:,} tokens")
            if usage.cached:
                parts.append(f"{usage.cached:,} from the store")
            if usage.retries:
                parts.append(f"{usage.retries:,} retries")
        if self.n_rejected:
            parts.append(f"{self.n_rejected:,} rejected")
        return ", ".join(parts)


class LiveProgress:
    """Live bars on a terminal. Use as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[told]}"),
            console=console,
            transient=True,
        )
        self._rate, self._n_done = _Rate(), 0
        self._told = 0.0

    def __enter__(self) -> LiveProgress:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def stage_started(self, stage: str, n_rows: int | None, n_done: int) -> None:
        """Show a bar."""
        self._rate, self._n_done, self._told = _Rate(), n_done, 0.0
        self._task = self._bars.add_task(stage, total=n_rows, completed=n_done, told="")

    def advanced(self, n_rows: int, n_rejected: int, usage: Usage | None) -> None:
        """Move the bar."""
        self._rate.n_rows += n_rows
        self._rate.n_rejected += n_rejected
        now = time.monotonic()
        if now - self._told >= _LIVE_EVERY_S:
            self._told = now
            completed = self._n_done + self._rate.n_rows
            self._bars.update(self._task, completed=completed, told=self._rate.text(usage))

    def stage_ended(self, stage: str, record: StageRecord, skipped: bool) -> None:
        """Replace the bar by one line."""
        for task_id in self._bars.task_ids:
            self._bars.remove_task(task_id)
        self._console.print(one_line(stage, record, skipped), highlight=False)

    def note(self, text: str) -> None:
        """Print above the bars."""
        self._console.print(f"note: {text}", highlight=False)


class PlainProgress:
    """One line every ten seconds, for logs and pipes. Use as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rate = _Rate()
        self._stage, self._n_rows, self._n_done = "", 0, 0
        self._told = time.monotonic()

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to put back."""

    def stage_started(self, stage: str, n_rows: int | None, n_done: int) -> None:
        """Remember the stage."""
        self._rate, self._stage, self._n_rows, self._n_done = _Rate(), stage, n_rows or 0, n_done
        self._told = time.monotonic()

    def advanced(self, n_rows: int, n_rejected: int, usage: Usage | None) -> None:
        """Print a line when the last one is old enough."""
        self._rate.n_rows += n_rows
        self._rate.n_rejected += n_rejected
        if time.monotonic() - self._told < _PLAIN_EVERY_S:
            return
        self._told = time.monotonic()
        done = self._n_done + self._rate.n_rows
        of_all = f"{done:,}/{self._n_rows:,}" if self._n_rows else f"{done:,}"
        left_s = (self._n_rows - done) / self._rate.per_second if self._n_rows else 0
        left = f", {left_s:.0f} s left" if self._n_rows else ""
        self._print(f"{self._stage:<10} {of_all}, {self._rate.text(usage)}{left}")

    def stage_ended(self, stage: str, record: StageRecord, skipped: bool) -> None:
        """Print what the stage did."""
        self._print(one_line(stage, record, skipped))

    def note(self, text: str) -> None:
        """Print the note."""
        self._print(f"note: {text}")

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)


def progress_for(console: Console) -> LiveProgress | PlainProgress:
    """Return the progress that suits the console."""
    return LiveProgress(console) if console.is_terminal else PlainProgress(console)
