"""Deleting replies: which ones, how the file shrinks, and that nobody who uses the store is harmed."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from mminstruct.errors import StoreError
from mminstruct.llm.chat import Reply
from mminstruct.llm.store import pruning
from mminstruct.llm.store.pruning import Pruning
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.llm.usage import Account, Spent

PUT_ON = """
import asyncio, pathlib, sys
from mminstruct.llm.chat import Reply
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.llm.usage import Account

async def main():
    with ReplyStore(pathlib.Path(sys.argv[1])) as store:
        async def put_on(first):
            n = first
            while not pathlib.Path(sys.argv[1], "enough").exists():
                await store.put(Reply(f"new {n}", "x" * 600, "stop", "new", 1, 1), "{}", Account("run", "new"), 0.0)
                assert store.get(f"new {n}")
                if n == 20:
                    print("going", flush=True)
                n += 8
        await asyncio.gather(*(put_on(first) for first in range(8)))

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make many steps of what would be one."""
    monkeypatch.setattr(pruning, "_ROWS_A_STEP", 100)
    monkeypatch.setattr(pruning, "_PAGES_A_STEP", 50)
    monkeypatch.setattr(pruning, "_PAUSE_S", 0.005)


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """Return a store with the replies 0 to 999, every fourth of model `rare`; reply n was created at second n."""
    with ReplyStore(tmp_path) as store:
        await asyncio.gather(
            *(
                store.put(Reply(str(n), f"{n} " * 250, "stop", model(n), 10, 5), "{}", Account("run", "answer"), 0.5)
                for n in range(1000)
            )
        )
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE replies SET created = CAST(request_id AS INTEGER)")
    connection.close()
    return tmp_path


def model(number: int) -> str:
    return "common" if number % 4 else "rare"


def stored(folder: Path) -> set[int]:
    with sqlite3.connect(folder / "replies.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found = {int(key) for (key,) in connection.execute("SELECT request_id FROM replies") if key.isdigit()}
    connection.close()
    return found


class TestConditions:
    def test_nothing_goes_before_it_is_said(self, folder: Path) -> None:
        with Pruning(folder, model="rare") as chosen:
            assert chosen.by_model() == {"rare": 250}
        assert len(stored(folder)) == 1000

    def test_by_model(self, folder: Path) -> None:
        with Pruning(folder, model="rare") as chosen:
            assert chosen.delete() == 250
        assert stored(folder) == {n for n in range(1000) if n % 4}

    def test_by_age(self, folder: Path) -> None:
        with Pruning(folder, created_before=600.5) as chosen:
            assert chosen.by_model() == {"common": 450, "rare": 151}
            assert chosen.delete() == 601
        assert stored(folder) == set(range(601, 1000))

    def test_all_but_what_is_kept(self, folder: Path) -> None:
        kept: Iterable[str] = (str(n) for n in (3, 500, 500, 123_456))
        with Pruning(folder, kept=kept) as chosen:
            assert chosen.n_kept() == 2
            assert chosen.delete() == 998
        assert stored(folder) == {3, 500}

    def test_all_conditions_must_hold(self, folder: Path) -> None:
        with Pruning(folder, model="rare", created_before=100, kept=map(str, range(50))) as chosen:
            assert chosen.delete() == 12
        assert set(range(1000)) - stored(folder) == set(range(52, 100, 4))


class TestFile:
    @pytest.mark.parametrize("model", ["rare", "common"])
    def test_shrinks_though_what_stays_lay_between(self, folder: Path, model: str) -> None:
        path = folder / "replies.sqlite"
        before = path.stat().st_size
        with Pruning(folder, model=model) as chosen:
            share = chosen.delete() / 1000
        assert path.stat().st_size < before * (1 - 0.9 * share)
        with ReplyStore(folder) as store:
            for n in stored(folder):
                found = store.get(str(n))
                assert found is not None and found.text == f"{n} " * 250

    def test_of_the_first_version_shrinks_too(self, folder: Path) -> None:
        path = folder / "replies.sqlite"
        with sqlite3.connect(path, isolation_level=None) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("PRAGMA auto_vacuum = NONE")
            connection.execute("VACUUM")
        connection.close()
        for condition, share in (("rare", 0.25), ("common", 0.75)):
            before = path.stat().st_size
            with Pruning(folder, model=condition) as chosen:
                chosen.delete()
            assert path.stat().st_size < before * (1 - 0.8 * share)

    async def test_what_was_paid_stays_and_a_reply_can_come_again(self, folder: Path) -> None:
        with Pruning(folder, model="rare") as chosen:
            chosen.delete()
        with ReplyStore(folder) as store:
            assert store.get("0") is None
            assert store.spent("run")["answer", "rare"] == Spent(250, 2500, 1250, 125.0)
            await store.put(Reply("0", "again", "stop", "rare", 10, 5), "{}", Account("run", "answer"), 0.5)
            assert store.get("0") is not None
            assert store.spent("run")["answer", "rare"].requests == 251

    def test_an_empty_store_stays_one(self, tmp_path: Path) -> None:
        ReplyStore(tmp_path).close()
        with Pruning(tmp_path, model="m") as chosen:
            assert chosen.by_model() == {} and chosen.delete() == 0

    def test_where_no_store_is_none_is_made(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="There is no reply store"):
            Pruning(tmp_path / "replies", model="m")
        assert list(tmp_path.iterdir()) == []


def test_a_process_that_writes_meanwhile_loses_nothing(folder: Path) -> None:
    command = [sys.executable, "-c", PUT_ON, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None and writer.stdout.readline() == "going\n"
        with Pruning(folder, model="rare") as chosen:
            assert chosen.delete() == 250
        (folder / "enough").touch()
        _, errors = writer.communicate()
    assert writer.returncode == 0, errors
    with ReplyStore(folder) as store:
        assert len(store) == 750 + store.spent("run")["new", "new"].requests
