"""Sessions killed at every stage of a batch's life: nothing is lost, and nothing is paid for twice."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from mminstruct.errors import EndpointError, StoreError
from mminstruct.llm.batch import draft as batch_draft
from mminstruct.llm.batch.files import open_batches
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.llm.usage import Account
from support.batch_faults import Held, half_of_it, refuse
from support.batch_server import BatchServer, Plan
from support.batch_session import ask_all, files_left, session, spent
from support.patience import PATIENCE_S, wait_for

N = 200
TESTS = Path(__file__).parents[2]


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with BatchServer() as server:
        yield server


@pytest.fixture(autouse=True)
def short_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_draft, "QUIET_S", 0.1)


def killed_when(server: BatchServer, folder: Path, happened: Callable[[], bool], n_questions: int = N) -> None:
    """Ask in a process of its own, and kill it the moment that `happened` is true."""
    command = [sys.executable, "-m", "support.batch_session", server.base_url, str(folder), str(n_questions)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(TESTS)})
    try:
        wait_for(happened, process)
    finally:
        process.kill()
        process.wait()


def n_stored(folder: Path) -> int:
    with ReplyStore(folder) as store:
        return len(store)


def check_whole(server: BatchServer, folder: Path, n_batches: int = 1) -> None:
    """All questions are answered, each was paid for once, and nothing is left over."""
    assert len(server.batches) == n_batches
    assert server.n_asked == N
    assert n_stored(folder) == N
    assert spent(folder).requests == N
    assert files_left(folder) == []


class TestKilled:
    async def test_before_the_upload(self, server: BatchServer, tmp_path: Path) -> None:
        held = Held(done=False)
        server.faults["upload"] = [held]
        killed_when(server, tmp_path, held.reached.is_set)
        assert len(open_batches(tmp_path / "batches")) == 1
        async with session(server.base_url, tmp_path) as chat:
            await ask_all(chat, range(N))
        assert len(server.uploads) == 1
        check_whole(server, tmp_path)

    async def test_before_the_upload_is_noted(self, server: BatchServer, tmp_path: Path) -> None:
        held = Held(done=True)
        server.faults["upload"] = [held]
        killed_when(server, tmp_path, held.reached.is_set)
        async with session(server.base_url, tmp_path) as chat:
            await ask_all(chat, range(N))
        assert len(server.uploads) == 2  # which costs nothing
        check_whole(server, tmp_path)

    async def test_between_upload_and_batch(self, server: BatchServer, tmp_path: Path) -> None:
        held = Held(done=False)
        server.faults["create"] = [held]
        killed_when(server, tmp_path, held.reached.is_set)
        async with session(server.base_url, tmp_path) as chat:
            await ask_all(chat, range(N))
        check_whole(server, tmp_path)

    async def test_before_the_batch_is_noted(self, server: BatchServer, tmp_path: Path) -> None:
        held = Held(done=True)
        server.faults["create"] = [held]
        killed_when(server, tmp_path, held.reached.is_set)
        async with session(server.base_url, tmp_path) as chat:
            replies = await ask_all(chat, range(N))
            assert chat.usage.requests == N
        assert replies[7].text == "Reply to question 7"
        assert len(server.uploads) == 1
        check_whole(server, tmp_path)

    async def test_before_the_batch_is_noted_among_many_others(self, server: BatchServer, tmp_path: Path) -> None:
        held = Held(done=True)
        server.faults["create"] = [held]
        killed_when(server, tmp_path, held.reached.is_set)
        (ours,) = server.batches
        async with session(server.base_url, tmp_path / "elsewhere", batch_size=1) as chat:
            await ask_all(chat, range(130))  # newer than ours, so two pages
        n_lists = server.calls.count("list")
        async with session(server.base_url, tmp_path) as chat:
            await ask_all(chat, range(N))
        assert server.calls.count("list") - n_lists == 2
        assert len(server.batches) == 131 and ours.status == "completed"
        assert spent(tmp_path).requests == N

    async def test_while_it_waits(self, server: BatchServer, tmp_path: Path) -> None:
        server.usual_plan = Plan(delay_s=3600)
        killed_when(server, tmp_path, lambda: server.calls.count("retrieve") >= 2)
        (batch,) = open_batches(tmp_path / "batches")
        assert not batch.upload_path.exists()
        server.finish()
        async with session(server.base_url, tmp_path) as chat:
            await ask_all(chat, range(N))
        assert len(server.uploads) == 1
        check_whole(server, tmp_path)

    async def test_in_the_middle_of_the_replies(self, server: BatchServer, tmp_path: Path) -> None:
        never = threading.Event()
        server.faults["content"] = [half_of_it(never)]
        killed_when(server, tmp_path, lambda: (tmp_path / "replies.sqlite").exists() and n_stored(tmp_path) >= N // 3)
        n_before = n_stored(tmp_path)
        assert N // 3 <= n_before < N
        async with session(server.base_url, tmp_path) as chat:
            replies = await ask_all(chat, range(N))
            assert chat.usage.requests == N - n_before
        assert sum(reply.cached for reply in replies) == n_before
        check_whole(server, tmp_path)
        never.set()

    async def test_again_and_again(self, server: BatchServer, tmp_path: Path) -> None:
        """One batch, killed at each of its stages in turn."""
        server.usual_plan = Plan(delay_s=3600)
        never = threading.Event()
        for kind, held in (("upload", Held(done=False)), ("create", Held(done=True)), ("retrieve", Held(done=True))):
            server.faults[kind] = [held]
            killed_when(server, tmp_path, held.reached.is_set)
        server.finish()
        server.faults["content"] = [half_of_it(never)]
        killed_when(server, tmp_path, lambda: n_stored(tmp_path) >= N // 3)
        async with session(server.base_url, tmp_path) as chat:
            await ask_all(chat, range(N))
        check_whole(server, tmp_path)
        never.set()


class TestAdopted:
    """Batches that an earlier session left open."""

    @pytest.fixture
    async def left(self, server: BatchServer, tmp_path: Path) -> AsyncIterator[BatchServer]:
        """A server with one open batch of N questions, left by a session that ended in good order."""
        server.usual_plan = Plan(delay_s=3600)
        heard: list[str] = []
        async with session(server.base_url, tmp_path, told=heard.append) as chat:
            asking = asyncio.create_task(ask_all(chat, range(N)))
            while "retrieve" not in server.calls:
                await asyncio.sleep(0.01)
        assert heard[-1] == "answer: open batches left to the next session: 1."
        with pytest.raises(asyncio.CancelledError):
            await asking
        server.usual_plan = Plan()
        yield server

    async def test_only_new_requests_go_up(self, left: BatchServer, tmp_path: Path) -> None:
        async with session(left.base_url, tmp_path) as chat:
            asking = asyncio.create_task(ask_all(chat, range(N + 3)))
            while len(left.batches) < 2:
                await asyncio.sleep(0.01)
            left.finish()
            assert len(await asking) == N + 3
        assert [batch.n_total for batch in left.batches] == [N, 3]

    async def test_replies_that_nobody_asks_for_are_stored_too(self, left: BatchServer, tmp_path: Path) -> None:
        left.finish()
        async with session(left.base_url, tmp_path) as chat:
            await ask_all(chat, range(3))
        assert len(left.batches) == 1
        check_whole(left, tmp_path)

    async def test_they_are_booked_on_who_ordered_them(self, left: BatchServer, tmp_path: Path) -> None:
        left.finish()
        async with session(left.base_url, tmp_path, account=Account("later", "describe")) as chat:
            await ask_all(chat, range(3))
            assert chat.usage.requests == 0
        assert spent(tmp_path).requests == N

    async def test_one_that_expired_meanwhile(self, left: BatchServer, tmp_path: Path) -> None:
        left.batches[0].plan = Plan(status="expired", n_done=150)
        async with session(left.base_url, tmp_path) as chat:
            left.finish()
            await ask_all(chat, range(N))
        assert [batch.n_total for batch in left.batches] == [N, 50]
        assert spent(tmp_path).requests == N

    @pytest.mark.parametrize("status", ["cancelled", "failed"])
    async def test_one_that_was_ended_meanwhile_does_not_stop_the_run(
        self, status: str, left: BatchServer, tmp_path: Path
    ) -> None:
        left.batches[0].plan = Plan(status=status, n_done=0)
        left.finish()
        async with session(left.base_url, tmp_path, max_tries=2) as chat:
            await ask_all(chat, range(N))
        assert [batch.n_total for batch in left.batches] == [N, N]
        assert files_left(tmp_path) == []

    async def test_one_that_the_endpoint_no_longer_knows_is_not_paid_for_again(
        self, left: BatchServer, tmp_path: Path
    ) -> None:
        left.faults["retrieve"] = [refuse(404, "No batch found"), refuse(404, "No batch found")]
        for _ in range(2):
            async with session(left.base_url, tmp_path) as chat:
                with pytest.raises(EndpointError, match=r"No batch found.*noted in .*\.json\. Only where it is gone"):
                    await ask_all(chat, range(N))
        assert len(left.batches) == 1
        for path in (tmp_path / "batches").glob("*.json"):
            path.unlink()
        async with session(left.base_url, tmp_path) as chat:
            await ask_all(chat, range(N))
        assert len(left.batches) == 2
        assert files_left(tmp_path) == []

    async def test_a_damaged_record_is_named(self, left: BatchServer, tmp_path: Path) -> None:
        (record,) = (tmp_path / "batches").glob("*.json")
        record.write_text("{")
        with pytest.raises(StoreError, match=r"\.json cannot be read: .*Mend it, or delete it"):
            async with session(left.base_url, tmp_path):
                pass


class TestTwoProcesses:
    async def test_a_batch_is_taken_over_from_a_process_that_dies(self, server: BatchServer, tmp_path: Path) -> None:
        server.usual_plan = Plan(delay_s=3600)
        command = [sys.executable, "-m", "support.batch_session", server.base_url, str(tmp_path), str(N)]
        other = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(TESTS)})
        heard: list[str] = []
        try:
            while "retrieve" not in server.calls:
                await asyncio.sleep(0.01)
            async with session(server.base_url, tmp_path, told=heard.append) as chat:
                asking = asyncio.create_task(ask_all(chat, range(N)))
                await asyncio.sleep(0.2)
                assert len(heard) == 1
                other.kill()
                other.wait()
                while len(heard) < 2:
                    await asyncio.sleep(0.01)
                server.finish()
                await asking
        finally:
            other.kill()
            other.wait()
        assert "is looked after by another run" in heard[0]
        assert "is open since an earlier session" in heard[1]
        check_whole(server, tmp_path)

    async def test_both_get_the_replies_and_one_pays(self, server: BatchServer, tmp_path: Path) -> None:
        server.usual_plan = Plan(delay_s=3600)
        command = [sys.executable, "-m", "support.batch_session", server.base_url, str(tmp_path), str(N)]
        other = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(TESTS)})
        try:
            while "retrieve" not in server.calls:
                await asyncio.sleep(0.01)
            async with session(server.base_url, tmp_path) as chat:
                asking = asyncio.create_task(ask_all(chat, range(N)))
                await asyncio.sleep(0.2)
                server.finish()
                await asking
                assert chat.usage.requests == 0
            assert await asyncio.to_thread(other.wait, PATIENCE_S) == 0
        finally:
            other.kill()
            other.wait()
        check_whole(server, tmp_path)
