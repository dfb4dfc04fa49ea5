"""The map of samples for other programs."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from mminstruct.cli import cli, main
from mminstruct.errors import RunError
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.tables import Folder
from support.explored_run import ROWS, Row, make_explored_run

pytest.importorskip("duckdb")
pytest.importorskip("sklearn")


def test_every_answer_is_in_the_file_with_its_point(explored_run: Path, tmp_path: Path) -> None:
    assert main is not None  # which registers the commands
    import mminstruct.cli.explore  # noqa: F401

    file = tmp_path / "map.parquet"
    told = CliRunner().invoke(cli, ["explore", str(explored_run), "--export-atlas", str(file)], catch_exceptions=False)
    assert f"{len(ROWS)} rows" in told.output
    assert f"embedding-atlas {file} --x x --y y --text instruction" in told.output
    rows = {row["id"]: row for row in pq.read_table(file).to_pylist()}
    assert len(rows) == len(ROWS)
    seven = Row(7, 0)
    assert rows[seven.row_id]["instruction"] == seven.instruction
    assert rows[seven.row_id]["answer"] == seven.answer()
    assert rows[seven.row_id]["status"] == "kept"
    assert rows[seven.row_id]["score"] == seven.score
    other = rows[Row(7, 1).row_id]  # of the same image: beside it, and not on it
    apart = abs(rows[seven.row_id]["x"] - other["x"]) + abs(rows[seven.row_id]["y"] - other["y"])
    assert 0 < apart < 0.1
    assert [path.name for path in tmp_path.iterdir()] == ["map.parquet"]


def test_a_run_without_answers_says_so_and_writes_nothing(tmp_path: Path) -> None:
    from mminstruct.web.explore.map_samples import write_atlas

    run = make_explored_run(tmp_path / "explored" / "run")
    tables = Tables(Folder(str(run)))
    for table in (tables.answers, tables.kept, tables.samples, tables.benchmark, tables.matches):
        table.clear()
    with pytest.raises(RunError, match="no answers yet"):
        write_atlas(str(run), tmp_path / "map.parquet")
    assert not list(tmp_path.glob("map*"))
