"""What becomes of a batch's requests: lines that fail, and batches that end badly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mminstruct.errors import EndpointError
from mminstruct.llm.batch import draft as batch_draft
from mminstruct.llm.chat import RequestFailed
from mminstruct.rows import Reason
from support.batch_server import BatchServer, Body, Plan, echo
from support.batch_session import ask_all, files_left, question, session, spent


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with BatchServer() as server:
        yield server


@pytest.fixture(autouse=True)
def short_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_draft, "QUIET_S", 0.1)


class TestLinesThatFail:
    async def test_a_refused_request_fails_alone(self, server: BatchServer, tmp_path: Path) -> None:
        server.answer = lambda body: (
            (400, {"error": {"message": "too long"}}) if "question 1" in json.dumps(body) else (200, echo(body))
        )
        async with session(server.base_url, tmp_path) as chat:
            other, refused = await asyncio.gather(*map(chat.ask, map(question, (0, 1))), return_exceptions=True)
        assert isinstance(refused, RequestFailed) and refused.reason == Reason.REQUEST_REFUSED
        assert refused.detail == "HTTP 400: too long"
        assert not isinstance(other, BaseException)
        assert len(server.batches) == 1 and files_left(tmp_path) == []

    @pytest.mark.parametrize(
        "failure",
        [
            (500, {"error": {"message": "sorry"}}),
            (429, {"error": {"message": "sorry"}}),
            (0, {}),
            (200, {"choices": []}),
            {"code": "server_error", "message": "sorry"},
        ],
    )
    async def test_a_passing_failure_goes_into_the_next_batch(
        self, failure: Body | tuple[int, Body], server: BatchServer, tmp_path: Path
    ) -> None:
        failed: list[object] = []

        def answer(body: Body) -> tuple[int, Body] | Body:
            if "question 1" in json.dumps(body) and len(failed) < 2:
                failed.append(body)
                return failure
            return 200, echo(body)

        server.answer = answer
        async with session(server.base_url, tmp_path) as chat:
            replies = await ask_all(chat, range(3))
            assert chat.usage.retries == 2
        assert replies[1].text == "Reply to question 1"
        assert [batch.n_total for batch in server.batches] == [3, 1, 1]
        assert spent(tmp_path).requests == 3

    async def test_a_request_is_given_up_after_max_tries_batches(self, server: BatchServer, tmp_path: Path) -> None:
        server.answer = lambda body: (500, {"error": {"message": "sorry"}})
        async with session(server.base_url, tmp_path) as chat:
            with pytest.raises(RequestFailed, match=r"HTTP 500: sorry \(given up after 3 batches\)") as caught:
                await chat.ask(question(1))
        assert caught.value.reason == Reason.REQUEST_FAILED
        assert len(server.batches) == 3

    async def test_a_reply_that_is_no_completion_keeps_its_reason(self, server: BatchServer, tmp_path: Path) -> None:
        server.answer = lambda body: (200, {"hello": "there"})
        async with session(server.base_url, tmp_path, max_tries=1) as chat:
            with pytest.raises(RequestFailed, match="expected a chat completion") as caught:
                await chat.ask(question(1))
        assert caught.value.reason == Reason.UNREADABLE_REPLY

    async def test_what_refuses_every_request_stops_the_run(self, server: BatchServer, tmp_path: Path) -> None:
        server.answer = lambda body: (404, {"error": {"message": "no such model", "code": "model_not_found"}})
        async with session(server.base_url, tmp_path) as chat:
            with pytest.raises(EndpointError, match="refused every request of a batch for model 'm' with HTTP 404"):
                await ask_all(chat, range(3))

    async def test_lines_that_are_not_ours_and_repeats_are_left_alone(
        self, server: BatchServer, tmp_path: Path
    ) -> None:
        put_file = server.put_file
        stranger = b'{"custom_id": "somebody", "response": {"status_code": 200, "body": {}}, "error": null}\n'
        server.put_file = lambda content: put_file(stranger + content + content)  # type: ignore[method-assign]
        async with session(server.base_url, tmp_path) as chat:
            await ask_all(chat, range(3))
        assert spent(tmp_path).requests == 3


class TestBatchesThatEndBadly:
    async def test_what_expired_is_asked_again(self, server: BatchServer, tmp_path: Path) -> None:
        server.plans = [Plan(status="expired", n_done=2)]
        async with session(server.base_url, tmp_path) as chat:
            replies = await ask_all(chat, range(5))
        assert [reply.text for reply in replies] == [f"Reply to question {number}" for number in range(5)]
        assert [batch.n_total for batch in server.batches] == [5, 3]
        assert spent(tmp_path).requests == 5

    async def test_what_always_expires_is_given_up(self, server: BatchServer, tmp_path: Path) -> None:
        server.usual_plan = Plan(status="expired", n_done=0)
        async with session(server.base_url, tmp_path, max_tries=2) as chat:
            with pytest.raises(RequestFailed, match=r"completion window expired. \(given up after 2 batches\)"):
                await chat.ask(question(1))

    async def test_a_batch_that_fails_as_a_whole_stops_the_run(self, server: BatchServer, tmp_path: Path) -> None:
        errors = [{"code": "model_not_found", "message": "no model m", "param": "body.model", "line": 1}]
        server.plans = [Plan(status="failed", errors=errors)]
        async with session(server.base_url, tmp_path) as chat:
            with pytest.raises(EndpointError, match="failed the whole batch batch_2: model_not_found: no model m"):
                await ask_all(chat, range(3))
        assert files_left(tmp_path) == []
        async with session(server.base_url, tmp_path) as chat:
            assert len(await ask_all(chat, range(3))) == 3

    async def test_a_cancelled_batch_stops_the_run_and_keeps_what_was_done(
        self, server: BatchServer, tmp_path: Path
    ) -> None:
        server.plans = [Plan(status="cancelled", n_done=2)]
        async with session(server.base_url, tmp_path) as chat:
            outcomes = await asyncio.gather(*map(chat.ask, map(question, range(5))), return_exceptions=True)
        assert sum(isinstance(outcome, EndpointError) for outcome in outcomes) == 3
        assert "was cancelled at the endpoint" in str(outcomes[-1])
        assert spent(tmp_path).requests == 2 and files_left(tmp_path) == []
        async with session(server.base_url, tmp_path) as chat:
            await ask_all(chat, range(5))
        assert [batch.n_total for batch in server.batches] == [5, 3]

    async def test_a_full_queue_alone_stops_the_run(self, server: BatchServer, tmp_path: Path) -> None:
        errors = [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached for m."}]
        server.plans = [Plan(status="failed", errors=errors)]
        async with session(server.base_url, tmp_path) as chat:
            with pytest.raises(EndpointError, match=r"Enqueued token limit reached for m.. Lower `batch_size`"):
                await ask_all(chat, range(3))

    async def test_a_full_queue_is_waited_for_while_other_batches_are_in_it(
        self, server: BatchServer, tmp_path: Path
    ) -> None:
        errors = [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached for m."}]
        server.plans = [Plan(delay_s=3600), Plan(status="failed", errors=errors)]

        def told(text: str) -> None:
            if "queue full" in text:
                server.finish()

        async with session(server.base_url, tmp_path, batch_size=2, told=told) as chat:
            replies = await ask_all(chat, range(4))
        assert len(replies) == 4
        assert len(server.uploads) == 2 and len(server.batches) == 3
        assert server.batches[1].input_file_id == server.batches[2].input_file_id
