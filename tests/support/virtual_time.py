"""An event loop whose clock jumps to the next timer in place of waiting: hours in milliseconds, always the same way."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class Deadlock(AssertionError):
    """Every task waits, and nothing is left that could wake one."""


class _NoWaiting(selectors.DefaultSelector):
    """A selector that never blocks: what it would have waited is added to `waited_s`."""

    waited_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise Deadlock(f"{len(asyncio.all_tasks(asyncio.get_running_loop()))} tasks wait for ever")
        self.waited_s += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """For coroutines that use neither sockets nor threads."""

    BEGIN_S = 1000.0  # no loop's clock begins at zero

    def __init__(self) -> None:
        self._selector_of_time = _NoWaiting()
        super().__init__(self._selector_of_time)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self.BEGIN_S + self._selector_of_time.waited_s


def run_virtually(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in virtual time. Raises Deadlock where everything waits for ever."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)
