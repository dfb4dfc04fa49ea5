"""`mminstruct replies` as a user runs it, over the store of a real run."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mminstruct.pipeline.manifest import read_manifest, write_manifest
from mminstruct.pipeline.tables import Folder
from support.collection import make_collection, write_config
from support.llm_server import LlmServer


@pytest.fixture(scope="module")
def server() -> Iterator[LlmServer]:
    with LlmServer() as server:
        yield server


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, server: LlmServer) -> Path:
    """Return the folder of a config whose run is finished."""
    folder = tmp_path_factory.mktemp("finished")
    make_collection(folder)
    price = "price: {prompt_per_million: 1, completion_per_million: 2}"
    write_config(folder, server.base_url, llm=f"{{base_url: '{server.base_url}', model: m, concurrency: 8, {price}}}")
    done = mminstruct("run", "config.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """Return a copy of it to change."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def mminstruct(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mminstruct", *arguments]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def stats(folder: Path) -> dict[str, object]:
    done = mminstruct("replies", "stats", "replies", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


class TestStats:
    def test_tells_what_is_stored_and_what_was_paid(self, finished: Path) -> None:
        done = mminstruct("replies", "stats", "replies", cwd=finished)
        assert done.returncode == 0, done.stderr
        n_replies = stats(finished)["replies"]
        assert done.stdout.startswith(f"replies: {n_replies} replies, ")
        assert "model" in done.stdout and "paid for by run" in done.stdout

    def test_agrees_with_the_manifest(self, finished: Path) -> None:
        spent = stats(finished)["spent"]
        assert isinstance(spent, list)
        manifest = read_manifest(Folder(str(finished / "run")))
        asked = {name: record for name, record in manifest.stages.items() if record.requests}
        assert {entry["stage"] for entry in spent} == set(asked)
        for entry in spent:
            record = asked[entry["stage"]]
            assert (entry["run_id"], entry["model"]) == (manifest.run_id, "m")
            assert entry["requests"] == record.requests
            assert entry["prompt_tokens"] == record.prompt_tokens
            assert entry["cost"] == pytest.approx(record.cost)


class TestPrune:
    def test_without_a_condition_says_which_there_are(self, folder: Path) -> None:
        done = mminstruct("replies", "prune", "replies", "--yes", cwd=folder)
        assert done.returncode == 2 and "--model, --older-than or --keep" in done.stderr

    def test_deletes_only_with_yes_and_what_is_gone_is_asked_again(self, folder: Path, server: LlmServer) -> None:
        before = stats(folder)
        first = mminstruct("replies", "prune", "replies", "--model", "m", cwd=folder)
        assert first.stdout == f"Would delete {before['replies']} of m. With --yes they are deleted.\n"
        assert stats(folder) == before
        second = mminstruct("replies", "prune", "replies", "--model", "m", "--yes", cwd=folder)
        assert second.stdout.startswith(f"Deleted {before['replies']} replies: ")
        after = stats(folder)
        assert after["replies"] == 0 and after["spent"] == before["spent"]
        n_requests = len(server.requests)
        assert mminstruct("run", "config.yaml", "--from", "augment", "--until", "augment", cwd=folder).returncode == 0
        assert len(server.requests) > n_requests

    def test_by_age(self, folder: Path) -> None:
        done = mminstruct("replies", "prune", "replies", "--older-than", "1", cwd=folder)
        assert done.stdout == "Would delete nothing.\n"
        done = mminstruct("replies", "prune", "replies", "--older-than", "0", "--yes", cwd=folder)
        assert done.stdout.startswith("Deleted ") and stats(folder)["replies"] == 0

    def test_what_a_kept_run_names_is_not_asked_again(self, folder: Path, server: LlmServer) -> None:
        more = ("run", "config.yaml", "--run-dir", "more", "--until", "augment", "-o", "augment.n_instructions=60")
        assert mminstruct(*more, cwd=folder).returncode == 0
        done = mminstruct("replies", "prune", "replies", "--keep", "run", "--yes", cwd=folder)
        assert done.returncode == 0, done.stderr
        assert "replies of this store are named there and stay." in done.stdout and "Deleted 0" not in done.stdout
        n_requests = len(server.requests)
        assert mminstruct("run", "config.yaml", "--from", "augment", cwd=folder).returncode == 0
        assert len(server.requests) == n_requests

    def test_keeps_nothing_by_a_run_that_is_not_finished(self, folder: Path) -> None:
        run = Folder(str(folder / "run"))
        manifest = read_manifest(run)
        manifest.stages["answer"].status = "running"
        write_manifest(run, manifest)
        before = stats(folder)
        done = mminstruct("replies", "prune", "replies", "--keep", "run", "--yes", cwd=folder)
        assert done.returncode == 2 and "Stage answer of the run run is not finished" in done.stderr
        assert stats(folder) == before

    def test_keeps_nothing_by_a_folder_that_is_no_run(self, folder: Path) -> None:
        done = mminstruct("replies", "prune", "replies", "--keep", "images", "--yes", cwd=folder)
        assert done.returncode == 2 and "images is not a run folder" in done.stderr


class TestExport:
    def test_to_stdout_and_to_a_file(self, finished: Path, tmp_path: Path) -> None:
        lines = mminstruct("replies", "export", "replies", cwd=finished).stdout
        done = mminstruct("replies", "export", "replies", "--out", str(tmp_path / "out.jsonl"), cwd=finished)
        n_replies = stats(finished)["replies"]
        assert done.stdout == f"Wrote {n_replies} replies to {tmp_path / 'out.jsonl'}.\n"
        assert (tmp_path / "out.jsonl").read_text() == lines
        read = [json.loads(line) for line in lines.splitlines()]
        assert len(read) == n_replies and all(line["request"]["model"] == "m" for line in read)

    def test_of_one_model(self, finished: Path) -> None:
        done = mminstruct("replies", "export", "replies", "--model", "none", cwd=finished)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    @pytest.mark.parametrize(("reader", "read"), [("head -c 10", '{"request_'), ("true", "")])
    def test_into_a_pipe_that_is_closed_early(self, finished: Path, reader: str, read: str) -> None:
        command = f"{shlex.quote(sys.executable)} -m mminstruct replies export replies | {reader}"
        done = subprocess.run(["sh", "-c", command], cwd=finished, capture_output=True, text=True, check=False)
        assert (done.stdout, done.stderr) == (read, "")

    def test_writes_over_no_file_and_leaves_no_half_one(self, finished: Path, tmp_path: Path) -> None:
        (tmp_path / "mine").write_text("mine")
        done = mminstruct("replies", "export", "replies", "--out", str(tmp_path / "mine"), cwd=finished)
        assert done.returncode == 1 and "mine is there already" in done.stderr
        done = mminstruct("replies", "export", "none", "--out", str(tmp_path / "out"), cwd=finished)
        assert done.returncode == 2 and "There is no reply store" in done.stderr
        done = mminstruct("replies", "export", "replies", "--out", str(tmp_path / "none" / "out"), cwd=finished)
        assert done.returncode == 1 and "cannot be written" in done.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["mine"]


class TestRecover:
    def test_saves_what_is_readable(self, folder: Path) -> None:
        path = folder / "replies" / "replies.sqlite"
        data = path.read_bytes()
        n_replies = stats(folder)["replies"]
        middle = len(data) // 2 // 4096 * 4096
        path.write_bytes(data[:middle] + b"\xa5" * 8192 + data[middle + 8192 :])
        wrong = mminstruct("replies", "stats", "replies", cwd=folder)
        assert wrong.returncode == 2 and "save what can still be read with `mminstruct replies recover`" in wrong.stderr
        done = mminstruct("replies", "recover", "replies", "--out", "new", cwd=folder)
        assert done.returncode == 0, done.stderr
        (folder / "replies").rename(folder / "damaged")
        (folder / "new").rename(folder / "replies")
        n_saved = stats(folder)["replies"]
        assert isinstance(n_saved, int) and isinstance(n_replies, int) and 0 < n_saved < n_replies
        assert done.stdout == f"Saved {n_saved} replies in new.\n"


@pytest.mark.parametrize(
    "arguments", [["stats"], ["prune", "--model", "m", "--yes"], ["export"], ["recover", "--out", "new"]]
)
def test_where_no_store_is_none_is_made(arguments: list[str], tmp_path: Path) -> None:
    command, *options = arguments
    done = mminstruct("replies", command, "replies", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("mminstruct: There is no reply store: replies/replies.sqlite is missing.")
    assert list(tmp_path.iterdir()) == []
