"""The reply store's file: made, brought up to date, refused."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from mminstruct.errors import StoreError
from mminstruct.llm.chat import Reply
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.llm.usage import Account

VERSION_0 = """
CREATE TABLE replies (
    request_id TEXT PRIMARY KEY,
    text TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    model TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    request BLOB NOT NULL
)
"""


def make_version_0(folder: Path, n_replies: int) -> Path:
    path = folder / "replies.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(VERSION_0)
        body = zlib.compress(b'{"messages": []}', level=1)
        rows = [(str(number), f"text {number}", "stop", "m", 10, 5, body) for number in range(n_replies)]
        connection.executemany("INSERT INTO replies VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    connection.close()
    return path


class TestOlderFile:
    async def test_keeps_every_reply_and_takes_new_ones(self, tmp_path: Path) -> None:
        path = make_version_0(tmp_path, 100)
        last_change = int(time.time()) - 1_000_000
        os.utime(path, (last_change, last_change))
        with ReplyStore(tmp_path) as store:
            assert len(store) == 100
            assert store.get("7") == Reply("7", "text 7", "stop", "m", 10, 5, cached=True)
            assert store.request_body("7") == {"messages": []}
            assert store.spent("") == {}
            await store.put(Reply("new", "text", "stop", "m", 10, 5), "{}", Account("run", "answer"), None)
            assert store.spent("run")["answer", "m"].requests == 1
        with sqlite3.connect(path) as connection:  # none of the old ones is younger than the file's last change
            found = connection.execute("SELECT created, count(*) FROM replies GROUP BY created ORDER BY created")
            (old, n_old), (new, n_new) = found
            assert (old, n_old, n_new) == (last_change, 100, 1) and abs(new - time.time()) < 60
        connection.close()

    def test_several_processes_bring_it_up_to_date_at_once(self, tmp_path: Path) -> None:
        make_version_0(tmp_path, 100)
        code = (
            "import pathlib, sys\n"
            "from mminstruct.llm.store.replies import ReplyStore\n"
            "input()\n"
            "with ReplyStore(pathlib.Path(sys.argv[1])) as store: print(len(store))"
        )
        command = [sys.executable, "-c", code, str(tmp_path)]
        pipe = subprocess.PIPE
        processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(4)]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        assert [process.communicate() for process in processes] == [("100\n", "")] * 4


class TestRefused:
    def test_a_store_that_must_be_there_is_not_made(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match=r"There is no reply store: .*replies/replies.sqlite is missing"):
            ReplyStore(tmp_path / "replies", create=False)
        assert list(tmp_path.iterdir()) == []

    def test_a_file_of_a_later_version(self, tmp_path: Path) -> None:
        with ReplyStore(tmp_path) as store, sqlite3.connect(store.path) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
        with pytest.raises(StoreError, match=r"has version 99 of its tables.*Upgrade mminstruct"):
            ReplyStore(tmp_path)

    def test_a_database_of_somebody_else(self, tmp_path: Path) -> None:
        with sqlite3.connect(tmp_path / "replies.sqlite") as connection:
            connection.execute("CREATE TABLE photos (name TEXT)")
        connection.close()
        with pytest.raises(StoreError, match="no reply store: it holds the tables photos"):
            ReplyStore(tmp_path)

    @pytest.mark.parametrize("folder", ["/proc/replies", "/sys/replies"])
    def test_where_nobody_may_write(self, folder: str) -> None:
        with pytest.raises(StoreError, match=rf"{folder}/replies.sqlite cannot be opened: .*Check that the folder"):
            ReplyStore(Path(folder))

    def test_a_file_in_place_of_the_folder(self, tmp_path: Path) -> None:
        (tmp_path / "replies").write_text("in the way")
        with pytest.raises(StoreError, match=r"cannot be opened: .*Check that the folder"):
            ReplyStore(tmp_path / "replies")

    def test_a_file_that_is_no_store(self, tmp_path: Path) -> None:
        (tmp_path / "replies.sqlite").write_bytes(b"this is no database" * 100)
        with pytest.raises(
            StoreError, match=r"replies.sqlite cannot be opened: file is not a database. Point `replies`"
        ):
            ReplyStore(tmp_path)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_folder_that_is_closed_to_us(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        with pytest.raises(StoreError, match=r"cannot be opened: .*Check that the folder"):
            ReplyStore(tmp_path / "replies")
