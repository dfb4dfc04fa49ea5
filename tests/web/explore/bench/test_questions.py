"""Finding questions, and one question's whole story, on a real server."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from mminstruct.bench.folder import Benchmark, load_benchmark
from mminstruct.bench.judging.outcomes import PairOutcomes, pair_outcomes
from mminstruct.bench.judging.verdicts import Verdict
from mminstruct.bench.rows import Judgment
from support.explorer_api import Api
from support.judged_benchmark import INJECTION, MODELS

HERON, PLOVER, SPARROW = MODELS


def outcomes_of(benchmark: Benchmark) -> list[PairOutcomes]:
    data = load_benchmark(benchmark.path)
    return pair_outcomes(data.questions, data.answers, data.folder.judgments())


def ids(found: Any) -> list[str]:
    return [question["question_id"] for question in found["questions"]]


def with_verdict(benchmark: Benchmark, verdict: Verdict, judge: str, model: str, against: str) -> list[str]:
    """Return the ids of the questions with a verdict, from the outcomes themselves."""
    found = []
    for pair in outcomes_of(benchmark):
        if pair.judge != judge or set(pair.pair) != {model, against}:
            continue
        wanted = verdict if pair.pair[0] == model else verdict.mirrored
        found += [outcome.question.question_id for outcome in pair.of(wanted)]
    return found


class TestFilters:
    def test_without_any_all_stand_in_order(self, api: Api) -> None:
        found = api.get("/api/questions")
        assert found["total"] == 6
        assert ids(found) == [f"q{number}" for number in range(6)]
        assert found["models"] == sorted(MODELS)

    def test_words_are_looked_for_everywhere(self, api: Api) -> None:
        assert ids(api.get("/api/questions", q="CAPTION 3")) == ["q3"]  # of the caption
        assert ids(api.get("/api/questions", q='"write a poem"')) == ["q0", "q1"]  # of the instruction
        assert ids(api.get("/api/questions", q="onerror")) == ["q0"]  # of an answer
        assert ids(api.get("/api/questions", q='"poem a write"')) == []

    def test_category_and_instruction(self, api: Api) -> None:
        found = api.get("/api/questions", category="poems")
        assert ids(found) == ["q0", "q2", "q4"]
        instruction = next(each for each in found["facets"]["instruction"] if each["label"].startswith("Plan"))
        assert instruction["n"] == 1
        assert ids(api.get("/api/questions", category="poems", instruction=instruction["value"])) == ["q2"]

    @pytest.mark.parametrize("verdict", [Verdict.WIN, Verdict.LOSS, Verdict.TIE, Verdict.INCONSISTENT])
    @pytest.mark.parametrize("judge", ["careful", "hasty"])
    def test_verdicts_of_a_pair(self, api: Api, benchmark: Benchmark, judge: str, verdict: Verdict) -> None:
        for model, against in ((HERON, SPARROW), (SPARROW, HERON)):
            found = api.get("/api/questions", model=model, against=against, judge=judge, verdict=verdict.value)
            assert ids(found) == with_verdict(benchmark, verdict, judge, model, against)

    def test_unread_ones(self, api: Api, benchmark: Benchmark) -> None:
        found = api.get("/api/questions", verdict="unreadable")
        unread = [each.question.question_id for pair in outcomes_of(benchmark) for each in pair.of(Verdict.UNREADABLE)]
        assert ids(found) == sorted(set(unread))
        assert unread

    def test_where_judges_disagree(self, api: Api, benchmark: Benchmark) -> None:
        said: dict[tuple[str, frozenset[str]], set[Verdict]] = defaultdict(set)
        for pair in outcomes_of(benchmark):
            for outcome in pair.of(Verdict.WIN, Verdict.LOSS):
                assert outcome.verdict is not None
                said[outcome.question.question_id, frozenset(pair.pair)].add(outcome.verdict)
        expected = sorted({question_id for (question_id, _), verdicts in said.items() if len(verdicts) == 2})
        assert expected
        assert ids(api.get("/api/questions", disagreement="judges")) == expected

    def test_where_a_judge_disagrees_with_people(self, api: Api, benchmark: Benchmark) -> None:
        assert api.get("/api/questions", disagreement="people")["total"] == 0
        lost = with_verdict(benchmark, Verdict.LOSS, "careful", SPARROW, HERON)[0]
        benchmark.votes.mkdir()
        lines = f"question_id,model_a,model_b,vote\n{lost},{SPARROW},{HERON},a\n"
        (benchmark.votes / "ben.csv").write_text(lines)
        assert ids(api.get("/api/questions", disagreement="people", judge="careful")) == [lost]

    def test_a_facet_is_counted_without_its_own_filter(self, api: Api) -> None:
        for name in ("category", "judge", "verdict"):
            facets = api.get("/api/questions", model=HERON)["facets"][name]
            chosen = facets[0]["value"]
            again = api.get("/api/questions", **{"model": HERON, name: chosen})
            assert again["facets"][name] == facets
            assert again["total"] == facets[0]["n"]

    def test_pages(self, api: Api) -> None:
        found = api.get("/api/questions", size="4", page="1")
        assert (found["total"], ids(found)) == (6, ["q4", "q5"])

    @pytest.mark.parametrize("query", ["verdict=perhaps", "page=-1", "page=x", "size=1e9"])
    def test_nonsense_is_refused(self, api: Api, query: str) -> None:
        status, told = api.ask("GET", f"/api/questions?{query}")
        assert status == 400
        assert told["error"].endswith(".")


class TestOneQuestion:
    def test_both_orders_of_each_judgment_with_full_replies(self, api: Api, benchmark: Benchmark) -> None:
        story = api.get("/api/questions/q3")
        replies = [row for row in benchmark.judgments() if row.question_id == "q3"]
        assert sum(len(contest["orders"]) for contest in story["contests"]) == len(replies) == 12
        for contest in story["contests"]:
            first, second = contest["orders"]
            assert (first["first"], second["first"]) == (contest["model_a"], contest["model_b"])
            for order in (first, second):
                row = next(
                    r
                    for r in replies
                    if r.judge == contest["judge"] and r.model_a == order["first"] and r.model_b == order["second"]
                )
                assert order["reply"] == row.reply
                says = {"A": row.model_a, "B": row.model_b, "C": "neither", None: None}
                assert order["says"] == says[row.letter]

    def test_answers_come_as_text(self, api: Api) -> None:
        story = api.get("/api/questions/q0")
        assert all(answer["text"].startswith(INJECTION) for answer in story["answers"])

    def test_replies_that_do_not_count_say_why(self, api: Api, benchmark: Benchmark) -> None:
        benchmark.add_judgments(
            [
                Judgment("careful", "q3", HERON, PLOVER, "A again", "A", sample=1),
                Judgment("careful", "q3", HERON, PLOVER, "of old", "A", answers_id="other"),
            ]
        )
        contests = api.get("/api/questions/q3")["contests"]
        contest = next(each for each in contests if each["judge"] == "careful" and each["model_b"] == PLOVER)
        assert [(each["reply"], each["why"]) for each in contest["others"]] == [
            ("A again", "repeat"),
            ("of old", "changed"),
        ]

    def test_an_empty_answer_is_settled_without_a_judge(self, api: Api, benchmark: Benchmark) -> None:
        rows = [{"question_id": f"q{n}", "answer": "" if n == 3 else "A dog."} for n in range(6)]
        benchmark.write_answers(SPARROW, rows)
        contests = [
            each for each in api.get("/api/questions/q3")["contests"] if SPARROW in (each["model_a"], each["model_b"])
        ]
        assert {(each["by_rule"], each["verdict"]) for each in contests} == {(True, "win")}

    def test_its_place_among_those_that_fit(self, api: Api) -> None:
        place = api.get("/api/questions/q2", category="poems")["place"]
        assert place == {"n": 2, "total": 3, "before": "q0", "after": "q4"}
        assert api.get("/api/questions/q1", category="poems")["place"]["n"] is None

    def test_half_a_surrogate_pair_comes_through(self, api: Api, benchmark: Benchmark) -> None:
        rows = [{"question_id": f"q{n}", "answer": "\ud83d dog"} for n in range(6)]
        benchmark.write_answers(HERON, rows)
        answer = next(each for each in api.get("/api/questions/q3")["answers"] if each["model"] == HERON)
        assert answer["text"] == "\ud83d dog"

    def test_none_such(self, api: Api) -> None:
        status, told = api.ask("GET", "/api/questions/q99")
        assert status == 404
        assert "q99" in told["error"]


class TestPictures:
    @pytest.mark.parametrize(("kind", "most"), [("thumb", 320), ("picture", 2048)])
    def test_are_made_anew_as_webp(self, api: Api, kind: str, most: int) -> None:
        status, media, content = api.fetch("GET", f"/{kind}/q0")
        assert (status, media, content[8:12]) == (200, "image/webp", b"WEBP")

    @pytest.mark.parametrize(
        ("question", "status", "why"), [("q1", 404, "is not in the benchmark"), ("q2", 422, "cut short")]
    )
    def test_what_cannot_be_shown_says_why(self, api: Api, question: str, status: int, why: str) -> None:
        found, told = api.ask("GET", f"/thumb/{question}")
        assert found == status
        assert why in told["error"]

    @pytest.mark.parametrize("path", ["q99", "../questions.jsonl", "%2e%2e%2fquestions.jsonl", "/etc/passwd", "q0%00"])
    def test_no_path_of_a_request_is_read(self, api: Api, path: str) -> None:
        status, _ = api.ask("GET", f"/picture/{path}")
        assert status == 404

    def test_a_file_that_is_replaced_is_shown_anew(self, api: Api, benchmark: Benchmark) -> None:
        before = api.fetch("GET", "/thumb/q0")[2]
        (benchmark.images / "0.png").write_bytes((benchmark.images / "3.png").read_bytes())
        assert api.fetch("GET", "/thumb/q0")[2] == api.fetch("GET", "/thumb/q3")[2] != before
