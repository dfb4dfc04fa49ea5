"""One HTTP exchange: what is read, what is not, and how much of a body is taken at most."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mminstruct.llm.chat import Reply
from mminstruct.llm.http.exchange import exchange, read_completion
from mminstruct.llm.http.faults import AllRefused, Broken, Fault, RowRefused, Throttled, Unreachable
from mminstruct.llm.http.response import LARGEST_BODY
from mminstruct.llm.http.wire import Session
from mminstruct.rows import Reason
from support.llm_faults import Huge, refuse, send
from support.llm_server import LlmServer, completion
from support.patience import PATIENCE_S

BODY = b'{"messages": [{"content": "Hello."}]}'
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
CHOICES = st.fixed_dictionaries(
    {},
    optional={
        "message": st.fixed_dictionaries({}, optional={"content": JSON_VALUES}) | JSON_VALUES,
        "text": JSON_VALUES,
        "finish_reason": JSON_VALUES,
        "error": JSON_VALUES,
    },
)
COMPLETIONS = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(CHOICES | JSON_VALUES, max_size=2) | JSON_VALUES,
        "usage": st.dictionaries(st.sampled_from(["prompt_tokens", "completion_tokens"]), JSON_VALUES) | JSON_VALUES,
        "error": st.fixed_dictionaries({}, optional={"code": JSON_VALUES, "message": JSON_VALUES}) | JSON_VALUES,
    },
)


@pytest.fixture
def server() -> Iterator[LlmServer]:
    with LlmServer() as server:
        yield server


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    async with Session() as session:
        yield session


async def post(session: Session, base_url: str, timeout_s: float = 20.0) -> Any:
    route = session.route(f"{base_url}/chat/completions", {"Content-Type": "application/json"})
    content, _ = await exchange(route, BODY, timeout_s)
    return content


class TestExchange:
    @pytest.mark.parametrize("announced", [True, False])
    async def test_of_a_huge_body_no_more_is_taken_than_a_reply_may_have(
        self, announced: bool, server: LlmServer, session: Session
    ) -> None:
        huge = Huge(100, announced)
        server.faults = [huge]
        with pytest.raises(Broken, match="found a reply of over 16 MiB") as caught:
            await post(session, server.base_url)
        assert caught.value.reason is Reason.UNREADABLE_REPLY
        async with asyncio.timeout(PATIENCE_S):
            while not huge.n_sent:  # the server notices a little later
                await asyncio.sleep(0.01)
        assert huge.n_sent[0] < 2 * LARGEST_BODY  # what was taken, and what the sockets hold

    async def test_of_a_bomb_no_more_is_unpacked_than_a_reply_may_have(
        self, server: LlmServer, session: Session
    ) -> None:
        bomb = gzip.compress(b"a" * 400 * 2**20)
        server.faults = [send(bomb, **{"Content-Encoding": "gzip"})]
        tracemalloc.start()
        try:
            with pytest.raises(Broken, match="found a reply of over 16 MiB"):
                await post(session, server.base_url)
            assert tracemalloc.get_traced_memory()[1] < 8 * LARGEST_BODY
        finally:
            tracemalloc.stop()

    async def test_a_body_of_the_largest_size_is_read(self, server: LlmServer, session: Session) -> None:
        body = json.dumps(completion("")).encode()
        whole = body.replace(b'""', b'"' + b"a" * (LARGEST_BODY - len(body)) + b'"')
        server.faults = [send(whole), send(whole + b" ")]
        content = await post(session, server.base_url)
        assert len(content["choices"][0]["message"]["content"]) == LARGEST_BODY - len(body)
        with pytest.raises(Broken, match="over 16 MiB"):
            await post(session, server.base_url)

    async def test_a_huge_refusal_is_no_reply_either(self, server: LlmServer, session: Session) -> None:
        server.faults = [refuse(400, "a" * (LARGEST_BODY + 1))]
        with pytest.raises(Broken, match="over 16 MiB"):
            await post(session, server.base_url)

    async def test_nesting_without_end_is_unreadable(self, server: LlmServer, session: Session) -> None:
        server.faults = [send(b"[" * 100_000), send(b"[" * 100_000 + b"]" * 100_000)]
        for _ in range(2):
            with pytest.raises(Broken) as caught:
                await post(session, server.base_url)
            assert caught.value.reason is Reason.UNREADABLE_REPLY

    @pytest.mark.parametrize(
        "base_url",
        [
            "http://127.0.0.1:{gone}/v1",
            "https://127.0.0.1:{server}/v1",
            "http://no-such-host.invalid/v1",
            "http://no..host/v1",
        ],
        ids=["nobody listens", "not TLS", "no such host", "no host's name"],
    )
    async def test_where_no_connection_is_made_nobody_is_there(
        self, base_url: str, server: LlmServer, session: Session
    ) -> None:
        with LlmServer() as other:
            gone = other.port
        with pytest.raises(Unreachable) as caught:
            await post(session, base_url.format(gone=gone, server=server.port))
        assert caught.value.detail


@contextlib.asynccontextmanager
async def raw_server(*pieces: bytes) -> AsyncIterator[str]:
    """A server that sends these bytes for a reply, one piece after another, and keeps the connection open."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(BODY)
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            await reader.read()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


