"""The map of instructions as the report reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.story import open_run
from mminstruct.web.report.instruction_map import read_map
from support.written_run import INSTRUCTIONS, write_run


def test_raw_instructions_have_the_cluster_of_what_they_became(written_run: Path) -> None:
    config, folder = open_run(str(written_run))
    tables = Tables(folder)
    found, missing = read_map(config, folder, tables, list(tables.instructions.rows()))
    if found is None:
        pytest.skip(missing)
    kinds = [point.kind for point in found.points]
    assert (kinds.count("raw"), kinds.count("rejected"), kinds.count("final")) == (5, 1, 3)
    assert (found.n_raw, found.n_raw_shown, found.n_final) == (6, 6, 3)
    final = {point.text: (point.cluster, point.n_raw) for point in found.points if point.kind == "final"}
    raw = {point.text: point.cluster for point in found.points if point.kind == "raw"}
    assert final[INSTRUCTIONS[1]] == (raw["Plan a trip."], 2)


def test_a_map_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    run = write_run(tmp_path, until="summarize")
    with (run / "config.yaml").open("a") as config_file:
        config_file.write("embedder: {kind: transformers, model: /nowhere}\n")
    config, folder = open_run(str(run))
    tables = Tables(folder)
    found, missing = read_map(config, folder, tables, list(tables.instructions.rows()))
    assert found is None and missing


def test_without_instructions_there_is_nothing_to_tell(tmp_path: Path) -> None:
    config, folder = open_run(str(write_run(tmp_path, until="images")))
    assert read_map(config, folder, Tables(folder), []) == (None, "")
