"""The map over HTTP: its state, its positions as bytes, its columns; and a run that has none yet."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("duckdb")
pytest.importorskip("sklearn")

from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.tables import Folder
from mminstruct.web.explore.app import run_app
from mminstruct.web.explore.library import RunExplorer
from mminstruct.web.explore.safety import Guard
from support.browser import served
from support.explored_run import ROWS, Row, make_explored_run
from support.http_asking import ask


def settled(address: str, which: str) -> dict[str, Any]:
    """Return the map's state once it is no longer being computed; the test's own timeout ends a wait in vain."""
    while True:
        told: dict[str, Any] = ask(address, f"/api/map/{which}").json()
        if told["state"] != "computing":
            return told
        time.sleep(0.05)


def test_samples_have_a_point_each_and_columns_beside_it(address: str) -> None:
    state = settled(address, "samples")
    assert (state["state"], state["n"], state["note"]) == ("ready", len(ROWS), "")
    raw = ask(address, "/api/map/samples/points", {"key": state["key"]}).body
    xy = np.frombuffer(raw, "<f4").reshape(2, len(ROWS))
    assert np.isfinite(xy).all()
    assert np.abs(xy).max() <= 1.1
    columns = ask(address, "/api/map/samples/columns", {"key": state["key"]}).json()
    place = columns["ids"].index(Row(7, 1).row_id)
    assert columns["score"][place] == Row(7, 1).score
    told = {name: column["values"][column["codes"][place]] for name, column in columns["colours"].items()}
    assert told["instruction"] == Row(7, 1).instruction
    assert told["category"] == Row(7, 1).category
    assert told["source"] == Row(7, 1).source
    assert told["status"] == "kept"
    assert told["reason"] == ""
    assert columns["image"]["ids"][columns["image"]["codes"][place]] == Row(7, 1).image_id


def test_a_rejected_answer_tells_its_reason(address: str) -> None:
    settled(address, "samples")
    columns = ask(address, "/api/map/samples/columns").json()
    place = columns["ids"].index(Row(5, 1).row_id)
    told = {name: column["values"][column["codes"][place]] for name, column in columns["colours"].items()}
    assert (told["status"], told["reason"]) == ("rejected", "too_short")


def test_instructions_stand_under_what_they_became(address: str) -> None:
    state = settled(address, "instructions")
    assert state["n"] == 46
    columns = ask(address, "/api/map/instructions/columns", {"key": state["key"]}).json()
    cluster = columns["colours"]["cluster"]
    final = columns["ids"].index(Row(3, 0).instruction_id)
    assert cluster["values"][cluster["codes"][final]] == Row(3, 0).instruction
    assert cluster["ids"][cluster["codes"][final]] == Row(3, 0).instruction_id


def test_a_map_that_is_no_longer_there_is_refused_and_so_is_another_name(address: str) -> None:
    settled(address, "samples")
    for path, query, status in (
        ("/api/map/samples/points", {"key": "0123456789abcdef"}, 409),
        ("/api/map/samples/columns", {"key": "0123456789abcdef"}, 409),
        ("/api/map/answers", {}, 404),
    ):
        told = ask(address, path, query)
        assert told.status == status
        assert told.json()["error"].endswith(".")


def test_a_run_that_is_not_that_far_says_what_is_missing_and_has_its_map_later(tmp_path: Path) -> None:
    run = make_explored_run(tmp_path / "explored" / "run")
    tables = Tables(Folder(str(run)))
    raws = tables.raw_instructions.read_part(0)
    finals = tables.instructions.read_part(0)
    for table in tables.all()[2:]:
        table.clear()
    with served(run_app(RunExplorer(str(run)), Guard())) as address:
        assert settled(address, "samples")["state"] == "impossible"
        state = settled(address, "instructions")
        assert state["state"] == "impossible"
        assert "stage augment" in state["why"]
        tables.raw_instructions.write_part(0, raws)
        tables.instructions.write_part(0, finals)
        while (state := settled(address, "instructions"))["state"] != "ready":
            time.sleep(0.05)
        assert state["n"] == 46
