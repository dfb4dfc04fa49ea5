"""The Batch API's calls against a server that fails at each of them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from mminstruct.errors import EndpointError
from mminstruct.llm.batch import api as batch_api
from mminstruct.llm.batch import draft as batch_draft
from mminstruct.llm.batch.api import BatchApi
from mminstruct.llm.batch.lines import request_line
from support.batch_faults import answer_lost, cut_off, half_of_it, html, refuse
from support.batch_server import BatchServer, Fault, Handler
from support.batch_session import ask_all, session

KINDS = ["upload", "create", "retrieve", "content"]


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with BatchServer() as server:
        yield server


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_draft, "QUIET_S", 0.05)
    monkeypatch.setattr(batch_api, "_FIRST_PAUSE_S", 0.01)


@pytest.fixture
async def api(server: BatchServer) -> AsyncIterator[BatchApi]:
    async with aiohttp.ClientSession() as http:
        yield BatchApi(http, server.base_url, {}, timeout_s=5, give_up_after_s=5)


async def nonsense(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 200 with JSON of another kind."""
    await request.read()
    return web.json_response({"hello": ["there"]})


class TestPassingFaults:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize(
        "fault",
        [refuse(429), refuse(429, headers={"Retry-After": "0"}), refuse(500), refuse(503), refuse(529), html, cut_off],
        ids=["429", "429 after", "500", "503", "529", "html", "cut off"],
    )
    async def test_are_waited_out(self, kind: str, fault: Fault, server: BatchServer, tmp_path: Path) -> None:
        server.faults[kind] = [fault, fault]
        async with session(server.base_url, tmp_path) as chat:
            replies = await ask_all(chat, range(3))
        assert [reply.text for reply in replies] == [f"Reply to question {number}" for number in range(3)]
        assert len(server.batches) == 1
        assert server.faults[kind] == []

    @pytest.mark.parametrize("kind", ["upload", "create", "retrieve"])
    async def test_json_of_another_kind_is_one(self, kind: str, server: BatchServer, tmp_path: Path) -> None:
        server.faults[kind] = [nonsense]
        async with session(server.base_url, tmp_path) as chat:
            assert len(await ask_all(chat, range(3))) == 3

    async def test_no_answer_in_time_is_one(self, server: BatchServer, tmp_path: Path) -> None:
        async def hang(request: web.Request, handler: Handler) -> web.StreamResponse:
            await asyncio.sleep(60)
            return web.Response()

        server.faults["retrieve"] = [hang]
        server.faults["content"] = [hang]
        async with session(server.base_url, tmp_path, timeout_s=0.2) as chat:
            assert len(await ask_all(chat, range(3))) == 3

    async def test_a_batch_whose_making_was_not_confirmed_is_not_made_twice(
        self, server: BatchServer, tmp_path: Path
    ) -> None:
        server.faults["create"] = [answer_lost]
        server.faults["list"] = [refuse(500)]
        async with session(server.base_url, tmp_path) as chat:
            assert len(await ask_all(chat, range(3))) == 3
        assert len(server.batches) == 1
        assert server.calls.count("create") == 1

    async def test_a_file_that_is_not_known_everywhere_yet_is_one(self, server: BatchServer, tmp_path: Path) -> None:
        server.faults["create"] = [refuse(400, "Cannot find file file-1, or project does not have access to it.")]
        async with session(server.base_url, tmp_path) as chat:
            assert len(await ask_all(chat, range(3))) == 3
        assert len(server.uploads) == 1

    async def test_results_that_break_off_go_on_where_they_were(self, api: BatchApi, server: BatchServer) -> None:
        lines = [{"custom_id": str(number), "padding": "x" * 1000} for number in range(500)]
        file_id = server.put_file("".join(json.dumps(line) + "\n" for line in lines).encode())
        at_once = threading.Event()
        at_once.set()
        server.faults["content"] = [half_of_it(at_once), half_of_it(at_once)]
        groups = [group async for group in api.lines(file_id)]
        assert [line for group in groups for line in group] == lines
        assert max(len(group) for group in groups) < len(lines) // 2  # it streams

    async def test_results_without_a_last_newline_or_with_blank_lines(self, api: BatchApi, server: BatchServer) -> None:
        file_id = server.put_file(b'{"a": 1}\n\n{"b": 2}')
        assert [line async for group in api.lines(file_id) for line in group] == [{"a": 1}, {"b": 2}]


