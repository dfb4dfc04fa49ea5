"""The leaderboard's figures are those of `bench report`, kept until a file changes."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict
from typing import Any

import pytest

from mminstruct.bench.folder import Benchmark, load_benchmark
from mminstruct.bench.report.contents import Report
from mminstruct.bench.report.summary import summarize
from mminstruct.bench.report.writing import write_report
from support.explorer_api import Api
from support.judged_benchmark import MODELS, judge_at_random
from support.patience import PATIENCE_S, wait_for

pytest.importorskip("evalica")
pytest.importorskip("starlette")
from mminstruct.web.explore.bench import leaderboard
from mminstruct.web.explore.bench.explorer import BenchExplorer


def ready(api: Api) -> Any:
    """Ask until the figures are there, as the page does."""
    while (found := api.get("/api/leaderboard"))["state"] == "computing":
        time.sleep(0.05)
    return found


class TestFigures:
    def test_are_those_of_the_report(self, api: Api, benchmark: Benchmark) -> None:
        write_report(load_benchmark(benchmark.path))
        report = json.loads((benchmark.path / "report.json").read_text())
        assert ready(api)["report"] == report

    def test_the_matrix_is_the_reports_pairs_seen_from_both_sides(self, api: Api) -> None:
        found = ready(api)
        matrix = found["matrices"]["careful"]
        assert set(matrix["models"]) == set(MODELS)
        for pair in (pair for pair in found["report"]["pairs"] if pair["judge"] == "careful"):
            row, column = (matrix["models"].index(pair[name]) for name in ("model_a", "model_b"))
            assert matrix["rows"][row][column]["win_rate"] == pair["win_rate"]
            assert matrix["rows"][column][row]["win_rate"] == pytest.approx(1 - pair["win_rate"])
            assert matrix["rows"][row][row] is None

    def test_follow_the_files(self, api: Api, benchmark: Benchmark) -> None:
        assert [each["judge"] for each in ready(api)["report"]["judges"]] == ["careful", "hasty"]
        judge_at_random(benchmark, "third", MODELS, first_bias=0.0, n_unread=0, seed=3)
        assert [each["judge"] for each in ready(api)["report"]["judges"]] == ["careful", "hasty", "third"]

    def test_without_judgments_there_are_models(self, api: Api, benchmark: Benchmark) -> None:
        for part in (benchmark.path / "judgments").iterdir():
            part.unlink()
        found = ready(api)
        assert found["report"]["judges"] == []
        assert len(found["report"]["models"]) == 3

    def test_a_broken_file_is_told_and_its_repair_seen(self, api: Api, benchmark: Benchmark) -> None:
        ready(api)
        file = benchmark.answers_file(MODELS[0])
        sound = file.read_text()
        file.write_text(sound + "{broken\n")
        status, told = api.ask("GET", "/api/leaderboard")
        assert status == 422
        assert f"{MODELS[0]}.jsonl, line 7" in told["error"]
        file.write_text(sound)
        assert ready(api)["state"] == "ready"


class TestSummary:
    @pytest.fixture
    def calls(self, monkeypatch: pytest.MonkeyPatch) -> list[threading.Event]:
        """Let each computation wait for an event of its own."""
        calls: list[threading.Event] = []

        def slow(data: Any) -> Report:
            calls.append(threading.Event())
            assert calls[-1].wait(PATIENCE_S)
            return summarize(data)

        monkeypatch.setattr(leaderboard, "summarize", slow)
        return calls

    def test_one_computation_serves_all_who_ask(self, benchmark: Benchmark, calls: list[threading.Event]) -> None:
        summary = leaderboard.Summary(BenchExplorer(benchmark.path))
        assert summary.newest(0.0) == (None, False)
        assert summary.newest(0.0) == (None, False)
        wait_for(lambda: len(calls) == 1)
        calls[0].set()
        report, is_current = summary.newest(PATIENCE_S)
        assert is_current
        assert report is summary.newest(0.0)[0]
        assert len(calls) == 1

    def test_the_old_figures_stay_until_the_new_are_there(
        self, benchmark: Benchmark, calls: list[threading.Event]
    ) -> None:
        summary = leaderboard.Summary(BenchExplorer(benchmark.path))
        summary.newest(0.0)
        wait_for(lambda: len(calls) == 1)
        calls[0].set()
        old, _ = summary.newest(PATIENCE_S)
        judge_at_random(benchmark, "third", MODELS, first_bias=0.0, n_unread=0, seed=3)
        assert summary.newest(0.0) == (old, False)
        wait_for(lambda: len(calls) == 2)
        calls[1].set()
        new, is_current = summary.newest(PATIENCE_S)
        assert is_current
        assert new is not None
        assert old is not None
        assert len(new.judges) == len(old.judges) + 1
        assert asdict(new) != asdict(old)
