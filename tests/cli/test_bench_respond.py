"""`mminstruct bench respond` as a user runs it: an endpoint, a checkpoint, the embedded model; stopped and resumed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mminstruct.bench.folder import Benchmark
from mminstruct.cli import cli
from mminstruct.cli.bench import respond as _command  # noqa: F401 - joins `cli`
from mminstruct.errors import MMInstructError
from support.llm_server import LlmServer, status
from support.patience import PATIENCE_S, wait_for
from support.questions import make_questions
from support.tiny_llava import save_tiny_idefics, save_tiny_llava

N_QUESTIONS = 24
N_FEW = 8  # for models that really answer


@pytest.fixture
def server() -> Iterator[LlmServer]:
    with LlmServer() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Benchmark:
    return make_questions(tmp_path / "bench", N_QUESTIONS)


@pytest.fixture
def few(tmp_path: Path) -> Benchmark:
    return make_questions(tmp_path / "few", N_FEW)


@pytest.fixture
def slow_server() -> Iterator[LlmServer]:
    with LlmServer(latency_s=0.1) as server:
        yield server


def start(folder: Benchmark, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mminstruct", "bench", "respond", str(folder.path), *options]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def respond(folder: Benchmark, *options: str, code: int = 0) -> tuple[str, str]:
    """Return what the command printed, on both streams, once it has ended as expected."""
    process = start(folder, *options)
    out, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, told
    assert "Traceback" not in told
    return out, told


def endpoint(server: LlmServer, *options: str) -> tuple[str, ...]:
    return ("--model", "org/vlm", "--base-url", server.base_url, *options)


def answered(folder: Benchmark, name: str) -> list[str]:
    file = folder.answers_file(name)
    return [json.loads(line)["question_id"] for line in file.read_text().splitlines()] if file.exists() else []


class TestEndpoint:
    def test_from_the_first_call_to_the_last(self, folder: Benchmark, server: LlmServer) -> None:
        out, told = respond(folder, *endpoint(server, "--max-tokens", "40", "--max-side", "48"))
        assert out.splitlines() == [
            f"{N_QUESTIONS} of {N_QUESTIONS} questions answered.",
            f"Answers: {folder.answers_file('org__vlm')}",
        ]
        assert told.startswith(f"respond    {N_QUESTIONS} in, {N_QUESTIONS} out")
        assert answered(folder, "org__vlm") == [f"q{number}" for number in range(N_QUESTIONS)]
        out, told = respond(folder, *endpoint(server, "--max-tokens", "40", "--max-side", "48"))
        assert f"({N_QUESTIONS} before, nothing left to ask)" in out and "unchanged, skipped" in told
        assert len(server.received) == N_QUESTIONS
        out, told = respond(folder, *endpoint(server), code=2)
        assert "max_side: 48 then, 1024 now; max_tokens: 40 then, 1024 now" in told

    def test_a_key_and_any_setting_of_the_llm_section(
        self, folder: Benchmark, server: LlmServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("VLM_KEY", "secret")
        options = ("--api-key-env", "VLM_KEY", "-o", "concurrency=2", "-o", "parameters.seed=7", "--name", "seeded")
        respond(folder, *endpoint(server, *options))
        assert all(headers["Authorization"] == "Bearer secret" for headers in server.headers)
        assert server.most_in_flight <= 2 and all(body["seed"] == 7 for body in server.received)
        assert folder.models() == ["seeded"]

    def test_a_kill_loses_nothing_that_was_answered(self, folder: Benchmark, slow_server: LlmServer) -> None:
        options = endpoint(slow_server, "-o", "concurrency=2")
        process = start(folder, *options)
        wait_for(lambda: len(slow_server.requests) >= 8)
        process.kill()
        process.communicate()
        n_kept = len(answered(folder, "org__vlm"))
        assert 4 <= n_kept < N_QUESTIONS
        respond(folder, *options)
        assert answered(folder, "org__vlm") == [f"q{number}" for number in range(N_QUESTIONS)]
        n_lost = len(slow_server.received) - N_QUESTIONS
        assert n_lost <= 4  # in flight when it was killed, or answered and not yet on disk

    def test_ctrl_c_brings_home_what_is_in_flight(self, folder: Benchmark, slow_server: LlmServer) -> None:
        options = endpoint(slow_server, "-o", "concurrency=2")
        process = start(folder, *options, "--overwrite")
        wait_for(lambda: len(slow_server.requests) >= 6)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130 and "Traceback" not in told
        assert "every answer received so far is kept" in told and "--overwrite" not in told
        respond(folder, *options)
        assert len(slow_server.received) == N_QUESTIONS
        assert answered(folder, "org__vlm") == [f"q{number}" for number in range(N_QUESTIONS)]

    def test_questions_that_fail_are_named(self, folder: Benchmark, server: LlmServer) -> None:
        for number in range(12):
            (folder.images / f"{number}.png").unlink()
        out, _ = respond(folder, *endpoint(server))
        assert f"12 of {N_QUESTIONS} questions answered." in out
        assert "without an answer; the same command asks them again: 12\n  question q0: " in out
        assert "  and 2 more" in out

    def test_no_answer_at_all_is_a_failure(self, folder: Benchmark, server: LlmServer) -> None:
        for number in range(N_QUESTIONS):
            (folder.images / f"{number}.png").write_bytes(b"no image")
        out, told = respond(folder, *endpoint(server), code=2)
        assert f"0 of {N_QUESTIONS} questions answered." in out and "no image format" in out
        assert "org__vlm answered no question" in told
        assert folder.models() == [] and not server.received

    def test_an_endpoint_that_takes_no_images_is_told_at_once(self, folder: Benchmark, server: LlmServer) -> None:
        server.always = lambda body: status(400, "this model takes no images")
        _, told = respond(folder, *endpoint(server), code=2)
        assert "this model takes no images" in told and folder.models() == []

    def test_a_budget(self, folder: Benchmark, server: LlmServer) -> None:
        options = endpoint(server, "-o", "concurrency=1", "--text-only")
        _, told = respond(folder, *options, "--max-requests", "5", code=2)
        assert "budget is used up: 5 spent" in told
        assert len(server.received) == len(answered(folder, "org__vlm")) == 5
        respond(folder, *options)
        assert len(server.received) == N_QUESTIONS

    def test_a_price_bounds_the_cost(self, folder: Benchmark, server: LlmServer) -> None:
        price = ("-o", "price.prompt_per_million=1000", "-o", "price.completion_per_million=0")
        _, told = respond(folder, *endpoint(server, "-o", "concurrency=1", *price, "--max-cost", "0.25"), code=2)
        assert "budget is used up" in told and len(server.received) == 3  # 100 prompt tokens each


class TestCheckpoint:
    @pytest.mark.parametrize("save", [save_tiny_llava, save_tiny_idefics])
    def test_from_the_first_call_to_the_last(self, save: object, few: Benchmark, tmp_path: Path) -> None:
        assert callable(save)
        model = str(save(tmp_path / "tiny-vlm"))
        options = ("--checkpoint", model, "--max-tokens", "8", "--device", "cpu")
        out, _ = respond(few, *options, "--batch-size", "3")
        assert f"{N_FEW} of {N_FEW} questions answered." in out
        assert answered(few, "tiny-vlm") == [f"q{number}" for number in range(N_FEW)]
        out, _ = respond(few, *options)
        assert "nothing left to ask" in out

    def test_a_kill_loses_nothing_that_was_answered(self, few: Benchmark, tmp_path: Path) -> None:
        model = str(save_tiny_llava(tmp_path / "tiny-vlm"))
        options = ("--checkpoint", model, "--max-tokens", "100", "--device", "cpu", "--name", "mine")
        process = start(few, *options)
        while len(answered(few, "mine")) < 3:
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
        process.communicate()
        before = [line for line in few.answers_file("mine").read_bytes().splitlines(True) if line.endswith(b"\n")]
        out, _ = respond(few, *options)
        assert f"({len(before)} before, {N_FEW - len(before)} now)" in out
        assert set(before) < set(few.answers_file("mine").read_bytes().splitlines(True))


@pytest.mark.embedded
def test_the_embedded_model_answers_from_captions(few: Benchmark) -> None:
    _, told = respond(few, code=2)
    assert "embedded model cannot see" in told and "--text-only" in told
    out, _ = respond(few, "--text-only", "--max-tokens", "8")
    assert f"{N_FEW} of {N_FEW} questions answered." in out
    assert len(answered(few, "SmolLM2-135M-Instruct")) == N_FEW


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--model", "gpt-4o"], "--model gpt-4o without --base-url"),
        (["--base-url", "http://127.0.0.1:9/v1"], "--model must be given too"),
        (["--model", "m", "--base-url", "ftp://x"], "--base-url ftp://x: base_urls: found 'ftp://x'"),
        (["-o", "concurency=3"], "unknown key 'concurency'; did you mean 'concurrency'?"),
        (["-o", "concurrency"], "-o concurrency: expected KEY=VALUE"),
        (
            ["--model", "m", "--base-url", "http://127.0.0.1:9/v1", "--max-cost", "1"],
            "--max-cost needs the model's price",
        ),
        (["--checkpoint", "x", "--base-url", "http://127.0.0.1:9/v1"], "--base-url and --checkpoint"),
        (["--batch-size", "4"], "found no --checkpoint"),
        (["--text-only", "--name", "../evil"], "cannot be a model's name"),
        (["--checkpoint", "no-such/folder/here"], "There is no folder no-such/folder/here"),
    ],
)
def test_options_that_make_no_sense(options: list[str], told: str, folder: Benchmark) -> None:
    with pytest.raises(MMInstructError, match=re.escape(told)):
        cli.main(["bench", "respond", str(folder.path), *options], standalone_mode=False)
    assert folder.models() == []


def test_what_is_no_benchmark(tmp_path: Path) -> None:
    _, told = respond(Benchmark(tmp_path), "--text-only", code=2)
    assert "is no benchmark" in told and not list(tmp_path.iterdir())