class TestLastingFaults:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("code", [401, 403, 404, 400])
    async def test_a_refusal_stops_the_run(self, kind: str, code: int, server: BatchServer, tmp_path: Path) -> None:
        server.faults[kind] = [refuse(code, "not you")]
        async with session(server.base_url, tmp_path) as chat:
            with pytest.raises(EndpointError, match=f"refuses to .*: HTTP {code}: not you. Check `base_url`"):
                await ask_all(chat, range(3))
        async with session(server.base_url, tmp_path) as chat:  # and what was paid for is there
            await ask_all(chat, range(3))
        assert len(server.batches) == 1

    async def test_no_money_stops_the_run_at_once(self, server: BatchServer, tmp_path: Path) -> None:
        async def broke(request: web.Request, handler: Handler) -> web.StreamResponse:
            await request.read()
            return web.json_response({"error": {"message": "pay", "code": "insufficient_quota"}}, status=429)

        server.faults["create"] = [broke]
        async with session(server.base_url, tmp_path) as chat:
            with pytest.raises(EndpointError, match="HTTP 429: pay"):
                await ask_all(chat, range(3))

    @pytest.mark.parametrize("kind", KINDS)
    async def test_an_endpoint_that_stays_away_is_given_up(
        self, kind: str, server: BatchServer, tmp_path: Path
    ) -> None:
        server.faults[kind] = [refuse(500, "sorry")] * 10_000
        async with session(server.base_url, tmp_path, give_up_after_s=0.3) as chat:
            with pytest.raises(EndpointError, match=r"has failed to .* for 0.3 s .*HTTP 500: sorry"):
                await ask_all(chat, range(3))
        server.faults[kind] = []
        async with session(server.base_url, tmp_path) as chat:
            await ask_all(chat, range(3))
        assert len(server.batches) == 1

    async def test_nobody_listening(self, tmp_path: Path) -> None:
        with BatchServer() as server:
            gone = server.base_url
        async with session(gone, tmp_path, give_up_after_s=0.1) as chat:
            with pytest.raises(EndpointError, match="has failed to take a file of requests"):
                await ask_all(chat, range(3))

    async def test_results_that_are_no_lines_are_never_asked_again(self, server: BatchServer, tmp_path: Path) -> None:
        server.put_file = lambda content: "file-odd"  # type: ignore[method-assign]
        server._files["file-odd"] = b"<html>\n"
        async with session(server.base_url, tmp_path, give_up_after_s=0.1) as chat:
            with pytest.raises(EndpointError, match=r"hand out the file file-odd .*found '<html>'"):
                await ask_all(chat, range(3))
        assert len(server.batches) == 1

    async def test_a_line_without_end_does_not_fill_the_memory(
        self, api: BatchApi, server: BatchServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(batch_api, "_LONGEST_LINE", 2**20)
        monkeypatch.setattr(api, "_give_up_after_s", 0.0)
        file_id = server.put_file(b"x" * 2**23)
        with pytest.raises(EndpointError, match="found a line of over 1 MiB"):
            [group async for group in api.lines(file_id)]


class TestFind:
    async def test_looks_through_all_pages_and_past_failed_ones(
        self, api: BatchApi, server: BatchServer, tmp_path: Path
    ) -> None:
        path = tmp_path / "requests.jsonl"
        path.write_bytes(request_line("1", "/v1/completions", '{"prompt": "Once"}'))
        files = [await api.upload(path, 100) for _ in range(2)]
        ours = await api.create(files[0], "/v1/completions", "ours")
        for _ in range(250):
            await api.create(files[1], "/v1/completions", "others")
        assert await api.find("no such file", "ours") == await api.retrieve(ours.batch_id)
        assert await api.find(files[0], "no such name") == await api.retrieve(ours.batch_id)
        assert await api.find("no such file", "no such name") is None
        server.batches[0].status = "failed"
        assert await api.find(files[0], "ours") is None

    async def test_ends_where_the_server_pages_in_circles(self, api: BatchApi, server: BatchServer) -> None:
        async def first_page_again(request: web.Request, handler: Handler) -> web.StreamResponse:
            data = [{"id": "batch_1", "status": "completed", "input_file_id": "file-9"}]
            return web.json_response({"object": "list", "data": data, "has_more": True})

        server.faults["list"] = [first_page_again] * 2
        assert await api.find("file-1", "ours") is None
