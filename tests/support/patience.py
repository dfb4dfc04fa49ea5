"""How long a test waits for what must come: long enough that only what hangs is ended, not what a busy machine does."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 600.0  # pytest's own limit for one test, in pyproject.toml, is above it


def wait_for(happened: Callable[[], object], process: subprocess.Popen[Any] | None = None) -> None:
    """Return once `happened()` is true. Raises AssertionError where it never is, or the process ends without it."""
    give_up_at = time.monotonic() + PATIENCE_S
    while True:
        is_over = process is not None and process.poll() is not None
        if happened():
            return
        assert not is_over, f"the process ended first: {process and process.stderr and process.stderr.read()}"
        assert time.monotonic() < give_up_at, "it never came"
        time.sleep(0.01)
