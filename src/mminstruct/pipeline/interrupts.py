"""The first Ctrl-C waits for the replies that are already paid for; a second one stops at once."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from mminstruct.errors import MMInstructError, RunInterrupted
from mminstruct.pipeline.progress import Progress


class Asker(Protocol):
    """Who has something in flight that is paid for: language models of this process, or an engine's workers."""

    @property
    def in_flight(self) -> str:
        """What a sudden end would lose, as `8 requests`; "" where there is nothing."""
        ...

    def stop(self, error: MMInstructError) -> None:
        """Send nothing more; who is asking ends with `error` once what is in flight has come home."""
        ...


@contextmanager
def patient_interrupts(progress: Progress, *askers: Asker) -> Iterator[None]:
    """Let Ctrl-C, within this block, first bring requests in flight home to the reply store.

    Without requests in flight, and outside the main thread, everything is as it was before.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    loop = asyncio.get_running_loop()
    interrupted: list[RunInterrupted] = []

    def in_flight() -> str:
        return " and ".join(asker.in_flight for asker in askers if asker.in_flight)

    def stop() -> None:
        interrupted.append(RunInterrupted("Stopped; every reply received so far is kept."))
        progress.note(
            f"stopping: waiting for {in_flight()} in flight, so that nothing paid for is lost; Ctrl-C again to stop at "
            "once"
        )
        for asker in askers:
            asker.stop(interrupted[0])

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        if in_flight():
            loop.call_soon_threadsafe(stop)
        else:
            before(number, frame)

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
        if interrupted:  # what was in flight was all that the stage still waited for
            raise interrupted[0]
    finally:
        signal.signal(signal.SIGINT, before)
