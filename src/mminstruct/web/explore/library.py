"""A run as the explorer's views see it: its folder, its config, its tables, and its rows in DuckDB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mminstruct import __version__
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.story import open_run


class RunExplorer:
    """An open run. Raises RunError where the folder is none."""

    def __init__(self, run_dir: str) -> None:
        self.run_dir = run_dir
        self.config, self.folder = open_run(run_dir)
        self.tables = Tables(self.folder, self.config.describe.is_on)
        self.decisions: dict[str, str] = {}
        """The last decision of the review on each item that has one; kept up to date by review.py."""

    def about(self) -> dict[str, Any]:
        """Return what GET /api/about answers, but for the views."""
        return {"kind": "run", "name": Path(self.run_dir).name, "version": __version__}

    def close(self) -> None:
        """Close files and end threads."""
