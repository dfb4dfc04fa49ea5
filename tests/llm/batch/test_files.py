"""Open batches on disk, and their lines."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mminstruct.errors import StoreError
from mminstruct.llm.batch.files import BatchFiles, BatchRecord, RequestWriter, StoredRequests, new_batch, open_batches
from mminstruct.llm.batch.lines import read_line, request_line
from mminstruct.llm.chat import Reply
from mminstruct.llm.http.faults import AllRefused, Broken, Fault, RowRefused, Throttled

RECORD = BatchRecord("http://host/v1", "m", "/v1/chat/completions", "run", "answer")


def gathered(folder: Path, requests: dict[str, str]) -> BatchFiles:
    files = new_batch(folder)
    writer = RequestWriter(files)
    for request_id, text in requests.items():
        writer.add(request_id, text, b"{}\n")
    writer.finish()
    return files


class TestFiles:
    def test_a_record_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        files = new_batch(tmp_path / "batches")
        assert files.record() is None
        files.write_record(RECORD)
        (found,) = open_batches(tmp_path / "batches")
        assert found.record() == RECORD

    @given(st.lists(st.text(), max_size=5))
    def test_requests_are_read_as_they_were_written(
        self, tmp_path_factory: pytest.TempPathFactory, texts: list[str]
    ) -> None:
        requests = {f"{number:032x}": json.dumps(text, ensure_ascii=False) for number, text in enumerate(texts)}
        files = gathered(tmp_path_factory.mktemp("batches"), requests)
        stored = StoredRequests(files.requests_path)
        assert {request_id: stored.text(request_id) for request_id in stored} == requests
        assert len(stored) == len(requests) and "f" * 32 not in stored
        files.delete()

    def test_one_at_a_time_holds_the_lock(self, tmp_path: Path) -> None:
        files = new_batch(tmp_path)
        files.write_record(RECORD)
        other = BatchFiles(tmp_path, files.name)
        assert not other.lock()
        files.unlock()
        assert other.lock()

    def test_a_lock_whose_file_another_process_deletes_meanwhile_is_taken_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As `open_batches` does, which takes a batch that has no record yet for one that was left behind."""
        flock = fcntl.flock

        def deleted_before(descriptor: int, operation: int) -> None:
            monkeypatch.undo()
            (lock,) = tmp_path.glob("*.lock")
            lock.unlink()
            flock(descriptor, operation)

        monkeypatch.setattr(fcntl, "flock", deleted_before)
        files = new_batch(tmp_path)
        assert not BatchFiles(tmp_path, files.name).lock()

    def test_what_a_killed_process_left_is_deleted_and_what_is_being_gathered_is_not(self, tmp_path: Path) -> None:
        left = gathered(tmp_path, {"0" * 32: "{}"})
        left.unlock()
        busy = gathered(tmp_path, {"1" * 32: "{}"})
        assert open_batches(tmp_path) == []
        assert {path.name.partition(".")[0] for path in tmp_path.iterdir()} == {busy.name}

    def test_deleting_leaves_nothing(self, tmp_path: Path) -> None:
        files = gathered(tmp_path, {"0" * 32: "{}"})
        files.write_record(RECORD)
        files.delete()
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_cannot_be_written_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "batches").write_text("a file")
        with pytest.raises(StoreError, match=r"cannot be kept in .*batches"):
            new_batch(tmp_path / "batches")

    def test_requests_that_are_gone_say_so(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match=r"x\.requests cannot be read"):
            StoredRequests(tmp_path / "x.requests")


class TestLines:
    @given(st.text())
    def test_a_request_is_one_line_of_ascii(self, text: str) -> None:
        body = json.dumps({"prompt": text}, ensure_ascii=False)
        line = request_line("a" * 32, "/v1/completions", body)
        assert line.isascii() and line.count(b"\n") == 1 and line.endswith(b"\n")
        assert json.loads(line) == {
            "custom_id": "a" * 32,
            "method": "POST",
            "url": "/v1/completions",
            "body": {"prompt": text},
        }

    @pytest.mark.parametrize(
        ("line", "expected", "detail"),
        [
            ({"response": {"status_code": 400, "body": {"error": {"message": "x"}}}}, RowRefused, "HTTP 400: x"),
            ({"response": {"status_code": 401, "body": {"error": {"message": "x"}}}}, AllRefused, "HTTP 401: x"),
            ({"response": {"status_code": 429, "body": {"error": {"message": "x"}}}}, Throttled, "HTTP 429: x"),
            ({"response": {"status_code": 500, "body": None}}, Broken, "HTTP 500: null"),
            ({"response": {"status_code": 200, "body": {}}}, Broken, "expected a chat completion in JSON, found '{}'"),
            ({"response": {}}, Broken, "HTTP 500: null"),
            ({"response": None, "error": {"code": "batch_expired", "message": "late"}}, Broken, "batch_expired: late"),
            ({"custom_id": "a"}, Broken, "its line in the batch's result holds neither a response nor an error"),
        ],
    )
    def test_failures(self, line: dict[str, object], expected: type[Fault], detail: str) -> None:
        outcome = read_line(line, "a", "m")
        assert isinstance(outcome, expected) and outcome.detail == detail

    def test_a_reply(self) -> None:
        body = {
            "choices": [{"message": {"content": "Hello."}, "finish_reason": "length"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2},
        }
        line = {"custom_id": "a", "response": {"status_code": 200, "request_id": "r", "body": body}, "error": None}
        assert read_line(line, "a", "m") == Reply("a", "Hello.", "length", "m", 3, 2)
