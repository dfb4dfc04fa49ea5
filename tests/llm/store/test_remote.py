from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from mminstruct.errors import StoreError
from mminstruct.llm.chat import Reply
from mminstruct.llm.store.remote import Paid, RemoteReplies
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.llm.usage import Account

pytestmark = pytest.mark.asyncio
ACCOUNT = Account("run", "answer")


class LocalDoor:
    """A door to a store of this process, which counts the calls."""

    def __init__(self, store: ReplyStore) -> None:
        self.n_calls = 0
        self._store = store

    async def find_many(self, request_ids: Sequence[str]) -> list[Reply | None]:
        self.n_calls += 1
        return [self._store.get(request_id) for request_id in request_ids]

    async def put_many(self, paid: Sequence[Paid]) -> list[None]:
        self.n_calls += 1
        return list(await asyncio.gather(*(self._store.put(*each) for each in paid)))


def reply(number: int) -> Reply:
    return Reply(f"id{number}", f"text {number}", "stop", "m", 10, 5)


async def test_what_was_put_is_found_and_booked(tmp_path: Path) -> None:
    with ReplyStore(tmp_path) as store:
        remote = RemoteReplies(LocalDoor(store))
        assert await remote.find("id1") is None
        await remote.put(reply(1), "{}", ACCOUNT, 0.5)
        found = await remote.find("id1")
        assert found is not None
        assert (found.text, found.cached) == ("text 1", True)
        assert store.spent("run")["answer", "m"].cost == 0.5


async def test_what_comes_together_goes_together(tmp_path: Path) -> None:
    with ReplyStore(tmp_path) as store:
        door = LocalDoor(store)
        remote = RemoteReplies(door)
        await asyncio.gather(*(remote.put(reply(number), "{}", ACCOUNT, None) for number in range(1200)))
        assert door.n_calls == 3
        found = await asyncio.gather(*(remote.find(f"id{number}") for number in range(0, 1300, 100)))
        assert door.n_calls == 4
        assert [each is not None for each in found] == [True] * 12 + [False]


async def test_a_store_that_cannot_be_written_is_everybody_s_error(tmp_path: Path) -> None:
    store = ReplyStore(tmp_path)
    remote = RemoteReplies(LocalDoor(store))
    store.close()
    results = await asyncio.gather(
        *(remote.put(reply(number), "{}", ACCOUNT, None) for number in range(3)), return_exceptions=True
    )
    assert all(isinstance(result, StoreError) for result in results)


async def test_one_who_does_not_wait_any_more_disturbs_nobody(tmp_path: Path) -> None:
    with ReplyStore(tmp_path) as store:
        remote = RemoteReplies(LocalDoor(store))
        gone = asyncio.create_task(remote.put(reply(1), "{}", ACCOUNT, None))
        await asyncio.sleep(0)
        gone.cancel()
        await remote.put(reply(2), "{}", ACCOUNT, None)
        assert await remote.find("id2") is not None
