"""A run through the Batch API has the rows of one that asks live, and asks nothing that the store has."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mminstruct.config.file import load_config
from mminstruct.llm.batch import draft
from mminstruct.pipeline.manifest import Manifest
from mminstruct.pipeline.progress import Silent
from mminstruct.pipeline.run import run_steps
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.steps import STEPS
from mminstruct.pipeline.tables import Folder
from support.batch_server import BatchServer
from support.collection import make_collection, write_config
from support.llm_server import LlmServer, completion, plausible_reply


class Notes(Silent):
    """A progress that keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def run(config_file: Path, progress: Silent, *overrides: str) -> Manifest:
    return asyncio.run(run_steps(load_config(config_file, overrides), STEPS, progress))


def rows(folder: Path, run_dir: str) -> list[object]:
    return [row for table in Tables(Folder(str(folder / run_dir))).all() for row in (*table.rows(), *table.rejects())]


def test_the_rows_are_those_of_a_live_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft, "QUIET_S", 0.1)
    make_collection(tmp_path)
    notes = Notes()
    with BatchServer() as batches, LlmServer() as live:
        batches.answer = lambda body: (200, completion(plausible_reply(body)))
        llm = "{{base_url: '{}', model: m, mode: {}, batch_poll_s: 0.05, batch_size: 15}}"
        config = write_config(tmp_path, batches.base_url, llm=llm.format(batches.base_url, "batch"))
        run(config, notes)
        assert any("answer: batch" in note for note in notes.notes)
        assert max(len(upload.lines) for upload in batches.uploads) == 15
        n_batches = len(batches.batches)

        config = write_config(tmp_path, live.base_url, llm=llm.format(live.base_url, "live"))
        manifest = run(config, Silent(), f"run_dir={tmp_path}/live", f"replies={tmp_path}/others")
        assert rows(tmp_path, "live") == rows(tmp_path, "run")
        assert manifest.stages["answer"].requests == 48

        run(config, Silent(), f"run_dir={tmp_path}/again")  # live, on the replies that came in batches
        assert rows(tmp_path, "again") == rows(tmp_path, "run")
        n_asked_live = sum(record.requests for record in manifest.stages.values())
        assert len(live.received) == n_asked_live and len(batches.batches) == n_batches
