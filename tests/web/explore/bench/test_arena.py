"""The arena's API on a real server: names only after the vote, votes that last, and `bench calibrate` on them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mminstruct.bench.folder import Benchmark, load_benchmark
from mminstruct.bench.judging.verdicts import Verdict
from mminstruct.bench.trust.votes import load_votes
from support.explorer_api import Api
from support.judged_benchmark import MODELS

N_PAIRS = 6 * 3


def next_pair(api: Api, annotator: str = "anna") -> Any:
    return api.get("/api/arena/next", annotator=annotator)


def shown(state: Any, annotator: str = "anna") -> dict[str, str]:
    comparison = state["comparison"]
    return {"annotator": annotator, "question_id": comparison["question_id"], "token": comparison["token"]}


def vote(api: Api, choice: str, annotator: str = "anna") -> Any:
    return api.post("/api/arena/vote", **shown(next_pair(api, annotator), annotator), vote=choice)


class TestBlindness:
    def test_names_come_with_the_reply_to_the_vote_alone(self, api: Api, benchmark: Benchmark) -> None:
        state = next_pair(api)
        assert not any(model in json.dumps(state) for model in MODELS)
        answers = load_benchmark(benchmark.path).answers
        reply = api.post("/api/arena/vote", **shown(state), vote="left")
        for side in ("left", "right"):
            assert reply[side] in MODELS
            assert answers[reply[side]].by_question[state["comparison"]["question_id"]] == state["comparison"][side]
        after = next_pair(api)
        assert not any(model in json.dumps(after) for model in MODELS)

    def test_either_model_stands_on_the_left(self, api: Api) -> None:
        lefts = Counter()  # type: ignore[var-annotated]
        for _ in range(N_PAIRS):
            reply = vote(api, "tie")
            lefts[reply["left"] < reply["right"]] += 1
        assert min(lefts[True], lefts[False]) >= 2  # of 18 by lot: fewer once in 7,000 times

    def test_a_page_that_is_loaded_again_shows_the_same(self, api: Api) -> None:
        assert next_pair(api) == next_pair(api)


class TestVote:
    def test_is_what_calibrate_reads(self, api: Api, benchmark: Benchmark) -> None:
        replies = [
            vote(api, choice, name) for name in ("anna", "Zoë, 2nd") for choice in ("left", "right", "tie", "both_bad")
        ]
        votes = load_votes(load_benchmark(benchmark.path))
        assert (votes.n, votes.n_both_bad, votes.annotators) == (8, 2, {"anna", "Zoë, 2nd"})
        done = subprocess.run(
            [sys.executable, "-m", "mminstruct", "bench", "calibrate", str(benchmark.path), "--json"],
            capture_output=True,
            text=True,
            check=True,
        )
        told = json.loads(done.stdout)
        assert (told["votes"]["n_votes"], told["votes"]["n_annotators"]) == (8, 2)
        assert {each["judge"] for each in told["judges"]} == {"careful", "hasty"}
        assert all(judge["agreements"][0]["other"] == "human votes" for judge in told["judges"])
        assert [reply["progress"]["n_mine"] for reply in replies] == [1, 2, 3, 4] * 2

    @pytest.mark.parametrize(
        ("choice", "verdict"), [("left", Verdict.WIN), ("right", Verdict.LOSS), ("tie", Verdict.TIE)]
    )
    def test_counts_for_the_model_on_that_side(
        self, api: Api, benchmark: Benchmark, choice: str, verdict: Verdict
    ) -> None:
        reply = vote(api, choice)
        (comparison, name), said = next(iter(load_votes(load_benchmark(benchmark.path)).said.items()))
        assert name == "anna"
        assert said is (verdict if comparison[1] == reply["left"] else verdict.mirrored)

    def test_of_two_windows_the_first_stands(self, api: Api, benchmark: Benchmark) -> None:
        state = next_pair(api)
        first = api.post("/api/arena/vote", **shown(state), vote="left")
        assert api.post("/api/arena/vote", **shown(state), vote="left") == first
        status, told = api.ask("POST", "/api/arena/vote", {**shown(state), "vote": "right"})
        assert status == 409
        assert "has voted on these two answers already" in told["error"]
        assert load_votes(load_benchmark(benchmark.path)).n == 1

    def test_what_stands_in_another_file_is_not_asked_again(self, api: Api, benchmark: Benchmark) -> None:
        state = next_pair(api)
        reply = api.post("/api/arena/vote", **shown(state), vote="left")
        arena = benchmark.votes / "arena-anna.csv"
        arena.rename(benchmark.votes / "imported.csv")
        assert next_pair(api)["comparison"]["token"] != state["comparison"]["token"]
        status, _ = api.ask("POST", "/api/arena/vote", {**shown(state), "vote": "right"})
        assert status == 409
        assert not arena.exists()
        assert reply["saved"]

    def test_all_voted_leaves_nothing(self, api: Api) -> None:
        for _ in range(N_PAIRS):
            vote(api, "tie")
        state = next_pair(api)
        assert state["comparison"] is None
        assert state["progress"]["n_mine"] == state["progress"]["n_comparisons"] == N_PAIRS
        assert next_pair(api, "ben")["comparison"] is not None

    def test_answers_that_have_changed_cannot_be_voted_on(self, api: Api, benchmark: Benchmark) -> None:
        state = next_pair(api)
        for model in MODELS:
            rows = [{"question_id": f"q{number}", "answer": f"{model} has thought again."} for number in range(6)]
            benchmark.write_answers(model, rows)
        status, told = api.ask("POST", "/api/arena/vote", {**shown(state), "vote": "left"})
        assert status == 409
        assert "Nothing was kept" in told["error"]
        assert not benchmark.votes.exists()

    @pytest.mark.parametrize(
        "change",
        [
            {"annotator": "../../x\0"},
            {"annotator": ""},
            {"annotator": 7},
            {"vote": "up"},
            {"vote": None},
            {"token": 1},
            {"token": "00"},
            {"question_id": None},
            {"question_id": "nowhere"},
        ],
    )
    def test_what_makes_no_sense_is_refused_in_a_sentence(
        self, api: Api, benchmark: Benchmark, change: dict[str, Any]
    ) -> None:
        status, told = api.ask("POST", "/api/arena/vote", {**shown(next_pair(api)), "vote": "left", **change})
        assert status in (400, 409, 422)
        assert told["error"].endswith(".")
        assert not benchmark.votes.exists()

    def test_a_hostile_name_stays_in_the_folder(self, api: Api, benchmark: Benchmark) -> None:
        reply = vote(api, "left", "x/../../../escaped")
        assert reply["saved"]
        assert [file.parent for file in benchmark.path.parent.rglob("arena-*.csv")] == [benchmark.votes]

    def test_another_site_cannot_vote(self, api: Api, benchmark: Benchmark) -> None:
        state = next_pair(api)
        other = Api(api.address)
        other.address = "http://evil.example"
        status, _ = other.ask("POST", "/api/arena/vote", {**shown(state), "vote": "left"})
        assert status == 403
        assert not benchmark.votes.exists()

    def test_a_file_that_was_spoiled_is_told_and_left(self, api: Api, benchmark: Benchmark) -> None:
        vote(api, "left")
        file = benchmark.votes / "arena-anna.csv"
        spoiled = file.read_text() + "q1,x\n"
        file.write_text(spoiled)
        status, told = api.ask("GET", "/api/arena/next?annotator=anna")
        assert status == 422
        assert "arena-anna.csv, line 3" in told["error"]
        assert file.read_text() == spoiled
        assert api.get("/api/questions")["faults"]  # the questions can be looked at all the same


class TestSkip:
    def test_comes_again_when_nothing_else_is_left(self, api: Api) -> None:
        first = next_pair(api)
        after = api.post("/api/arena/skip", **shown(first))
        assert after["comparison"]["token"] != first["comparison"]["token"]
        for _ in range(N_PAIRS - 1):
            vote(api, "tie")
        assert next_pair(api)["comparison"] == first["comparison"]

    def test_is_the_annotators_own(self, api: Api) -> None:
        theirs = next_pair(api, "ben")
        api.post("/api/arena/skip", **shown(next_pair(api)))
        assert next_pair(api, "ben") == theirs


class TestUndo:
    def test_shows_the_pair_again_as_it_stood(self, api: Api, benchmark: Benchmark) -> None:
        state = next_pair(api)
        vote(api, "left")
        receipt = next_pair(api)["last"]["receipt"]  # after a reload, too
        undone = api.post("/api/arena/undo", annotator="anna", receipt=receipt)
        assert undone["comparison"] == state["comparison"]
        assert undone["progress"]["n_mine"] == 0
        assert undone["last"] is None
        assert load_votes(load_benchmark(benchmark.path)).n == 0
        reply = api.post("/api/arena/vote", **shown(undone), vote="right")
        assert reply["vote"] == "right"

    def test_goes_back_vote_by_vote(self, api: Api) -> None:
        receipts = [vote(api, "left")["receipt"] for _ in range(3)]
        for receipt in reversed(receipts):
            assert next_pair(api)["last"]["receipt"] == receipt
            api.post("/api/arena/undo", annotator="anna", receipt=receipt)
        assert next_pair(api)["progress"]["n_mine"] == 0

    def test_twice_is_refused(self, api: Api) -> None:
        receipt = vote(api, "left")["receipt"]
        api.post("/api/arena/undo", annotator="anna", receipt=receipt)
        status, told = api.ask("POST", "/api/arena/undo", {"annotator": "anna", "receipt": receipt})
        assert status == 409
        assert "another window" in told["error"]


def test_a_folder_that_cannot_be_written_is_told(api: Api, benchmark: Benchmark) -> None:
    state = next_pair(api)
    benchmark.votes.write_text("a file in the way")
    status, told = api.ask("POST", "/api/arena/vote", {**shown(state), "vote": "left"})
    assert status == 403
    assert "Votes cannot be kept in" in told["error"]


def test_votes_of_other_programs_appear_without_a_restart(api: Api, benchmark: Benchmark) -> None:
    assert next_pair(api)["progress"]["n_votes"] == 0
    benchmark.votes.mkdir()
    line = f"q3,{MODELS[0]},{MODELS[1]},a,ben"
    Path(benchmark.votes / "ben.csv").write_text(f"question_id,model_a,model_b,vote,annotator\n{line}\n")
    assert next_pair(api)["progress"]["n_votes"] == 1
