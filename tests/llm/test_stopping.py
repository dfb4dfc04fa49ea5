"""The client when it is stopped, cancelled or left alone: nobody waits for ever, and what came is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mminstruct.config.budget import BudgetConfig
from mminstruct.config.llm import LlmConfig
from mminstruct.errors import EndpointError, RunInterrupted
from mminstruct.llm.chat import Reply
from mminstruct.llm.endpoint import Endpoint
from mminstruct.llm.http import retries
from mminstruct.llm.http.client import HttpChat
from mminstruct.llm.http.wire import Session
from mminstruct.llm.models import LanguageModels
from mminstruct.llm.store import replies
from mminstruct.llm.store.replies import ReplyStore
from support.fault_run import ask, hits, row_of, short_pauses
from support.llm_faults import hang, refuse
from support.llm_server import LlmServer
from support.patience import PATIENCE_S


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ReplyStore]:
    with ReplyStore(tmp_path) as store:
        yield store


@pytest.fixture(autouse=True)
def pauses() -> Iterator[None]:
    with short_pauses():
        yield


def chat_with(server: LlmServer, store: ReplyStore, session: Session, **settings: object) -> HttpChat:
    defaults: dict[str, object] = {"concurrency": 4, "give_up_after_s": 0.3, "timeout_s": 10.0}
    return HttpChat(Endpoint((server.base_url,), "m", **{**defaults, **settings}), store, session)  # type: ignore[arg-type]


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.005)


class TestStop:
    async def test_everybody_gets_the_first_error_and_those_in_flight_come_home(self, store: ReplyStore) -> None:
        """All rows at once, without anybody who cancels the others: several meet the fault at the same time."""
        with LlmServer(latency_s=2) as server:
            hits(refuse(401, "expired"), rows=frozenset(range(20, 24)))(server)
            async with Session() as session, asyncio.timeout(PATIENCE_S):
                chat = chat_with(server, store, session, concurrency=32)
                found = await asyncio.gather(*(chat.ask(ask(row)) for row in range(100)), return_exceptions=True)
            errors = [one for one in found if isinstance(one, BaseException)]
            assert {type(error) for error in errors} == {EndpointError} and len({str(error) for error in errors}) == 1
            assert len(errors) == 100 - len(server.requests)
            assert {row_of(body) for body in server.requests} == {
                row for row, one in enumerate(found) if isinstance(one, Reply)
            }
            assert len(store) == len(server.requests) < 32

    async def test_nothing_is_sent_after_it(self, store: ReplyStore) -> None:
        with LlmServer() as server:
            hits(refuse(401, "expired"), rows=frozenset({0}))(server)
            async with Session() as session:
                chat = chat_with(server, store, session)
                for row in range(5):
                    with pytest.raises(EndpointError, match="expired"):
                        await chat.ask(ask(row))
            assert server.n_received == 1

    async def test_a_model_that_opens_after_it_asks_nothing(self, tmp_path: Path) -> None:
        """The embedded one takes its time to begin."""
        with LlmServer() as server:
            async with LanguageModels(tmp_path / "replies", "run", BudgetConfig()) as models:
                models.stop(RunInterrupted("Stopped."))
                chat = await models.chat(LlmConfig(base_url=server.base_url, model="m"), "answer", print)
                with pytest.raises(RunInterrupted):
                    await chat.ask(ask(0))
            assert server.n_received == 0

    async def test_rows_that_wait_out_a_pause_are_not_waited_for(
        self, store: ReplyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retries, "LONGEST_WAIT_S", 1000)
        with LlmServer() as server:
            server.always = lambda body: (
                refuse(401, "expired") if row_of(body) == 9 else refuse(429, "busy", {"Retry-After": "900"})
            )
            async with Session() as session, asyncio.timeout(PATIENCE_S):
                chat = chat_with(server, store, session)
                waiting = asyncio.create_task(chat.ask(ask(0)))
                await until(lambda: server.n_received == 1)
                with pytest.raises(EndpointError, match="expired"):
                    await chat.ask(ask(9))
                assert not waiting.done()
                waiting.cancel()


class TestCancelled:
    async def test_while_its_reply_is_stored_the_reply_is_stored_all_the_same(
        self, store: ReplyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(replies, "_GATHERING_S", 0.3)
        with LlmServer() as server:
            async with Session() as session:
                chat = chat_with(server, store, session, concurrency=1)
                asking = asyncio.create_task(chat.ask(ask(0)))
                await until(lambda: chat.usage.requests == 1)
                asking.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asking
                await until(lambda: store.get(ask(0).request_id("m")) is not None)
                assert (await chat.ask(ask(0))).cached
                assert not (await chat.ask(ask(1))).cached  # the one place is free again
            assert server.n_received == 2

    async def test_on_the_wire_its_place_is_free_again(self, store: ReplyStore) -> None:
        with LlmServer() as server:
            hits(hang, 1)(server)
            async with Session() as session, asyncio.timeout(PATIENCE_S):
                chat = chat_with(server, store, session, concurrency=1)
                asking = asyncio.create_task(chat.ask(ask(3)))
                await until(lambda: server.n_received == 1)
                asking.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asking
                assert (await chat.ask(ask(3))).text and (await chat.ask(ask(4))).text

    async def test_a_run_that_is_cancelled_ends_at_once_and_keeps_what_came(self, store: ReplyStore) -> None:
        with LlmServer(latency_s=0.02) as server:
            async with Session() as session:
                chat = chat_with(server, store, session, concurrency=4)
                run = asyncio.gather(*(chat.ask(ask(row)) for row in range(500)))
                await until(lambda: len(store) > 20)
                run.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await run
            assert len(server.requests) - 4 <= len(store) <= len(server.requests) < 500


class TestTheSameQuestion:
    async def test_one_request_serves_all_who_ask_it(self, store: ReplyStore) -> None:
        with LlmServer(latency_s=0.05) as server:
            async with Session() as session:
                chat = chat_with(server, store, session)
                found = await asyncio.gather(*(chat.ask(ask(0)) for _ in range(20)))
            assert len({reply.text for reply in found}) == 1 and server.n_received == 1

    async def test_who_is_cancelled_does_not_take_the_request_from_the_others(self, store: ReplyStore) -> None:
        with LlmServer(latency_s=0.2) as server:
            async with Session() as session:
                chat = chat_with(server, store, session)
                first, second = asyncio.create_task(chat.ask(ask(0))), asyncio.create_task(chat.ask(ask(0)))
                await until(lambda: server.n_received == 1)
                second.cancel()
                assert (await first).text and server.n_received == 1

    async def test_a_failure_is_everybodys_and_is_asked_anew_later(self, store: ReplyStore) -> None:
        with LlmServer() as server:
            server.faults = [refuse(400, "no")]
            async with Session() as session:
                chat = chat_with(server, store, session)
                found = await asyncio.gather(*(chat.ask(ask(0)) for _ in range(3)), return_exceptions=True)
                assert [str(one) for one in found] == ["HTTP 400: no"] * 3
                assert (await chat.ask(ask(0))).text
