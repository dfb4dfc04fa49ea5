"""A run of its own for each test that makes maps of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.explored_run import make_explored_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run of 40 images, 40 raw and 6 final instructions."""
    pytest.importorskip("sklearn")
    return make_explored_run(tmp_path / "explored" / "run")
