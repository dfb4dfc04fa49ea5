"""The live view's API on a run that really goes on, ends, is stopped or killed; its figures from made-up progress."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")

from mminstruct.pipeline.lock import locked
from mminstruct.pipeline.progress_file import DONE
from mminstruct.web.explore.library import RunExplorer
from mminstruct.web.explore.live import look
from support.going_run import GoingRun, going_run
from support.refusing_run import make_refusing_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_refusing_run(tmp_path_factory.mktemp("live"))


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def seen(run: Path) -> dict[str, Any]:
    explorer = RunExplorer(str(run))
    try:
        return json.loads(json.dumps(look(explorer)))  # type: ignore[no-any-return]
    finally:
        explorer.close()


def stage(found: dict[str, Any], name: str) -> Any:
    return next(line for line in found["stages"] if line["stage"] == name)


def change_manifest(run: Path, name: str, status: str) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["stages"][name]["status"] = status
    (run / "manifest.json").write_text(json.dumps(manifest))


def tell(run: Path, **progress: Any) -> None:
    (run / "progress.json").write_text(json.dumps(progress))


class TestAFinishedRun:
    def test_it_says_what_each_stage_did(self, run: Path) -> None:
        found = seen(run)
        assert (found["running"], found["state"], found["rates"]) == (False, "done", None)
        names = [line["stage"] for line in found["stages"]]
        assert names == ["images", "augment", "summarize", "match", "exemplars", "answer", "filter", "split"]
        answer = stage(found, "answer")
        assert (answer["status"], answer["n_rows"], answer["n_done"], answer["n_out"]) == ("done", 48, 48, 48)
        assert answer["model"] == "m"

    def test_what_was_paid_is_the_ledger_s(self, run: Path) -> None:
        found = seen(run)
        assert [(line["stage"], line["model"]) for line in found["cost"]] == [
            ("augment", "m"), ("summarize", "m"), ("exemplars", "m"), ("answer", "m"),
        ]  # fmt: skip
        assert found["cost"][-1]["requests"] == 48 and found["cost"][-1]["cost"] is None  # no price is known

    def test_without_a_store_the_manifest_tells_it(self, run: Path) -> None:
        config = (run / "config.yaml").read_text()
        before = seen(run)["cost"]
        (run / "config.yaml").write_text(config.replace("replies: ", "replies: /nowhere"))
        assert seen(run)["cost"] == before

    def test_rejects_by_reason_and_the_newest_rows(self, run: Path) -> None:
        found = seen(run)
        counts = {(line["stage"], line["reason"]): line["n"] for line in found["rejects"]}
        assert counts["filter", "refusal"] > 3 and counts["exemplars", "refusal"] > 0
        assert len(found["newest"]) == 8 and all(item["status"] != "rejected" for item in found["newest"])
        assert {item["status"] for item in found["newest_rejects"]} == {"rejected"}
        assert all(item["known"] for item in found["newest"])


class TestARunThatDoesNotGoOn:
    def test_killed(self, run: Path) -> None:
        change_manifest(run, "answer", "running")
        tell(run, stage="answer", n_rows=48, n_done=7, ended="", points=[])
        found = seen(run)
        assert found["state"] == "died"
        assert stage(found, "answer")["status"] == "unfinished"

    def test_stopped_with_a_word(self, run: Path) -> None:
        change_manifest(run, "answer", "running")
        tell(run, stage="answer", ended="The budget is used up.")
        found = seen(run)
        assert (found["state"], found["why"]) == ("stopped", "The budget is used up.")

    def test_until_a_stage(self, run: Path) -> None:
        change_manifest(run, "split", "stale")
        tell(run, stage="filter", ended=DONE)
        assert (seen(run)["state"], seen(run)["why"]) == ("stopped", "")

    def test_an_older_run_without_the_file(self, run: Path) -> None:
        change_manifest(run, "answer", "running")
        (run / "progress.json").unlink()
        assert seen(run)["state"] == "stopped"

    def test_not_begun(self, run: Path) -> None:
        (run / "manifest.json").unlink()
        (run / "progress.json").unlink()
        found = seen(run)
        assert found["state"] == "new"
        assert {line["status"] for line in found["stages"]} == {"waiting"}


class TestRates:
    def test_now_mean_and_what_is_left(self, run: Path) -> None:
        now = time.time()
        points = [(now - 100, 10, 0), (now - 40, 130, 600), (now - 10, 190, 900), (now, 250, 1200)]
        usage = {"requests": 240, "cached": 5, "retries": 0, "prompt_tokens": 9, "completion_tokens": 1200}
        tell(run, stage="answer", n_rows=490, n_done=250, n_done_before=10, started_at=now - 100, points=points,
             usage=usage)  # fmt: skip
        with locked(str(run)):
            found = seen(run)
        rates = found["rates"]
        assert rates["rows_now"] == pytest.approx(4, rel=0.1)  # 120 rows since the last point before half a minute
        assert rates["rows_mean"] == pytest.approx(2.4, rel=0.1)
        assert rates["tokens_now"] == pytest.approx(20, rel=0.1)
        assert rates["remaining_s"] == pytest.approx(60, rel=0.1)
        line = stage(found, "answer")
        assert (line["status"], line["n_rows"], line["n_done"], line["cached"]) == ("running", 490, 250, 5)

    def test_silence_brings_the_rate_down(self, run: Path) -> None:
        now = time.time()
        points = [(now - 300, 0, 0), (now - 200, 100, 0)]
        tell(run, stage="answer", n_rows=200, n_done=100, started_at=now - 300, points=points)
        with locked(str(run)):
            rates = seen(run)["rates"]
        assert rates["rows_now"] == 0
        assert rates["remaining_s"] == pytest.approx(300, rel=0.1)  # by the mean

    def test_a_session_that_has_only_begun_is_not_told_by_the_last_one(self, run: Path) -> None:
        tell(run, stage="answer", n_rows=200, n_done=100, ended=DONE, points=[])
        with locked(str(run)):
            found = seen(run)
        assert found["running"] and found["rates"] is None


def answering(run: GoingRun) -> dict[str, Any]:
    """Return what is seen once some answers have come."""
    run.wait_for(lambda: (run.folder / "06_answers").exists() or _n_answers(run) > 2)
    return seen(run.folder)


def _n_answers(run: GoingRun) -> int:
    file = run.folder / "progress.json"
    told = json.loads(file.read_text()) if file.exists() else {}
    return int(told["n_done"]) if told.get("stage") == "answer" else 0


def test_a_run_that_goes_on_is_killed_and_goes_on(tmp_path: Path) -> None:
    with going_run(tmp_path) as run:
        found = answering(run)
        assert (found["running"], found["state"]) == (True, "running")
        assert found["rates"]["stage"] == "answer" and found["rates"]["rows_mean"] > 0
        newest = found["newest"][0]
        assert newest["answer"] and newest["instruction"] and newest["image_id"]
        assert (newest["status"], newest["known"]) == ("waiting", False)  # its part is not on disk yet
        (paid,) = [line for line in found["cost"] if line["stage"] == "answer"]
        assert paid["requests"] > 0 and paid["cost"] > 0
        run.kill()
        assert seen(run.folder)["state"] == "died"
