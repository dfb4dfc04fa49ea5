"""Saving what can be read of a damaged store: real files, damaged in earnest."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from mminstruct.errors import StoreError
from mminstruct.llm.chat import Reply
from mminstruct.llm.store.pruning import Pruning
from mminstruct.llm.store.recovery import Recovered, recover
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.llm.usage import Account, Spent

N_REPLIES = 2000
PAGE = 4096


def text(number: int) -> str:
    return f"{number} is a fine number. " * 20


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """Return the file of a store with the replies 0 to 1999."""
    with ReplyStore(tmp_path / "old") as store:
        await asyncio.gather(
            *(
                store.put(Reply(str(n), text(n), "stop", "m", 10, 5), "{}", Account("run", "answer"), 0.5)
                for n in range(N_REPLIES)
            )
        )
    return store.path


def damage(path: Path, start: int, n_bytes: int) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xa5" * n_bytes)


def saved(folder: Path) -> list[int]:
    """Return the numbers of the replies in a store, all of which must be as they were."""
    with ReplyStore(folder, create=False) as store:
        found = {n: store.get(str(n)) for n in range(N_REPLIES)}
        assert len(store) == sum(reply is not None for reply in found.values())
    assert all(reply.text == text(n) for n, reply in found.items() if reply is not None)
    return [n for n, reply in found.items() if reply is not None]


def recovered(path: Path) -> Recovered:
    return recover(path.parent, path.parent.parent / "new")


class TestRecover:
    def test_a_whole_store_whole(self, path: Path, tmp_path: Path) -> None:
        assert recovered(path) == Recovered(N_REPLIES, with_ledger=True)
        assert len(saved(tmp_path / "new")) == N_REPLIES
        with ReplyStore(tmp_path / "new") as store:
            assert store.spent("run") == {("answer", "m"): Spent(N_REPLIES, 20_000, 10_000, 1000.0)}
            assert store.request_body("7") == {}

    @pytest.mark.parametrize("offset", [0, 1000, 3000])
    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
    def test_all_but_the_damaged_pages(self, path: Path, tmp_path: Path, share: float, offset: int) -> None:
        n_pages = path.stat().st_size // PAGE
        damage(path, int(n_pages * share) * PAGE + offset, 10 * PAGE)
        before = path.read_bytes()
        assert recovered(path).n_replies > N_REPLIES - 12 * 40
        assert path.read_bytes() == before
        assert len(saved(tmp_path / "new")) > N_REPLIES - 12 * 40

    def test_the_last_pages_too(self, path: Path, tmp_path: Path) -> None:
        damage(path, path.stat().st_size - 3 * PAGE - 50, 3 * PAGE + 50)
        assert recovered(path).n_replies > N_REPLIES - 12 * 40
        assert saved(tmp_path / "new")

    def test_after_pruning(self, path: Path, tmp_path: Path) -> None:
        with Pruning(path.parent, kept=map(str, range(0, N_REPLIES, 2))) as chosen:
            chosen.delete()
        damage(path, path.stat().st_size // 2, PAGE)
        assert recovered(path).n_replies > N_REPLIES / 2 - 80
        assert saved(tmp_path / "new")

    def test_the_replies_where_the_ledger_is_lost(self, path: Path, tmp_path: Path) -> None:
        with sqlite3.connect(path) as connection:
            page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ledger'").fetchone()[0]
        connection.close()
        damage(path, (page - 1) * PAGE, PAGE)
        assert recovered(path) == Recovered(N_REPLIES, with_ledger=False)
        with ReplyStore(tmp_path / "new") as store:
            assert store.spent("run") == {}

    def test_a_reply_whose_request_is_damaged_is_left_out(self, path: Path, tmp_path: Path) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE replies SET request = x'00' WHERE request_id = '7'")
        connection.close()
        assert recovered(path).n_replies == N_REPLIES - 1
        assert 7 not in saved(tmp_path / "new")

    def test_nothing_where_the_first_page_is_gone(self, path: Path, tmp_path: Path) -> None:
        damage(path, 0, PAGE)
        with pytest.raises(StoreError, match="cannot be opened"):
            recovered(path)
        assert not (tmp_path / "new").exists()

    def test_over_no_store_that_is_there(self, path: Path) -> None:
        with pytest.raises(StoreError, match=r"There is a reply store in .* already"):
            recover(path.parent, path.parent)
