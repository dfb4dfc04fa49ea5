"""The durable reply store."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mminstruct.llm.chat import Message, Reply, Request
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.llm.usage import Account, Spent

ANSWER = Account("run", "answer")


def reply(number: int, text: str = "A fine day.") -> Reply:
    return Reply(f"{number:032x}", text, "stop", "m", 10, 5)


async def test_what_was_put_is_got_marked_as_cached(tmp_path: Path) -> None:
    with ReplyStore(tmp_path) as store:
        await store.put(reply(1, "Ein schöner Tag \ud800."), '{"messages": []}', ANSWER, 0.5)
        got = store.get(reply(1).request_id)
        assert got is not None and got.cached and got.text == "Ein schöner Tag ?."
        assert store.get(reply(2).request_id) is None
        assert store.request_body(reply(1).request_id) == {"messages": []}


async def test_the_first_reply_to_a_request_stays(tmp_path: Path) -> None:
    with ReplyStore(tmp_path) as store:
        await store.put(reply(1, "first"), "{}", ANSWER, 0.5)
        await store.put(reply(1, "second"), "{}", ANSWER, 0.5)
        got = store.get(reply(1).request_id)
        assert got is not None and got.text == "first"


async def test_what_was_paid_is_booked_even_if_another_process_paid_too(tmp_path: Path) -> None:
    augment = Account("run", "augment")
    with ReplyStore(tmp_path) as one, ReplyStore(tmp_path) as other:
        await asyncio.gather(one.put(reply(1), "{}", ANSWER, 0.5), other.put(reply(1), "{}", ANSWER, 0.25))
        await one.put(reply(2), "{}", augment, None)
        await one.put(reply(3), "{}", Account("another run", "answer"), 9.0)
        assert other.spent("run") == {("answer", "m"): Spent(2, 20, 10, 0.75), ("augment", "m"): Spent(1, 10, 5, None)}
        assert other.mean_tokens("answer", "m") == (3, 10, 5)
        assert other.mean_tokens("answer", "another model") is None


async def test_replies_outlive_the_store(tmp_path: Path) -> None:
    with ReplyStore(tmp_path) as store:
        await asyncio.gather(*(store.put(reply(number), "{}", ANSWER, 0.5) for number in range(2500)))
    with ReplyStore(tmp_path) as store:
        assert len(store) == 2500


async def test_two_stores_on_one_folder_share_replies(tmp_path: Path) -> None:
    with ReplyStore(tmp_path) as one, ReplyStore(tmp_path) as other:
        await asyncio.gather(
            *(
                store.put(reply(n + k), "{}", ANSWER, 0.5)
                for n in range(0, 100, 2)
                for k, store in ((0, one), (1, other))
            )
        )
        assert len(one) == len(other) == 100


def test_a_kill_after_put_loses_nothing(tmp_path: Path) -> None:
    code = f"""
import asyncio, os, pathlib
from mminstruct.llm.chat import Reply
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.llm.usage import Account
async def main():
    store = ReplyStore(pathlib.Path({str(tmp_path)!r}))
    replies = [Reply(str(n), 't', 'stop', 'm', 1, 1) for n in range(50)]
    await asyncio.gather(*(store.put(reply, '{{}}', Account('run', 'answer'), None) for reply in replies))
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with ReplyStore(tmp_path) as store:
        assert len(store) == 50


class TestRequestId:
    def test_depends_on_model_text_parameters_and_sample(self) -> None:
        base = Request(messages=(Message("user", "a"),), parameters={"temperature": 1.0})
        others = [
            Request(messages=(Message("user", "b"),), parameters={"temperature": 1.0}),
            Request(messages=(Message("system", "a"),), parameters={"temperature": 1.0}),
            Request(messages=(Message("user", "a"),), parameters={"temperature": 0.5}),
            Request(messages=(Message("user", "a"),), parameters={"temperature": 1.0}, sample=1),
            Request(prompt="a", parameters={"temperature": 1.0}),
        ]
        ids = {base.request_id("m"), base.request_id("n"), *(other.request_id("m") for other in others)}
        assert len(ids) == 7

    @given(st.text(), st.integers(0, 5))
    def test_is_the_same_for_the_same_request(self, text: str, sample: int) -> None:
        one, other = (Request(messages=(Message("user", text),), sample=sample) for _ in range(2))
        assert one.request_id("m") == other.request_id("m")
        assert len(one.request_id("m")) == 32
