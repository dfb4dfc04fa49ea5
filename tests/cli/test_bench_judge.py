"""`mminstruct bench judge` as a user runs it: what it says, mistakes, a kill in mid-run, the embedded model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mminstruct.bench.folder import Benchmark
from support.llm_server import Body, LlmServer
from support.patience import PATIENCE_S
from support.questions import make_questions

N_QUESTIONS = 12
MODELS = ("one", "three", "two")


@pytest.fixture
def folder(tmp_path: Path) -> Benchmark:
    benchmark = make_questions(tmp_path / "bench", N_QUESTIONS)
    for number, model in enumerate(MODELS):
        text = "A word about noise, which is all that there is. " * (number + 1)
        rows = ({"question_id": f"q{each}", "answer": f"{model}, {each}: {text}"} for each in range(N_QUESTIONS))
        benchmark.write_answers(model, rows)
    return benchmark


def start(folder: Benchmark, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mminstruct", "bench", "judge", str(folder.path), *options]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def judge(folder: Benchmark, *options: str, code: int = 0) -> tuple[str, str]:
    process = start(folder, *options)
    out, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, told
    return out, told


def always_b(body: Body) -> str:
    return json.dumps({"reason": "It comes last.", "verdict": "B"})


def test_says_what_it_did_and_what_is_next(folder: Benchmark) -> None:
    with LlmServer(reply=always_b) as server:
        out, _ = judge(folder, "--model", "wise", "--base-url", server.base_url, "--traps", "1")
    assert f"wise on 3 pairs of models: {3 * N_QUESTIONS * 2} comparisons asked, 0 judged before" in out
    assert "comparisons of trap pairs asked" in out
    assert f"mminstruct bench report {folder.path}" in out


def test_a_dry_run_asks_nothing(folder: Benchmark) -> None:
    out, _ = judge(folder, "--model", "wise", "--base-url", "http://127.0.0.1:9/v1", "--against", "two", "--dry-run")
    assert f"wise on 2 pairs of models: {2 * N_QUESTIONS * 2} comparisons to ask" in out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--against", "four"), "no answers of 'four' to compare with. It has those of: one, three, two."),
        (("--against", "one", "--all-pairs"), "Give --against or --all-pairs, not both."),
        (("--model", "wise"), "--model wise without --base-url"),
        (("--prompt", "absent.j2"), "absent.j2: the prompt template of judge cannot be read"),
    ],
)
def test_mistakes_are_one_paragraph_and_status_2(folder: Benchmark, options: tuple[str, ...], expected: str) -> None:
    _, told = judge(folder, *options, "--dry-run", code=2)
    assert expected in " ".join(told.split())
    assert "Traceback" not in told


def test_a_folder_that_is_no_benchmark_is_named(tmp_path: Path) -> None:
    _, told = judge(Benchmark(tmp_path), code=2)
    assert f"{tmp_path} is no benchmark: it has no questions.jsonl" in told


def test_one_model_alone_cannot_be_compared(folder: Benchmark) -> None:
    for model in MODELS[1:]:
        folder.answers_file(model).unlink()
    _, told = judge(folder, "--dry-run", code=2)
    assert "has answers of 1 model (one); expected two or more" in told


def test_a_kill_loses_no_reply(folder: Benchmark) -> None:
    with LlmServer(latency_s=0.05, reply=always_b) as server:
        options = ("--model", "wise", "--base-url", server.base_url, "--traps", "0", "-o", "concurrency=4")
        process = start(folder, *options)
        while len(server.requests) < 20 and process.poll() is None:
            time.sleep(0.01)
        process.kill()
        process.communicate()
        n_before = len(server.received)
        assert 20 <= n_before < 3 * N_QUESTIONS * 2, "killed in mid-run"
        judge(folder, *options)
        n_again = len(server.received) - 3 * N_QUESTIONS * 2
    assert 0 <= n_again <= 4  # no more than were in flight
    assert len(folder.judgments()) == 3 * N_QUESTIONS * 2


@pytest.mark.embedded
def test_the_embedded_model_judges_by_captions(tmp_path: Path) -> None:
    benchmark = make_questions(tmp_path / "bench", 2)
    for model in ("one", "two"):
        rows = ({"question_id": f"q{each}", "answer": f"Noise, says {model}."} for each in range(2))
        benchmark.write_answers(model, rows)
    out, _ = judge(benchmark, "--traps", "0")
    assert "SmolLM2-135M-Instruct on 1 pair of models: 4 comparisons asked" in out
    assert {row.letter for row in benchmark.judgments()} <= {"A", "B", "C"}
    assert {row.sees for row in benchmark.judgments()} == {"caption"}
