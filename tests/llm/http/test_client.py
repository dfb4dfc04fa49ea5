"""The HTTP client against a real server that misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web

from mminstruct.errors import EndpointError
from mminstruct.llm.chat import Message, Request, RequestFailed
from mminstruct.llm.endpoint import Endpoint
from mminstruct.llm.http import retries
from mminstruct.llm.http.client import HttpChat
from mminstruct.llm.http.wire import Session
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.rows import Reason
from support.llm_server import LlmServer, completion, status


@pytest.fixture
def server() -> Iterator[LlmServer]:
    with LlmServer() as server:
        yield server


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ReplyStore]:
    with ReplyStore(tmp_path / "replies") as store:
        yield store


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    async with Session() as session:
        yield session


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE_S", 0.01)


def endpoint(base_url: str, **changes: object) -> Endpoint:
    settings: dict[str, object] = {
        "addresses": (base_url,),
        "model": "m",
        "concurrency": 8,
        "timeout_s": 5.0,
        "max_tries": 3,
        "give_up_after_s": 0.2,
    }
    return Endpoint(**{**settings, **changes})  # type: ignore[arg-type]


def ask(text: str = "Write a haiku about the image.", sample: int = 0) -> Request:
    return Request(messages=(Message("user", text),), sample=sample)


class TestReplies:
    async def test_a_reply_is_read_and_stored(self, server: LlmServer, store: ReplyStore, session: Session) -> None:
        chat = HttpChat(endpoint(server.base_url, api_key="secret"), store, session)
        reply = await chat.ask(ask())
        assert reply.text and not reply.cached and reply.finish_reason == "stop"
        assert server.headers[0]["Authorization"] == "Bearer secret"
        assert server.requests[0]["model"] == "m"
        body = store.request_body(reply.request_id)
        assert body == server.requests[0]

    async def test_a_stored_reply_is_not_asked_again(
        self, server: LlmServer, store: ReplyStore, session: Session
    ) -> None:
        first = await HttpChat(endpoint(server.base_url), store, session).ask(ask())
        chat = HttpChat(endpoint(server.base_url), store, session)
        again = await chat.ask(ask())
        assert (again.text, again.cached) == (first.text, True)
        assert len(server.requests) == 1
        assert (chat.usage.requests, chat.usage.cached) == (0, 1)

    async def test_another_sample_is_another_request(
        self, server: LlmServer, store: ReplyStore, session: Session
    ) -> None:
        chat = HttpChat(endpoint(server.base_url), store, session)
        await asyncio.gather(chat.ask(ask(sample=0)), chat.ask(ask(sample=1)), chat.ask(ask(sample=1)))
        assert len(server.requests) == 2

    async def test_no_more_than_concurrency_are_in_flight(self, store: ReplyStore, session: Session) -> None:
        with LlmServer(latency_s=0.02) as server:
            chat = HttpChat(endpoint(server.base_url, concurrency=3), store, session)
            await asyncio.gather(*(chat.ask(ask(str(number))) for number in range(20)))
            assert server.most_in_flight == 3

    async def test_a_plain_completion_goes_to_its_own_path(self, store: ReplyStore, session: Session) -> None:
        with LlmServer(reply=lambda body: body["prompt"] + " more") as server:
            chat = HttpChat(endpoint(server.base_url, parameters={"seed": 7}), store, session)
            reply = await chat.ask(Request(prompt="Once", parameters={"grammar": "x"}))
            assert reply.text == "Once more"
            assert server.requests[0] == {"model": "m", "prompt": "Once", "grammar": "x", "seed": 7}


class TestRetries:
    @pytest.mark.parametrize("code", [429, 500, 502, 503, 529])
    async def test_a_passing_fault_is_tried_again(
        self, code: int, server: LlmServer, store: ReplyStore, session: Session
    ) -> None:
        server.faults = [status(code), status(code, headers={"Retry-After": "0"})]
        chat = HttpChat(endpoint(server.base_url), store, session)
        assert (await chat.ask(ask())).text
        assert chat.usage.retries == 2

    @pytest.mark.parametrize(
        "fault",
        [
            lambda request: None,
            lambda request: web.Response(text="<html>busy</html>", content_type="text/html"),
            lambda request: web.Response(text='{"choices": [{"mess', content_type="application/json"),
            lambda request: web.json_response({"choices": []}),
            lambda request: web.json_response([1]),
            lambda request: web.Response(body=b'{"choices": [{"text": "\xff"}]}', content_type="application/json"),
        ],
        ids=["closed", "html", "truncated", "no choice", "a list", "not utf-8"],
    )
    async def test_a_broken_reply_is_tried_again(
        self, fault: object, server: LlmServer, store: ReplyStore, session: Session
    ) -> None:
        server.faults = [fault]  # type: ignore[list-item]
        chat = HttpChat(endpoint(server.base_url), store, session)
        assert (await chat.ask(ask())).text
        assert server.n_received == 2

    async def test_too_many_faults_fail_the_row_and_store_nothing(
        self, server: LlmServer, store: ReplyStore, session: Session
    ) -> None:
        server.always = lambda body: status(500, "out of memory")
        chat = HttpChat(endpoint(server.base_url), store, session)
        with pytest.raises(RequestFailed, match=r"HTTP 500: out of memory \(given up after 3 tries\)") as caught:
            await chat.ask(ask())
        assert caught.value.reason is Reason.REQUEST_FAILED
        assert len(store) == 0

    async def test_an_unreadable_reply_to_the_end_is_its_own_reason(
        self, server: LlmServer, store: ReplyStore, session: Session
    ) -> None:
        server.always = lambda body: lambda request: web.Response(text="<html>")
        with pytest.raises(RequestFailed) as caught:
            await HttpChat(endpoint(server.base_url), store, session).ask(ask())
        assert caught.value.reason is Reason.UNREADABLE_REPLY

    async def test_a_hanging_reply_times_out(self, store: ReplyStore, session: Session) -> None:
        with LlmServer(latency_s=30) as server:
            chat = HttpChat(endpoint(server.base_url, timeout_s=0.1, max_tries=2), store, session)
            with pytest.raises(RequestFailed, match=r"no whole reply within 0\.1 s"):
                await chat.ask(ask())


class TestRefusals:
    async def test_a_bad_request_fails_its_row_at_once(
        self, server: LlmServer, store: ReplyStore, session: Session
    ) -> None:
        server.faults = [status(400, "context too long")]
        with pytest.raises(RequestFailed, match="HTTP 400: context too long") as caught:
            await HttpChat(endpoint(server.base_url), store, session).ask(ask())
        assert caught.value.reason is Reason.REQUEST_REFUSED
        assert server.n_received == 1

    @pytest.mark.parametrize("code", [401, 403, 404])
    async def test_what_concerns_every_row_stops_the_run(
        self, code: int, server: LlmServer, store: ReplyStore, session: Session
    ) -> None:
        server.always = lambda body: status(code, "no such model")
        with pytest.raises(EndpointError, match=f"model 'm' with HTTP {code}: no such model"):
            await HttpChat(endpoint(server.base_url), store, session).ask(ask())

    async def test_a_message_never_holds_an_addresss_password(
        self, server: LlmServer, store: ReplyStore, session: Session
    ) -> None:
        server.always = lambda body: status(401, "no")
        secret = server.base_url.replace("http://", "http://ann:secret@")
        with pytest.raises(EndpointError, match="HTTP 401") as caught:
            await HttpChat(endpoint(secret), store, session).ask(ask())
        assert "secret" not in str(caught.value)

    async def test_nobody_listening_stops_the_run(self, store: ReplyStore, session: Session) -> None:
        with LlmServer() as server:
            gone = server.base_url
        with pytest.raises(EndpointError, match=r"Nobody answers at .* for \d s: .*Start the server"):
            await HttpChat(endpoint(gone), store, session).ask(ask())

    async def test_null_content_is_an_empty_reply(self, server: LlmServer, store: ReplyStore, session: Session) -> None:
        empty = completion("", finish_reason="content_filter")
        empty["choices"][0]["message"]["content"] = None
        server.faults = [lambda request: web.json_response(empty)]
        reply = await HttpChat(endpoint(server.base_url), store, session).ask(ask())
        assert (reply.text, reply.finish_reason) == ("", "content_filter")