class TestWhatIsNoHttp:
    @pytest.mark.parametrize(
        "piece",
        [
            b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
            "HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n".encode("latin-1"),
            HEAD + "Content-Length: \xb2\r\n\r\n".encode("latin-1"),
            HEAD + b"Content-Length: -1\r\n\r\n",
            HEAD + b"Content-Length: " + 5000 * b"9" + b"\r\n\r\n",
            CHUNKED + b"-6\r\n\r\n{}\r\n",
            CHUNKED + b"-5\r\n\r\n{}\r\n",
            CHUNKED + b"many\r\n{}\r\n",
        ],
    )
    async def test_it_is_a_broken_connection_and_nobody_hangs(self, piece: bytes, session: Session) -> None:
        complaints: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        async with raw_server(piece) as base_url:
            with pytest.raises(Broken, match="connection broken: found") as caught:
                await post(session, base_url)
        assert len(caught.value.detail) < 200 and not complaints

    @pytest.mark.parametrize(
        "head",
        [HEAD + b"Server: ", CHUNKED, CHUNKED + b"0\r\n"],
        ids=["a head without end", "a chunk's size without end", "trailers without end"],
    )
    async def test_what_has_no_end_is_given_up(self, head: bytes, session: Session) -> None:
        async with raw_server(head, *600 * [b"1" * 2**17]) as base_url:
            with pytest.raises(Broken, match=r"over 16 MiB|no HTTP response"):
                await post(session, base_url, timeout_s=60)


class TestReadCompletion:
    @given(COMPLETIONS | JSON_VALUES)
    def test_whatever_comes_is_a_reply_that_can_be_stored_or_a_fault(self, content: Any) -> None:
        try:
            reply = read_completion(content, "id", "m")
        except Fault as fault:
            assert fault.detail
        else:
            assert type(reply.text) is str and type(reply.finish_reason) is str
            assert 0 <= reply.prompt_tokens < 2**63 and 0 <= reply.completion_tokens < 2**63

    @pytest.mark.parametrize(
        ("content", "reply"),
        [
            (completion("Hi there"), Reply("id", "Hi there", "stop", "m", 100, 2)),
            (completion("Hi there", chat=False), Reply("id", "Hi there", "stop", "m", 100, 2)),
            (completion("Hi there", finish_reason="length"), Reply("id", "Hi there", "length", "m", 100, 2)),
            ({"choices": [{"text": ""}], "error": None}, Reply("id", "", "stop", "m", 0, 0)),
            ({"choices": [{"text": "", "finish_reason": None}], "usage": None}, Reply("id", "", "stop", "m", 0, 0)),
        ],
    )
    def test_what_a_reply_is(self, content: Any, reply: Reply) -> None:
        assert read_completion(content, "id", "m") == reply

    @pytest.mark.parametrize("where", ["content", "choice"])
    @pytest.mark.parametrize(
        ("code", "kind"), [(400, RowRefused), (401, AllRefused), (429, Throttled), (502, Broken), ("gone", Broken)]
    )
    def test_an_error_inside_is_sorted_like_its_code(self, code: object, kind: type[Exception], where: str) -> None:
        content = completion("Half a", finish_reason="error")
        (content if where == "content" else content["choices"][0])["error"] = {"code": code, "message": "no"}
        with pytest.raises(kind):
            read_completion(content, "id", "m")

    @pytest.mark.parametrize("n_tokens", [-1, 10**30, 1e999, "many", [1]])
    def test_a_number_of_tokens_that_cannot_be_is_unreadable(self, n_tokens: object) -> None:
        with pytest.raises(Broken) as caught:
            read_completion({**completion("Hi"), "usage": {"prompt_tokens": n_tokens}}, "id", "m")
        assert caught.value.reason is Reason.UNREADABLE_REPLY
