"""`progress.json`: what it says while a run goes on, when one ends, fails or is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mminstruct.config.file import load_config
from mminstruct.errors import RunError
from mminstruct.llm.usage import Usage
from mminstruct.pipeline import progress_file
from mminstruct.pipeline.lock import is_locked
from mminstruct.pipeline.manifest import StageRecord
from mminstruct.pipeline.progress import Silent
from mminstruct.pipeline.progress_file import DONE, ProgressFile, StageProgress, read_progress
from mminstruct.pipeline.tables import Folder
from mminstruct.rows import Answer, Reason, Reject
from support.collection import make_collection, write_config
from support.llm_server import LlmServer
from support.patience import wait_for


class Recorded(Silent):
    """A Progress that remembers its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def stage_started(self, stage: str, n_rows: int | None, n_done: int) -> None:
        self.calls.append((stage, n_rows, n_done))

    def advanced(self, n_rows: int, n_rejected: int, usage: Usage | None) -> None:
        self.calls.append((n_rows, n_rejected))

    def stage_ended(self, stage: str, record: StageRecord, skipped: bool) -> None:
        self.calls.append((stage, skipped))

    def note(self, text: str) -> None:
        self.calls.append((text,))


def answer(number: int, text: str = "Yes.") -> Answer:
    return Answer(f"a{number}", "image", "instruction", text, "stop", [], "m", "r")


def read(run: Path) -> StageProgress:
    told = read_progress(Folder(str(run)))
    assert told is not None
    return told


class TestTheFile:
    def test_all_is_handed_on(self, tmp_path: Path) -> None:
        onward = Recorded()
        with ProgressFile(Folder(str(tmp_path)), onward) as progress:
            progress.stage_started("answer", 9, 4)
            progress.advanced(2, 1, Usage(1))
            progress.note("slow")
            progress.stage_ended("answer", StageRecord(""), False)
        assert onward.calls == [("answer", 9, 4), (2, 1), ("slow",), ("answer", False)]

    def test_it_holds_counts_usage_and_the_newest_rows(self, tmp_path: Path) -> None:
        with ProgressFile(Folder(str(tmp_path)), Silent()) as progress:
            progress.stage_started("answer", 100, 40)
            for number in range(20):
                progress.saw(answer(number, "long " * 1000))
                progress.advanced(1, 0, Usage(number + 1, completion_tokens=7 * number))
            progress.saw(Reject("x", "answer", Reason.REQUEST_REFUSED, "400", "raw"))
            progress.advanced(1, 1, Usage(20, completion_tokens=133))
        told = read(tmp_path)
        assert (told.stage, told.n_rows, told.n_done, told.n_done_before, told.n_rejected) == ("answer", 100, 61, 40, 1)
        assert told.usage is not None and told.usage["requests"] == 20
        assert told.ended == DONE
        assert [row["answer_id"] for row in told.newest] == [f"a{number}" for number in range(19, 11, -1)]
        assert len(told.newest[0]["answer"]) == 2000
        assert told.newest_rejects[0]["reason"] == "request_refused"
        assert [point[1] for point in (told.points[0], told.points[-1])] == [40, 61]
        assert told.points[-1][2] == 133

    def test_a_stage_begins_with_nothing_of_the_one_before(self, tmp_path: Path) -> None:
        with ProgressFile(Folder(str(tmp_path)), Silent()) as progress:
            progress.stage_started("augment", 5, 0)
            progress.saw(answer(1))
            progress.advanced(5, 0, Usage(5))
            progress.stage_started("match", 3, 0)
        told = read(tmp_path)
        assert (told.stage, told.n_done, told.newest, told.usage) == ("match", 0, [], None)

    def test_a_burst_is_on_disk_without_another_row_coming(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(progress_file, "_EVERY_S", 0.01)
        with ProgressFile(Folder(str(tmp_path)), Silent()) as progress:
            progress.stage_started("answer", 9, 0)
            for _ in range(5):
                progress.advanced(1, 0, None)
            wait_for(lambda: (tmp_path / "progress.json").exists() and read(tmp_path).n_done == 5)
            assert read(tmp_path).ended == ""

    def test_nothing_new_is_not_written_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(progress_file, "_EVERY_S", 0.01)
        with ProgressFile(Folder(str(tmp_path)), Silent()) as progress:
            progress.stage_started("answer", 9, 0)
            wait_for((tmp_path / "progress.json").exists)
            time.sleep(0.05)
            written = read(tmp_path).written_at
            time.sleep(0.1)
            assert read(tmp_path).written_at == written

    def test_what_stopped_the_run_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(RunError), ProgressFile(Folder(str(tmp_path)), Silent()):
            raise RunError("The disk is full.")
        assert read(tmp_path).ended == "The disk is full."

    def test_a_folder_that_cannot_be_written_stops_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        with ProgressFile(Folder(str(tmp_path / "file")), Silent()) as progress:
            progress.stage_started("answer", 9, 0)

    def test_there_may_be_none_or_another_one(self, tmp_path: Path) -> None:
        assert read_progress(Folder(str(tmp_path))) is None
        for content in ('{"a": 1}', "no JSON"):
            (tmp_path / "progress.json").write_text(content)
            with pytest.raises(RunError, match="It may be removed at any time"):
                read_progress(Folder(str(tmp_path)))


def test_a_run_that_goes_on_is_followed_and_a_kill_is_seen(tmp_path: Path) -> None:
    make_collection(tmp_path, 40)
    with LlmServer(latency_s=0.3) as server:
        config = write_config(tmp_path, server.base_url, shard_size="100")
        run = subprocess.Popen(
            [sys.executable, "-m", "mminstruct", "run", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        folder, file = load_config(config).run_dir, tmp_path / "run" / "progress.json"
        try:

            def in_the_midst_of_answers() -> bool:
                told = json.loads(file.read_text()) if file.exists() else {}
                return told.get("stage") == "answer" and 0 < told["n_done"] < told["n_rows"]

            wait_for(in_the_midst_of_answers)
            told = read(Path(folder))
            assert told.n_rows == 120 and told.ended == "" and is_locked(folder)
            assert told.newest[0]["row"] == "Answer" and told.newest[0]["answer"]
            assert not list((tmp_path / "run" / "06_answers").glob("*.parquet"))  # the part is far from its end
        finally:
            os.kill(run.pid, signal.SIGKILL)
            run.wait()
        assert not is_locked(folder) and read(Path(folder)).ended == ""
