"""Connections to real servers: kept, ended, refused, secured."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mminstruct.llm.http import wire
from mminstruct.llm.http.response import ConnectionBroken
from mminstruct.llm.http.wire import NoConnection, Session
from support.patience import PATIENCE_S

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Answers every request on a connection, and remembers them by connection."""

    def __init__(self, n_answers: int = 1000) -> None:
        self.requests: list[list[bytes]] = []
        self._n_answers = n_answers

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received: list[bytes] = []
        self.requests.append(received)
        try:
            while len(received) < self._n_answers:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                received.append(head + await reader.readexactly(length))
                writer.write(RESPONSE)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(serve: Serve, security: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=security)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_connection_serves_one_request_after_another() -> None:
    server = Server()
    async with listening(server.serve) as port, Session() as session:
        route = session.route(f"http://127.0.0.1:{port}/v1/chat", {"Authorization": "Bearer key"})
        for number in range(3):
            response = await route.post(b"%d" % number, 5)
            assert (response.status, response.body) == (200, b"{}")
        await asyncio.gather(*(route.post(b"{}", 5) for _ in range(4)))
    assert len(server.requests) == 4 and sum(map(len, server.requests)) == 7
    first = server.requests[0][0].decode()
    assert first.startswith("POST /v1/chat HTTP/1.1\r\n") and first.endswith("Content-Length: 1\r\n\r\n0")
    assert f"Host: 127.0.0.1:{port}\r\n" in first and "Authorization: Bearer key\r\n" in first


async def test_a_connection_that_the_server_ended_is_not_used_again() -> None:
    server = Server(n_answers=1)
    async with listening(server.serve) as port, Session() as session:
        route = session.route(f"http://127.0.0.1:{port}/v1", {})
        for _ in range(3):
            assert (await route.post(b"{}", 5)).status == 200
            await asyncio.sleep(0.01)  # the server's end of it arrives
    assert [len(requests) for requests in server.requests] == [1, 1, 1]


async def test_a_connection_that_was_idle_for_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_LONGEST_IDLE_S", 0.0)
    server = Server()
    async with listening(server.serve) as port, Session() as session:
        route = session.route(f"http://127.0.0.1:{port}/v1", {})
        await route.post(b"{}", 5)
        await route.post(b"{}", 5)
    assert len(server.requests) == 2


async def test_after_a_timeout_the_late_response_is_nobodys() -> None:
    gate = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await gate.wait()
        writer.write(RESPONSE.replace(b"{}", b"[]"))
        writer.close()

    server = Server()
    async with listening(serve) as slow, listening(server.serve) as quick, Session() as session:
        with pytest.raises(TimeoutError):
            await session.route(f"http://127.0.0.1:{slow}/v1", {}).post(b"{}", 0.5)
        gate.set()
        assert (await session.route(f"http://127.0.0.1:{quick}/v1", {}).post(b"{}", 5)).body == b"{}"


async def test_a_cancelled_request_leaves_no_connection_behind() -> None:
    server = Server(n_answers=0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the client ends it
        server.requests.append([])
        writer.close()

    async with listening(serve) as port, Session() as session:
        task = asyncio.create_task(session.route(f"http://127.0.0.1:{port}/v1", {}).post(b"{}", 60))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(PATIENCE_S):
            while not server.requests:
                await asyncio.sleep(0.01)


async def test_nobody_there_is_no_connection() -> None:
    async with listening(Server().serve) as port:
        pass
    async with Session() as session:
        with pytest.raises(NoConnection, match=r"refused|Connect call failed"):
            await session.route(f"http://127.0.0.1:{port}/v1", {}).post(b"{}", 5)


async def test_an_end_before_the_response_is_broken() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(RESPONSE[:-1])
        writer.close()

    async with listening(serve) as port, Session() as session:
        with pytest.raises(ConnectionBroken, match="before the reply's end"):
            await session.route(f"http://127.0.0.1:{port}/v1", {}).post(b"{}", 5)


class TestRoute:
    def head(self, url: str, headers: dict[str, str] | None = None) -> str:
        return Session().route(url, headers or {})._head.decode()

    def test_a_query_stays_behind_the_path(self) -> None:
        assert self.head("https://a.b/openai?api-version=1").startswith(
            "POST /openai?api-version=1 HTTP/1.1\r\nHost: a.b\r\n"
        )

    def test_a_name_and_password_in_the_address_are_sent_as_such_and_not_as_host(self) -> None:
        head = self.head("http://ann:s%40cret@h:8/v1")
        assert "Host: h:8\r\n" in head and "Authorization: Basic YW5uOnNAY3JldA==\r\n" in head

    def test_a_key_cannot_smuggle_headers_in(self) -> None:
        with pytest.raises(ValueError, match="line break"):
            self.head("http://h/v1", {"Authorization": "Bearer x\r\nX-Evil: 1"})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    command = [
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "certificate.pem"),
    ]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs openssl")
    return folder


class TestSecure:
    @pytest.fixture
    def security(self, certificate: Path) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
        return context

    async def test_a_trusted_certificate_is_accepted(
        self, certificate: Path, security: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "certificate.pem"))
        server = Server()
        async with listening(server.serve, security) as port, Session() as session:
            route = session.route(f"https://localhost:{port}/v1", {})
            assert (await route.post(b"{}", 5)).status == 200
            assert (await route.post(b"{}", 5)).status == 200
        assert [len(requests) for requests in server.requests] == [2]

    async def test_another_is_refused_before_anything_is_sent(self, security: ssl.SSLContext) -> None:
        server = Server()
        async with listening(server.serve, security) as port, Session() as session:
            with pytest.raises(NoConnection, match="certificate"):
                await session.route(f"https://localhost:{port}/v1", {}).post(b"secret", 5)
        assert not server.requests or server.requests == [[]]
