"""Asking through the Batch API, against a real server that speaks it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from PIL import Image

from mminstruct.config.budget import BudgetConfig
from mminstruct.errors import BudgetError, StoreError
from mminstruct.imaging import image_hash
from mminstruct.llm.batch import chat as batch_module
from mminstruct.llm.batch import draft as batch_draft
from mminstruct.llm.batch.chat import BatchChat
from mminstruct.llm.budget import Budget
from mminstruct.llm.chat import Message, Picture, Request, RequestFailed
from mminstruct.llm.http.client import HttpChat
from mminstruct.llm.http.wire import Session
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.llm.usage import Account, Spent
from mminstruct.rows import Reason
from support.batch_server import BatchServer, Plan
from support.batch_session import ACCOUNT, ask_all, endpoint, files_left, question, session, spent
from support.llm_server import completion


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with BatchServer() as server:
        yield server


@pytest.fixture(autouse=True)
def short_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_draft, "QUIET_S", 0.1)


class TestOneBatch:
    async def test_requests_go_up_as_the_api_wants_them(self, server: BatchServer, tmp_path: Path) -> None:
        async with session(server.base_url, tmp_path, api_key="secret", parameters={"temperature": 0.5}) as chat:
            replies = await ask_all(chat, range(3))
        assert [reply.text for reply in replies] == [f"Reply to question {number}" for number in range(3)]
        (upload,) = server.uploads
        assert upload.purpose == "batch"
        assert upload.lines[1] == {
            "custom_id": replies[1].request_id,
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "m", "temperature": 0.5, "messages": [{"role": "user", "content": "question 1"}]},
        }
        (batch,) = server.batches
        assert (batch.endpoint, batch.input_file_id) == ("/v1/chat/completions", upload.file_id)
        assert list(batch.metadata) == ["mminstruct_batch"]
        assert {headers["Authorization"] for headers in server.headers} == {"Bearer secret"}

    async def test_replies_are_stored_booked_and_counted(self, server: BatchServer, tmp_path: Path) -> None:
        async with session(server.base_url, tmp_path) as chat:
            replies = await ask_all(chat, range(3))
            usage = chat.usage
            assert chat.n_waiting == 0
        assert (usage.requests, usage.prompt_tokens, usage.completion_tokens, usage.cached) == (3, 300, 12, 0)
        booked = spent(tmp_path)
        assert (booked.requests, booked.prompt_tokens, booked.completion_tokens) == (3, 300, 12)
        assert booked.cost == pytest.approx(300e-6 + 24e-6)
        assert files_left(tmp_path) == []
        with ReplyStore(tmp_path) as store:
            body = store.request_body(replies[0].request_id)
        assert body == {"model": "m", "messages": [{"role": "user", "content": "question 0"}]}

    async def test_a_stored_reply_is_not_asked_again(self, server: BatchServer, tmp_path: Path) -> None:
        for _ in range(2):
            async with session(server.base_url, tmp_path) as chat:
                replies = await ask_all(chat, range(2))
        assert all(reply.cached for reply in replies)
        assert (chat.usage.requests, chat.usage.cached) == (0, 2)
        assert len(server.batches) == 1

    async def test_the_same_question_of_two_rows_is_one_request(self, server: BatchServer, tmp_path: Path) -> None:
        async with session(server.base_url, tmp_path) as chat:
            await asyncio.gather(chat.ask(question(1)), chat.ask(question(1)))
        assert server.n_asked == 1

    async def test_text_beyond_ascii_survives(self, server: BatchServer, tmp_path: Path) -> None:
        text = "Größe 图像 \u2028 \x85 \ud800"
        async with session(server.base_url, tmp_path) as chat:
            reply = await chat.ask(Request(messages=(Message("user", text),)))
        assert server.uploads[0].lines[0]["body"]["messages"][0]["content"] == text
        assert reply.text.startswith("Reply to Größe 图像 \u2028 \x85 ")

    async def test_the_user_hears_of_every_step(self, server: BatchServer, tmp_path: Path) -> None:
        server.usual_plan = Plan(delay_s=3600)
        heard: list[str] = []

        def told(text: str) -> None:
            heard.append(text)
            if "in_progress" in text:
                server.finish()

        async with session(server.base_url, tmp_path, told=told) as chat:
            await ask_all(chat, range(2))
        name = server.batches[0].batch_id
        assert heard[0].endswith("of 2 requests, 0.0 MB, is being uploaded.")
        assert heard[1:] == [
            f"answer: {name} in_progress, 0 of 2 requests done.",
            f"answer: {name} completed, 2 of 2 requests done.",
            f"answer: {name} completed: 2 of 2 requests have their reply.",
        ]


class TestGathering:
    async def test_a_full_batch_is_sent_at_once(
        self, server: BatchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(batch_draft, "QUIET_S", 3600)
        async with session(server.base_url, tmp_path, batch_size=4) as chat:
            assert chat.rows_at_once == 4
            await ask_all(chat, range(8))
        assert [batch.n_total for batch in server.batches] == [4, 4]

    async def test_a_batch_ends_before_its_file_is_too_large(
        self, server: BatchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(batch_module, "LARGEST_UPLOAD", 500)
        async with session(server.base_url, tmp_path) as chat:
            await ask_all(chat, range(5))
            too_long = Request(messages=(Message("user", "long " * 100),))
            with pytest.raises(RequestFailed, match="expected at most 500") as caught:
                await chat.ask(too_long)
        assert caught.value.reason == Reason.REQUEST_REFUSED
        assert [batch.n_total for batch in server.batches] == [2, 2, 1]

    async def test_plain_completions_go_in_a_batch_of_their_own(self, server: BatchServer, tmp_path: Path) -> None:
        async with session(server.base_url, tmp_path) as chat:
            chatted, continued = await asyncio.gather(chat.ask(question(1)), chat.ask(Request(prompt="Once")))
        assert (chatted.text, continued.text) == ("Reply to question 1", "Continued Once")
        assert {batch.endpoint for batch in server.batches} == {"/v1/chat/completions", "/v1/completions"}
        assert {line["url"] for upload in server.uploads for line in upload.lines} == {
            "/v1/chat/completions",
            "/v1/completions",
        }

    async def test_rows_that_follow_on_a_reply_make_full_batches_too(self, server: BatchServer, tmp_path: Path) -> None:
        numbers = iter(range(12))

        async def worker(chat: BatchChat) -> None:
            for number in numbers:
                await chat.ask(question(number))

        async with session(server.base_url, tmp_path, batch_size=4) as chat:
            await asyncio.gather(*(worker(chat) for _ in range(chat.rows_at_once)))
        assert [batch.n_total for batch in server.batches] == [4, 4, 4]

    async def test_a_row_that_is_given_up_takes_nobody_with_it(self, server: BatchServer, tmp_path: Path) -> None:
        async with session(server.base_url, tmp_path) as chat:
            first, second = (asyncio.create_task(chat.ask(question(1))) for _ in range(2))
            await asyncio.sleep(0)
            first.cancel()
            assert (await second).text == "Reply to question 1"

    async def test_addresses_take_turns(self, server: BatchServer, tmp_path: Path) -> None:
        with BatchServer() as other:
            addresses = (server.base_url, other.base_url + "/")
            async with session("", tmp_path, addresses=addresses, batch_size=2) as chat:
                await ask_all(chat, range(8))
        assert [len(server.batches), len(other.batches)] == [2, 2]


class TestPictures:
    async def test_go_up_as_data_urls_and_are_stored_by_reference(self, server: BatchServer, tmp_path: Path) -> None:
        path = tmp_path / "red.png"
        Image.new("RGB", (64, 32), "red").save(path)
        picture = Picture(str(path), image_hash(path.read_bytes()), max_side=16)
        request = Request(messages=(Message("user", "Describe the größe.", (picture,)),))
        server.answer = lambda body: (200, completion("A red field."))
        async with session(server.base_url, tmp_path) as chat:
            reply = await chat.ask(request)
        part, text = server.uploads[0].lines[0]["body"]["messages"][0]["content"]
        assert part["image_url"]["url"].startswith("data:image/jpeg;base64,")
        assert text == {"type": "text", "text": "Describe the größe."}
        with ReplyStore(tmp_path) as store:
            body = store.request_body(reply.request_id)
        assert body is not None and body["messages"] == [request.messages[0].body()]

    async def test_one_that_is_gone_fails_its_row_alone(self, server: BatchServer, tmp_path: Path) -> None:
        gone = Picture(str(tmp_path / "gone.png"), "0" * 32, max_side=16)
        request = Request(messages=(Message("user", "Describe it.", (gone,)),))
        async with session(server.base_url, tmp_path) as chat:
            failed, other = await asyncio.gather(chat.ask(request), chat.ask(question(1)), return_exceptions=True)
        assert isinstance(failed, RequestFailed) and failed.reason == Reason.MISSING_IMAGE
        assert not isinstance(other, BaseException)
        assert server.n_asked == 1


class TestStore:
    async def test_live_and_batch_share_their_replies(self, server: BatchServer, tmp_path: Path) -> None:
        parameters = {"temperature": 0.5}
        async with session(server.base_url, tmp_path, parameters=parameters) as chat:
            reply = await chat.ask(question(1))
        with ReplyStore(tmp_path) as store:
            async with Session() as wires:
                live = HttpChat(endpoint("http://127.0.0.1:9/v1", parameters=parameters), store, wires)
                again = await live.ask(question(1))
        assert (again.text, again.cached) == (reply.text, True)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
    async def test_a_full_disk_stops_the_run_before_anything_is_sent(
        self, server: BatchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def name_on_a_full_disk(n_bytes: int) -> str:
            (tmp_path / "batches" / "name.upload.jsonl").symlink_to("/dev/full")
            return "name"

        monkeypatch.setattr(secrets, "token_hex", name_on_a_full_disk)
        async with session(server.base_url, tmp_path) as chat:
            with pytest.raises(StoreError, match=r"cannot be kept in .*No space left on device"):
                await ask_all(chat, range(3))
        assert server.calls == [] and files_left(tmp_path) == []


class TestBudget:
    async def test_nothing_is_asked_beyond_it(self, server: BatchServer, tmp_path: Path) -> None:
        budget = Budget(BudgetConfig(max_requests=2), Spent())
        with ReplyStore(tmp_path) as store:
            async with (
                aiohttp.ClientSession() as http,
                BatchChat(endpoint(server.base_url), store, http, ACCOUNT, tmp_path / "batches", budget) as chat,
            ):
                await ask_all(chat, range(2))
                assert budget.spent.requests == 2
                with pytest.raises(BudgetError, match="budget is used up"):
                    await chat.ask(question(9))
                assert (await chat.ask(question(0))).cached
        assert server.n_asked == 2


class TestTwoChats:
    async def test_a_request_in_an_open_batch_of_another_run_is_awaited(
        self, server: BatchServer, tmp_path: Path
    ) -> None:
        server.usual_plan = Plan(delay_s=3600)
        async with (
            session(server.base_url, tmp_path) as one,
            session(server.base_url, tmp_path, account=Account("other", "answer")) as other,
        ):
            first = asyncio.create_task(ask_all(one, range(4)))
            while not server.batches:
                await asyncio.sleep(0.01)
            second = asyncio.create_task(ask_all(other, range(2, 6)))
            while len(server.batches) < 2:
                await asyncio.sleep(0.01)
            server.finish()
            assert [reply.text for reply in await second] == [f"Reply to question {number}" for number in range(2, 6)]
            await first
            assert (one.usage.requests, other.usage.requests) == (4, 2)
        assert [batch.n_total for batch in server.batches] == [4, 2]
        assert spent(tmp_path).requests == 4

    async def test_batches_of_another_model_are_left_alone(self, server: BatchServer, tmp_path: Path) -> None:
        server.usual_plan = Plan(delay_s=3600)
        async with session(server.base_url, tmp_path, model="m") as one, session(server.base_url, tmp_path, model="n"):
            asking = asyncio.create_task(ask_all(one, range(2)))
            while not server.batches:
                await asyncio.sleep(0.01)
            async with session(server.base_url, tmp_path, model="n") as third:
                server.usual_plan = Plan()
                await third.ask(question(0))
            server.finish()
            await asking
        assert [upload.lines[0]["body"]["model"] for upload in server.uploads] == ["m", "n"]
