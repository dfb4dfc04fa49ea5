"""The written run and what the report says of it, made once for all these tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from mminstruct.web.report.contents import InstructionMap, MapPoint, RunReport
from mminstruct.web.report.gather import gather
from support.written_run import write_run


@pytest.fixture(scope="session")
def written_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("written"))


@pytest.fixture(scope="session")
def run_report(written_run: Path) -> RunReport:
    """Return the report with a map made by hand: the vectors of a real one (`test_instruction_map.py`) take seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mminstruct.web.report.gather.read_map", lambda *_: (hand_made_map(), ""))
        return gather(str(written_run))


def hand_made_map() -> InstructionMap:
    points = [
        MapPoint(0.0, 0.5, "Write a poem.", "raw", 0),
        MapPoint(0.1, 0.4, "Write a short poem about the image.", "final", 0, n_raw=2),
        MapPoint(-0.8, -0.5, "Write a poem!", "rejected", -1, "near_copy"),
    ]
    return InstructionMap(points, n_raw=2, n_raw_shown=2, n_final=1)


@pytest.fixture
def without_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the map: its vectors take seconds, and these tests look at something else."""
    monkeypatch.setattr("mminstruct.web.report.gather.read_map", lambda *_: (None, "left out"))
