"""How long a test waits for what must come: long enough that only what hangs is ended, not what a busy machine does."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 600.0  # pytest's own limit for one test, in pyproject.toml, is above it


def wait_for(happened: Callable[[], bool], every_s: float = 0.02) -> None:
    """Return once `happened()` is true. Raises AssertionError where it never is."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < give_up_at, "it never came"
        time.sleep(every_s)
