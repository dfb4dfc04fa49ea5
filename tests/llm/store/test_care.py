"""What a store holds, told from outside, and every reply as a line of JSON."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from pathlib import Path

import pytest

from mminstruct.errors import StoreError
from mminstruct.llm.chat import Reply
from mminstruct.llm.store.care import json_lines, store_stats
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.llm.usage import Account, Spent


async def fill(folder: Path, n_replies: int, model: str = "m", request: str = '{"prompt": "Hello"}') -> None:
    with ReplyStore(folder) as store:
        await asyncio.gather(
            *(
                store.put(Reply(f"{model} {n}", f"text {n}", "stop", model, 10, 5), request, Account("run", "s"), 0.5)
                for n in range(n_replies)
            )
        )


class TestStats:
    async def test_counts_replies_by_model_and_spending_by_account(self, tmp_path: Path) -> None:
        await fill(tmp_path, 3)
        await fill(tmp_path, 2, "other")
        found = store_stats(tmp_path)
        assert found.n_replies == 5
        assert found.n_bytes == (tmp_path / "replies.sqlite").stat().st_size
        held = found.by_model["m"]
        assert (held.n_replies, held.prompt_tokens, held.completion_tokens) == (3, 30, 15)
        assert held.oldest <= held.newest and abs(held.newest - time.time()) < 60
        assert found.spent == {("run", "s", "m"): Spent(3, 30, 15, 1.5), ("run", "s", "other"): Spent(2, 20, 10, 1.0)}

    def test_of_an_empty_store(self, tmp_path: Path) -> None:
        ReplyStore(tmp_path).close()
        assert store_stats(tmp_path).n_replies == 0


class TestJsonLines:
    async def test_a_line_holds_the_request_and_the_reply(self, tmp_path: Path) -> None:
        await fill(tmp_path, 1)
        (line,) = json_lines(tmp_path)
        read = json.loads(line)
        assert abs(read.pop("created") - time.time()) < 60
        assert read == {
            "request_id": "m 0",
            "model": "m",
            "request": {"prompt": "Hello"},
            "reply": "text 0",
            "finish_reason": "stop",
            "prompt_tokens": 10,
            "completion_tokens": 5,
        }

    async def test_every_reply_comes_once_over_several_pages(self, tmp_path: Path) -> None:
        await fill(tmp_path, 2500)
        await fill(tmp_path, 10, "other")
        ids = [json.loads(line)["request_id"] for line in json_lines(tmp_path)]
        assert len(ids) == len(set(ids)) == 2510
        assert [json.loads(line)["model"] for line in json_lines(tmp_path, "other")] == ["other"] * 10

    async def test_a_request_with_half_a_character_is_json_all_the_same(self, tmp_path: Path) -> None:
        request = json.dumps({"prompt": "é \ud800"}, ensure_ascii=False)
        await fill(tmp_path, 1, request=request)
        (line,) = json_lines(tmp_path)
        assert "é" in line.decode("utf-8")
        assert json.loads(line)["request"] == {"prompt": "é \ud800"}

    async def test_a_damaged_request_is_told(self, tmp_path: Path) -> None:
        await fill(tmp_path, 2)
        with sqlite3.connect(tmp_path / "replies.sqlite") as connection:
            connection.execute("UPDATE replies SET request = x'00'")
        connection.close()
        with pytest.raises(StoreError, match=r"cannot be read: .*The file is damaged"):
            list(json_lines(tmp_path))

    def test_no_store_is_told_and_none_is_made(self, tmp_path: Path) -> None:
        for look in (store_stats, lambda folder: list(json_lines(folder))):
            with pytest.raises(StoreError, match="There is no reply store"):
                look(tmp_path / "replies")
        assert list(tmp_path.iterdir()) == []
