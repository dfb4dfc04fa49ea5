"""Faults that concern every row, as a user meets them: one paragraph, exit status 2, and the same command goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.collection import make_collection, write_config
from support.llm_faults import redirect, refuse
from support.llm_server import Fault, LlmServer

N_BEFORE = 12  # requests that are answered before the fault
N_ROWS = 16


@pytest.fixture
def server() -> Iterator[LlmServer]:
    with LlmServer() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path, server: LlmServer) -> Path:
    make_collection(tmp_path)
    llm = f"{{base_url: '{server.base_url}', model: m, concurrency: 2, max_tries: 2, give_up_after_s: 0.2}}"
    write_config(tmp_path, server.base_url, llm=llm, augment=f"{{n_instructions: {N_ROWS}}}")
    return tmp_path


def run(folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mminstruct", "run", "config.yaml", "--until", "augment", *options]
    variables = {**os.environ, "COLUMNS": "200", **environment}
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


def message(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one paragraph in which a run that was stopped says why."""
    assert done.returncode == 2 and "Traceback" not in done.stderr
    paragraphs = [line for line in done.stderr.splitlines() if line.startswith("mminstruct: ")]
    assert len(paragraphs) == 1 and done.stderr.rstrip().endswith(paragraphs[0])
    return paragraphs[0]


def later(fault: Fault) -> Callable[[LlmServer], None]:
    """Return a scene: the fault for every request after the first few."""

    def scene(server: LlmServer) -> None:
        server.always = lambda body: fault if len(server.requests) >= N_BEFORE else None

    return scene


def gone(server: LlmServer) -> None:
    async def go(request: object) -> None:
        await server.break_down()

    server.always = lambda body: go if len(server.requests) >= N_BEFORE else None


@pytest.mark.parametrize(
    ("scene", "told"),
    [
        (later(refuse(401, "key expired")), "HTTP 401: key expired"),
        (later(refuse(402, "no credits")), "HTTP 402: no credits"),
        (later(refuse(404, "no such model")), "HTTP 404: no such model"),
        (later(refuse(429, "no quota", code="insufficient_quota")), "HTTP 429: no quota"),
        (later(refuse(429, "daily limit", {"Retry-After": "7200"})), "asks to wait for 120 minutes"),
        (later(redirect("https://example.org/login")), "redirected to https://example.org/login"),
        (gone, "Nobody answers at"),
    ],
    ids=["401", "402", "404", "no quota", "daily limit", "redirect", "gone"],
)
def test_a_fatal_fault_is_one_paragraph_and_the_same_command_goes_on(
    scene: Callable[[LlmServer], None], told: str, folder: Path, server: LlmServer
) -> None:
    scene(server)
    stopped = message(run(folder))
    assert told in stopped and stopped.endswith("run the same command again; every reply received so far is kept.")
    n_answered = len(server.requests)
    server.always = lambda body: None
    if scene is gone:
        server.come_back()
    again = run(folder)
    assert again.returncode == 0, again.stderr
    n_lost = len(server.requests) - N_ROWS  # on the wire, when the endpoint broke off
    assert n_lost == 0 or (scene is gone and n_lost < 2)
    assert N_BEFORE <= n_answered < N_ROWS


def test_nobody_there_from_the_first_request_on(folder: Path, server: LlmServer) -> None:
    server.vanish()
    assert "Nobody answers at" in message(run(folder))
    server.come_back()
    assert run(folder).returncode == 0 and len(server.requests) == N_ROWS


def test_a_host_that_cannot_be_one_is_nobody_there(folder: Path) -> None:
    assert "Nobody answers at http://no..host/v1" in message(run(folder, "-o", "llm.base_url=http://no..host/v1"))


@pytest.mark.parametrize(
    "base_url",
    ["http://localhost:99999/v1", "http://localhost:port/v1", "http://localhost:0/v1", "http:///v1", "https://[::1/v1"],
)
def test_an_address_that_cannot_be_one_is_told_with_its_key(base_url: str, folder: Path) -> None:
    done = run(folder, "-o", f"llm.base_url={base_url}")
    assert done.returncode == 2 and "llm.base_url" in done.stderr and "Traceback" not in done.stderr


def test_a_line_break_behind_the_key_is_not_sent(folder: Path, server: LlmServer) -> None:
    assert run(folder, "-o", "llm.api_key_env=MY_KEY", MY_KEY="sk-123\n").returncode == 0
    assert server.headers[0]["Authorization"] == "Bearer sk-123"


@pytest.mark.parametrize(("limit", "spent"), [("max_requests", "5"), ("max_tokens", "600")])
def test_a_budget_that_is_used_up_stops_and_a_larger_one_goes_on(
    limit: str, spent: str, folder: Path, server: LlmServer
) -> None:
    stopped = message(run(folder, "-o", f"budget.{limit}={spent}"))
    assert f"budget.{limit} is {spent}" in stopped and f"-o budget.{limit}=" in stopped
    n_answered = len(server.requests)
    assert 5 <= n_answered <= 5 + 2
    again = run(folder, "-o", f"budget.{limit}=100000")
    assert again.returncode == 0 and len(server.requests) == N_ROWS
