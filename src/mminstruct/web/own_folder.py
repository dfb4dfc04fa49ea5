"""Where the explorer writes: RUN/explore, or a temporary folder where that cannot be written."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

NAME = "explore"


class OwnFolder:
    """`path` is a folder of this machine that can be written; `is_kept` tells whether it belongs to the run."""

    def __init__(self, run_dir: str) -> None:
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        kept = None if "://" in run_dir else _writable(Path(run_dir) / NAME)
        self.is_kept = kept is not None
        if kept is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="mminstruct-explore-", ignore_cleanup_errors=True)
        self.path = kept or Path(self._temporary.name if self._temporary else "")

    def close(self) -> None:
        """Remove what was temporary."""
        if self._temporary is not None:
            self._temporary.cleanup()

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all. Raises OSError."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".tmp", delete=False) as file:
            try:
                file.write(data)
                Path(file.name).replace(path)
            except OSError:
                Path(file.name).unlink(missing_ok=True)
                raise


def _writable(path: Path) -> Path | None:
    """Return the folder, made where it was missing, if a file can be written into it."""
    with contextlib.suppress(OSError):
        path.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    return None
