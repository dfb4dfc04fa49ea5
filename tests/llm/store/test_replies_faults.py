"""The reply store on bad ground: full disks, damaged and vanished files, several processes."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from mminstruct.errors import StoreError
from mminstruct.llm.chat import Reply
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.llm.usage import Account, Spent

ANSWER = Account("run", "answer")

FILL = """
import asyncio, pathlib, resource, sys
from mminstruct.errors import StoreError
from mminstruct.llm.chat import Reply
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.llm.usage import Account

folder, ballast = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[1], "ballast")
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)

def put(store, number):
    reply = Reply(f"{number:032x}", f"{number} " * 200, "stop", "m", 10, 5)
    return store.put(reply, "{}", Account("run", "answer"), 0.5)

async def main():
    if sys.argv[2] == "by limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, unlimited[1]))
    else:
        ballast.write_bytes(bytes(400_000))
    committed, failed = [], []
    with ReplyStore(folder / "replies") as store:
        for first in range(0, 4000, 20):
            results = await asyncio.gather(*(put(store, first + n) for n in range(20)), return_exceptions=True)
            assert all(result is None or type(result) is StoreError for result in results), results
            failed += [(first + n, str(result)) for n, result in enumerate(results) if result]
            committed += [first + n for n, result in enumerate(results) if not result]
            if len(failed) >= 60:
                break
        assert len(committed) >= 100 and len(failed) >= 60, (len(committed), len(failed))
        print(failed[0][1])
        assert all(store.get(f"{number:032x}") for number in committed)
        assert not any(store.get(f"{number:032x}") for number, _ in failed)
        assert store.spent("run")["answer", "m"].requests == len(committed) == len(store)
        if sys.argv[2] == "by limit":
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        else:
            ballast.unlink()
        await put(store, failed[0][0])
    with ReplyStore(folder / "replies") as store:
        assert len(store) == len(committed) + 1

asyncio.run(main())
"""

PUT_MANY = """
import asyncio, pathlib, sys
from mminstruct.llm.chat import Reply
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.llm.usage import Account

async def main(folder, first, step, count):
    with ReplyStore(pathlib.Path(folder)) as store:
        numbers = iter(range(first, first + step * count, step))
        async def put_on():
            for number in numbers:
                reply = Reply(f"{number:032x}", "A fine day. " * 50, "stop", "m", 10, 5)
                await store.put(reply, "{}", Account("run", f"stage {first}"), 1.0)
                assert store.get(reply.request_id)
        await asyncio.gather(*(put_on() for _ in range(64)))

asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
"""


def reply(number: int) -> Reply:
    return Reply(f"{number:032x}", f"{number} is a fine number. " * 20, "stop", "m", 10, 5)


def python(code: str, *arguments: str | Path | int) -> list[str]:
    return [sys.executable, "-c", code, *map(str, arguments)]


class TestFullDisk:
    """What was committed is there, what was not has failed with its reason, and once there is space all goes on."""

    def test_files_that_may_not_grow(self, tmp_path: Path) -> None:
        done = subprocess.run(python(FILL, tmp_path, "by limit"), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "replies.sqlite cannot be written: disk I/O error. Check the disk and its free space" in done.stdout

    def test_a_file_system_without_space(self, tmp_path: Path) -> None:
        in_small_file_system = f'mount -t tmpfs -o size=1m none "{tmp_path}" && exec "$@"'
        unshare = ["unshare", "--mount", "--map-root-user", "sh", "-c", in_small_file_system, "sh"]
        if not shutil.which("unshare") or subprocess.run([*unshare, "true"], capture_output=True).returncode:
            pytest.skip("no file system can be mounted here")
        done = subprocess.run(
            [*unshare, *python(FILL, tmp_path, "by ballast")], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "cannot be written: database or disk is full. Free some disk space" in done.stdout


class TestDamagedFile:
    async def test_the_damage_is_told_and_what_is_whole_can_be_read(self, tmp_path: Path) -> None:
        with ReplyStore(tmp_path) as store:
            await asyncio.gather(*(store.put(reply(n), "{}", ANSWER, 0.5) for n in range(2000)))
            with sqlite3.connect(store.path) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()
            third = store.path.stat().st_size // 3 // 4096 * 4096
            with store.path.open("r+b") as file:
                file.seek(third)
                file.write(b"\xa5" * third)
            outcomes = [self.look_up(store, n) for n in range(2000)]
            assert outcomes.count("right") > 100
            assert outcomes.count("damaged") > 100
            assert set(outcomes) == {"right", "damaged"}

    def look_up(self, store: ReplyStore, number: int) -> str:
        try:
            found = store.get(reply(number).request_id)
        except StoreError as error:
            assert "replies.sqlite cannot be read: " in str(error)
            assert "The file is damaged: save what can still be read with `mminstruct replies recover`" in str(error)
            return "damaged"
        return "right" if found and found.text == reply(number).text else "wrong"

    async def test_writing_to_it_fails_and_a_new_store_takes_over(self, tmp_path: Path) -> None:
        with ReplyStore(tmp_path) as store:
            await asyncio.gather(*(store.put(reply(n), "{}", ANSWER, 0.5) for n in range(500)))
        data = store.path.read_bytes()
        store.path.write_bytes(data[:4096] + b"\xa5" * (len(data) - 4096))
        with ReplyStore(tmp_path) as store:
            with pytest.raises(StoreError, match=r"cannot be written: .*The file is damaged"):
                await store.put(reply(600), "{}", ANSWER, 0.5)
            for fails in (lambda: len(store), lambda: store.spent("run"), lambda: store.mean_tokens("answer", "m")):
                with pytest.raises(StoreError, match=r"cannot be read: .*The file is damaged"):
                    fails()
        store.path.rename(tmp_path / "damaged.sqlite")
        with ReplyStore(tmp_path) as store:
            await store.put(reply(600), "{}", ANSWER, 0.5)
            assert len(store) == 1

    async def test_a_damaged_request_is_told(self, tmp_path: Path) -> None:
        with ReplyStore(tmp_path) as store:
            await store.put(reply(1), "{}", ANSWER, 0.5)
            with sqlite3.connect(store.path) as connection:
                connection.execute("UPDATE replies SET request = x'00'")
            connection.close()
            with pytest.raises(StoreError, match=r"cannot be read: .*The file is damaged"):
                store.request_body(reply(1).request_id)


class TestWriter:
    async def test_a_store_removed_while_in_use(self, tmp_path: Path) -> None:
        with ReplyStore(tmp_path) as store:
            await store.put(reply(1), "{}", ANSWER, 0.5)
            shutil.rmtree(tmp_path)
            with pytest.raises(StoreError, match=r"cannot be written: .*No such file"):
                await store.put(reply(2), "{}", ANSWER, 0.5)

    async def test_a_store_replaced_while_in_use(self, tmp_path: Path) -> None:
        with ReplyStore(tmp_path / "one") as store:
            (tmp_path / "one").rename(tmp_path / "moved")
            with ReplyStore(tmp_path / "one"), pytest.raises(StoreError, match="another file has taken its place"):
                await store.put(reply(2), "{}", ANSWER, 0.5)

    async def test_a_failed_commit_fails_its_own_puts_only(self, tmp_path: Path) -> None:
        with ReplyStore(tmp_path) as store:
            await store.put(reply(1), "{}", ANSWER, 0.5)
            with sqlite3.connect(store.path) as connection:
                connection.execute("ALTER TABLE ledger RENAME TO elsewhere")
            failed = await asyncio.gather(
                *(store.put(reply(n), "{}", ANSWER, 0.5) for n in (2, 3)), return_exceptions=True
            )
            assert [type(failure) for failure in failed] == [StoreError, StoreError]
            assert "cannot be written: no such table: ledger" in str(failed[0])
            with connection:
                connection.execute("ALTER TABLE elsewhere RENAME TO ledger")
            connection.close()
            await store.put(reply(4), "{}", ANSWER, 0.5)
            assert [bool(store.get(reply(n).request_id)) for n in (1, 2, 3, 4)] == [True, False, False, True]
            assert store.spent("run") == {("answer", "m"): Spent(2, 20, 10, 1.0)}

    async def test_a_reply_that_no_table_can_hold_raises_and_hangs_nobody(self, tmp_path: Path) -> None:
        with ReplyStore(tmp_path) as store:
            with pytest.raises(OverflowError):
                await store.put(Reply("1", "text", "stop", "m", 10**30, 5), "{}", ANSWER, 0.5)
            await store.put(reply(2), "{}", ANSWER, 0.5)
            assert len(store) == 1

    async def test_a_closed_store_takes_nothing(self, tmp_path: Path) -> None:
        store = ReplyStore(tmp_path)
        store.close()
        store.close()
        with pytest.raises(StoreError, match=r"replies.sqlite is closed"):
            await store.put(reply(1), "{}", ANSWER, 0.5)

    async def test_closing_commits_what_waits(self, tmp_path: Path) -> None:
        store = ReplyStore(tmp_path)
        puts = [asyncio.ensure_future(store.put(reply(n), "{}", ANSWER, 0.5)) for n in range(100)]
        await asyncio.sleep(0)
        store.close()
        await asyncio.gather(*puts)
        with ReplyStore(tmp_path) as store:
            assert len(store) == 100

    async def test_a_put_that_nobody_waits_for_any_more_is_kept_all_the_same(self, tmp_path: Path) -> None:
        with ReplyStore(tmp_path) as store:
            put = asyncio.ensure_future(store.put(reply(1), "{}", ANSWER, 0.5))
            await asyncio.sleep(0)
            put.cancel()
            await store.put(reply(2), "{}", ANSWER, 0.5)
            assert store.get(reply(1).request_id)


def test_two_processes_write_to_one_store_at_once(tmp_path: Path) -> None:
    """Both open a store that is not there yet; half of their replies are the same ones."""
    n_each = 3000
    processes = [
        subprocess.Popen(python(PUT_MANY, tmp_path, first, step, n_each), stderr=subprocess.PIPE, text=True)
        for first, step in ((0, 1), (1, 2))
    ]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    with ReplyStore(tmp_path) as store:
        assert len(store) == n_each + n_each // 2
        assert [sums.requests for sums in store.spent("run").values()] == [n_each, n_each]
