"""Something that takes long, made in a thread of its own, and made anew when what it rests on has changed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from mminstruct.errors import MMInstructError

Made = TypeVar("Made")
Told = Callable[[float], None]

_FAULT = "The server met a fault of its own; its terminal shows the trace. Everything else goes on."
_log = logging.getLogger(__name__)


class Background(Generic[Made]):
    """`make` is given a function that hears of progress, 0 to 1; `state` tells cheaply what `make` would rest on.

    What was made stays to be had while it is made anew. Where `make` raises an MMInstructError, its message is why
    there is nothing; it is tried again once the state has changed, or on demand.
    """

    def __init__(self, name: str, make: Callable[[Told], Made], state: Callable[[], str]) -> None:
        self._name = name
        self._make = make
        self._state = state
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._tried = ""  # the state of the last attempt
        self._progress = 0.0
        self._made: Made | None = None
        self._why = ""

    def look(self, again: bool = False) -> Made | None:
        """Return what was made last; begin to make it where it is missing, or rests on what has changed."""
        state = self._state()
        with self._lock:
            if self._thread is None and (state != self._tried or (again and self._why)):
                self._tried, self._progress, self._why = state, 0.0, ""
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            return self._made

    def status(self) -> dict[str, Any]:
        """Return {state: ready, computing or impossible; progress: 0 to 1; why}."""
        with self._lock:
            if self._why:
                return {"state": "impossible", "progress": 0.0, "why": self._why}
            if self._made is None:
                return {"state": "computing", "progress": self._progress, "why": ""}
            return {"state": "ready", "progress": 1.0 if self._thread is None else self._progress, "why": ""}

    def _work(self) -> None:
        made, why = None, ""
        try:
            made = self._make(self._hear)
        except MMInstructError as error:
            why = str(error)
        except Exception:  # a thread has nobody to raise to
            _log.exception("The thread %s failed", self._name)
            why = _FAULT
        with self._lock:
            self._made, self._why, self._thread = made, why, None

    def _hear(self, share: float) -> None:
        self._progress = share
