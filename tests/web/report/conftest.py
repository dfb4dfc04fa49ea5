"""The written run and what the report says of it, made once for all these tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from mminstruct.web.report.contents import RunReport
from mminstruct.web.report.gather import gather
from support.written_run import write_run


@pytest.fixture(scope="session")
def written_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("written"))


@pytest.fixture(scope="session")
def run_report(written_run: Path) -> RunReport:
    return gather(str(written_run))


@pytest.fixture
def without_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the map: its vectors take seconds, and these tests look at something else."""
    monkeypatch.setattr("mminstruct.web.report.gather.read_map", lambda *_: (None, "left out"))
