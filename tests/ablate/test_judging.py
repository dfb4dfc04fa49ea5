"""Tiny real models at a benchmark, and a judge behind a real HTTP server: answers, win rates, doubts."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mminstruct.ablate.judging import WinRate, answer_questions, judge_answers
from mminstruct.bench.folder import Benchmark
from mminstruct.config.ablation import AblationConfig, Variant
from mminstruct.config.llm import LlmConfig
from mminstruct.pipeline.progress import Silent
from support.llm_server import Body, LlmServer
from support.questions import make_questions
from support.tiny_llava import save_tiny_llava

NAMES = ("full", "chance", "raw")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_llava(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def benchmark(tmp_path: Path) -> Benchmark:
    return make_questions(tmp_path / "benchmark")


@pytest.fixture
def server() -> Iterator[LlmServer]:
    with LlmServer(reply=longer_wins) as server:
        yield server


def config(tmp_path: Path, server: LlmServer | None = None, names: tuple[str, ...] = NAMES) -> AblationConfig:
    judge = None if server is None else LlmConfig(base_url=server.base_url, model="wise", max_tries=1)
    variants = tuple(Variant(name=name) for name in names)
    out = str(tmp_path / "out")
    return AblationConfig(run="r", out=out, recipe="r", variants=variants, max_answer_tokens=4, judge=judge, n_traps=1)


def longer_wins(body: Body) -> str:
    content = body["messages"][-1]["content"]
    text = content if isinstance(content, str) else content[-1]["text"]
    first, second = (re.findall(rf"<answer_{x}>\n(.*?)\n</answer_{x}>", text, re.DOTALL)[0] for x in "ab")
    letter = "A" if len(first) > len(second) else "B" if len(second) > len(first) else "C"
    return json.dumps({"reason": "length", "verdict": letter})


def always_a(body: Body) -> str:
    return json.dumps({"reason": "It comes first.", "verdict": "A"})


class TestAnswers:
    def answer(self, benchmark: Benchmark, model: Path, tmp_path: Path) -> Any:
        return answer_questions(benchmark, "full", model, "cpu", config(tmp_path), Silent())

    def test_a_model_answers_every_question_once(self, benchmark: Benchmark, model: Path, tmp_path: Path) -> None:
        assert self.answer(benchmark, model, tmp_path).n_new == 6
        again = self.answer(benchmark, model, tmp_path)
        assert (again.n_before, again.n_new) == (6, 0)

    def test_a_model_that_was_trained_anew_answers_anew(
        self, benchmark: Benchmark, model: Path, tmp_path: Path
    ) -> None:
        self.answer(benchmark, model, tmp_path)
        anew = Path(shutil.copytree(model, tmp_path / "anew"))
        assert self.answer(benchmark, anew, tmp_path).n_new == 6


def judged(
    benchmark: Benchmark, tmp_path: Path, server: LlmServer, names: tuple[str, ...] = NAMES
) -> tuple[str, dict[str, WinRate], list[str]]:
    questions = benchmark.questions()
    return asyncio.run(
        judge_answers(benchmark, questions, config(tmp_path, server, names), tmp_path / "replies", Silent())
    )


@pytest.fixture
def answered(benchmark: Benchmark) -> Benchmark:
    """Return the benchmark with answers: `chance` says less than `full`, `raw` more."""
    for name, n_words in (("full", 6), ("chance", 3), ("raw", 9)):
        text = " ".join(["noise"] * n_words)
        rows = [{"question_id": row.question_id, "answer": f"{text} {row.image}"} for row in benchmark.questions()]
        benchmark.write_answers(name, rows)
    return benchmark


class TestJudge:
    def test_each_variant_is_compared_with_the_first_alone(
        self, answered: Benchmark, tmp_path: Path, server: LlmServer
    ) -> None:
        judge, rates, _ = judged(answered, tmp_path, server)
        assert judge == "wise" and set(rates) == {"chance", "raw"}
        assert (rates["chance"].value, rates["chance"].losses) == (0, 6)
        assert (rates["raw"].value, rates["raw"].wins) == (1, 6)
        assert rates["raw"].low is not None and 0 < rates["raw"].low < 1
        assert {frozenset((row.model_a, row.model_b)) for row in answered.judgments()} == {
            frozenset(("full", "chance")),
            frozenset(("full", "raw")),
        }

    def test_what_is_judged_is_not_asked_again(self, answered: Benchmark, tmp_path: Path, server: LlmServer) -> None:
        first = judged(answered, tmp_path, server)
        n_requests = len(server.requests)
        assert judged(answered, tmp_path, server) == first and len(server.requests) == n_requests

    def test_another_first_variant_turns_the_rates_round(
        self, answered: Benchmark, tmp_path: Path, server: LlmServer
    ) -> None:
        judged(answered, tmp_path, server, ("full", "raw"))
        _, rates, _ = judged(answered, tmp_path, server, ("raw", "full"))
        assert (rates["full"].value, rates["full"].wins, rates["full"].losses) == (0, 0, 6)
        assert rates["full"].low == 0 and rates["full"].high is not None and rates["full"].high < 1

    def test_a_judge_that_goes_by_position_is_warned_about(self, answered: Benchmark, tmp_path: Path) -> None:
        with LlmServer(reply=always_a) as server:
            _, rates, notes = judged(answered, tmp_path, server)
        assert rates["raw"] == WinRate(None, None, None, 0, 0, 0, 6)
        assert any("Do not trust the judge wise" in note and "flip" in note for note in notes)
