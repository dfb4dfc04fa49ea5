"""vLLM's engines as a Chat, with stand-ins for the engines: blocks, the reply store, faults, the budget."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mminstruct.config.budget import BudgetConfig
from mminstruct.errors import BudgetError, EndpointError
from mminstruct.llm.budget import Budget
from mminstruct.llm.chat import Message, Reply, Request, RequestFailed
from mminstruct.llm.endpoint import Endpoint
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.llm.usage import Account, Spent
from mminstruct.llm.vllm import chat as module
from mminstruct.llm.vllm.chat import VllmChat
from mminstruct.llm.vllm.processor import Form, Row

ACCOUNT = Account("run", "answer")


@pytest.fixture(autouse=True)
def short_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_QUIET_S", 0.1)


class Engines:
    """Answers in the reverse order, as engines may; remembers the blocks. `fault` is raised after `n_before` rows."""

    def __init__(self, fault: Exception | None = None, n_before: int = 0) -> None:
        self.blocks: list[list[str]] = []
        self.forms: list[Form] = []
        self.fault = fault
        self.n_before = n_before

    def ask(self, form: Form, rows: Sequence[Row]) -> Iterator[Row]:
        self.blocks.append([_asked(row) for row in rows])
        self.forms.append(form)
        for number, row in enumerate(reversed(rows)):
            if self.fault is not None and number == self.n_before:
                raise self.fault
            if "broken" in _asked(row):
                yield {"key": row["key"], "__inference_error__": "ValueError: too long"}
            else:
                n_tokens = 5 if "long" in _asked(row) else 2
                text = f"Reply to {_asked(row)}"
                yield {"key": row["key"], "text": text, "prompt_tokens": 10, "completion_tokens": n_tokens}


def _asked(row: Row) -> str:
    return str(row["messages"][0]["content"])


def request(text: object, **parameters: object) -> Request:
    return Request((Message("user", str(text)),), parameters={"max_tokens": 5, **parameters})


@asynccontextmanager
async def session(
    folder: Path, engines: Engines, block: int = 100, limits: BudgetConfig | None = None
) -> AsyncIterator[VllmChat]:
    with ReplyStore(folder) as store:
        budget = Budget(limits, sum(store.spent("run").values(), Spent())) if limits else None
        endpoint = Endpoint((), "m", batch_size=block)
        async with VllmChat(endpoint, engines.ask, store, ACCOUNT, budget) as chat:
            yield chat


async def ask_all(chat: VllmChat, texts: Sequence[object]) -> list[Reply]:
    return list(await asyncio.gather(*(chat.ask(request(text)) for text in texts)))


class TestBlocks:
    async def test_what_comes_together_is_one_block(self, tmp_path: Path) -> None:
        engines = Engines()
        async with session(tmp_path, engines) as chat:
            replies = await ask_all(chat, range(3))
        assert [reply.text for reply in replies] == ["Reply to 0", "Reply to 1", "Reply to 2"]
        assert engines.blocks == [["0", "1", "2"]]
        assert (chat.usage.requests, chat.usage.prompt_tokens, chat.usage.completion_tokens) == (3, 30, 6)

    async def test_a_full_block_waits_for_nobody_and_the_next_follows(self, tmp_path: Path) -> None:
        engines = Engines()
        async with session(tmp_path, engines, block=2) as chat:
            assert chat.rows_at_once == 2
            await ask_all(chat, ["a", "b"])
            await ask_all(chat, ["c", "d", "e"])
        assert [len(block) for block in engines.blocks] == [2, 3] or [len(block) for block in engines.blocks] == [
            2,
            2,
            1,
        ]

    async def test_forms_do_not_mix(self, tmp_path: Path) -> None:
        engines = Engines()
        async with session(tmp_path, engines) as chat:
            await asyncio.gather(chat.ask(request("a")), chat.ask(request("b", seed=1)), chat.ask(request("c", seed=2)))
        assert sorted(map(len, engines.blocks)) == [1, 2]
        assert len(set(engines.forms)) == 2

    async def test_the_same_question_twice_is_asked_once(self, tmp_path: Path) -> None:
        engines = Engines()
        async with session(tmp_path, engines) as chat:
            first, second = await ask_all(chat, ["a", "a"])
        assert first == second and engines.blocks == [["a"]]


class TestReplies:
    async def test_are_on_disk_and_never_asked_again(self, tmp_path: Path) -> None:
        engines = Engines()
        for _ in range(2):
            async with session(tmp_path, engines) as chat:
                replies = await ask_all(chat, range(2))
        assert len(engines.blocks) == 1
        assert all(reply.cached for reply in replies)
        with ReplyStore(tmp_path) as store:
            assert store.spent("run")["answer", "m"].requests == 2
            body = store.request_body(replies[0].request_id)
        assert body == {"model": "m", "messages": [{"role": "user", "content": "0"}], "max_tokens": 5}

    async def test_one_that_filled_its_tokens_was_cut_off(self, tmp_path: Path) -> None:
        async with session(tmp_path, Engines()) as chat:
            replies = await ask_all(chat, ["long", "short"])
        assert [reply.finish_reason for reply in replies] == ["length", "stop"]

    async def test_those_before_a_failure_are_kept(self, tmp_path: Path) -> None:
        engines = Engines(fault=RuntimeError("no GPU"), n_before=2)
        async with session(tmp_path, engines) as chat:
            results = await asyncio.gather(*(chat.ask(request(n)) for n in range(3)), return_exceptions=True)
        assert isinstance(results[0], EndpointError) and "RuntimeError: no GPU" in str(results[0])
        engines.fault = None
        async with session(tmp_path, engines) as chat:
            await ask_all(chat, range(3))
        assert engines.blocks[1] == ["0"]


class TestFaults:
    async def test_one_row_fails_alone_and_is_not_stored(self, tmp_path: Path) -> None:
        async with session(tmp_path, Engines()) as chat:
            good, bad = await asyncio.gather(
                chat.ask(request("fine")), chat.ask(request("broken")), return_exceptions=True
            )
        assert isinstance(good, Reply)
        assert isinstance(bad, RequestFailed) and bad.detail == "vLLM: ValueError: too long"
        with ReplyStore(tmp_path) as store:
            assert len(store) == 1

    async def test_engines_that_answer_half(self, tmp_path: Path) -> None:
        class Lazy(Engines):
            def ask(self, form: Form, rows: Sequence[Row]) -> Iterator[Row]:
                yield from super().ask(form, rows[:1])

        async with session(tmp_path, Lazy()) as chat:
            results = await asyncio.gather(*(chat.ask(request(n)) for n in range(2)), return_exceptions=True)
        assert isinstance(results[0], Reply) and isinstance(results[1], EndpointError)

    async def test_a_budget_stops_the_next_block(self, tmp_path: Path) -> None:
        engines = Engines()
        async with session(tmp_path, engines, limits=BudgetConfig(max_requests=2)) as chat:
            await ask_all(chat, range(2))
            with pytest.raises(BudgetError):
                await chat.ask(request("more"))
        assert len(engines.blocks) == 1

    async def test_leaving_does_not_wait_for_engines(self, tmp_path: Path) -> None:
        let_go, begun = threading.Event(), threading.Event()

        class Slow(Engines):
            def ask(self, form: Form, rows: Sequence[Row]) -> Iterator[Row]:
                begun.set()
                let_go.wait(60)
                yield from ()

        try:
            async with session(tmp_path, Slow()) as chat:
                asking = asyncio.create_task(chat.ask(request("a")))
                await asyncio.to_thread(begun.wait, 30)
            with pytest.raises(asyncio.CancelledError):
                await asking
        finally:
            let_go.set()
