"""A response put together from pieces."""

from __future__ import annotations

import gzip
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mminstruct.llm.http import response as module
from mminstruct.llm.http.response import BodyTooLarge, ConnectionBroken, Response, ResponseReader

BODY = b'{"choices": []}'
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n" + BODY
CHUNKED = (
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n4;name=x\r\n" + BODY[:4] + b"\r\nB\r\n" + BODY[4:] + b"\r\n"
    b"0\r\n\r\n"
)
WITH_TRAILERS = CHUNKED[:-2] + b"X-Checksum: 1\r\n\r\n"
AFTER_AN_INTERIM_ONE = b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN


def read(data: bytes) -> Response | None:
    return ResponseReader().read(data)


@pytest.mark.parametrize("data", [PLAIN, CHUNKED, WITH_TRAILERS, AFTER_AN_INTERIM_ONE])
@given(cuts=st.lists(st.integers(0, 200), max_size=6))
def test_pieces_of_any_size_give_the_same_response(data: bytes, cuts: list[int]) -> None:
    reader = ResponseReader()
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(edges)]
    responses = [response for piece in pieces if piece and (response := reader.read(piece)) is not None]
    assert [(response.status, response.body) for response in responses] == [(200, BODY)]
    assert reader.stays_open


def test_a_response_without_length_ends_with_its_connection() -> None:
    reader = ResponseReader()
    assert reader.read(b"HTTP/1.0 200 OK\r\n\r\n" + BODY) is None
    response = reader.end()
    assert response is not None and response.body == BODY and not reader.stays_open


@pytest.mark.parametrize("data", [PLAIN[:-1], CHUNKED[:-3], PLAIN[:30]])
def test_a_cut_response_is_none(data: bytes) -> None:
    reader = ResponseReader()
    assert reader.read(data) is None and reader.end() is None


@pytest.mark.parametrize(
    ("head", "stays_open"),
    [
        ("HTTP/1.1 200 OK\r\nConnection: close", False),
        ("HTTP/1.1 200 OK\r\nConnection: Keep-Alive", True),
        ("HTTP/1.0 200 OK", False),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive", True),
    ],
)
def test_the_connection_stays_open_as_the_head_says(head: str, stays_open: bool) -> None:
    reader = ResponseReader()
    assert reader.read(f"{head}\r\nContent-Length: 0\r\n\r\n".encode()) is not None
    assert reader.stays_open is stays_open


def test_bytes_after_the_response_spoil_the_connection() -> None:
    reader = ResponseReader()
    response = reader.read(PLAIN + b"HTTP/1.1 500")
    assert response is not None and response.body == BODY and not reader.stays_open


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_body_waits_for_none(status: int) -> None:
    response = read(f"HTTP/1.1 {status} Nothing\r\n\r\n".encode())
    assert response is not None and (response.status, response.body) == (status, b"")


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_a_gateway_that_compresses_all_the_same_is_understood(encoding: str) -> None:
    packed = gzip.compress(BODY)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(packed)}\r\n\r\n"
    response = read(head.encode() + packed)
    assert response is not None and response.body == BODY


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-4\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
        b"x" * 100_000,
    ],
)
def test_what_is_no_http_says_so(data: bytes) -> None:
    with pytest.raises(ConnectionBroken, match=r"found|unpacked|cut off"):
        read(data)


class TestSize:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "LARGEST_BODY", 100)

    @pytest.mark.parametrize(
        "data",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 101,
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
            % (len(gzip.compress(b"x" * 101)), gzip.compress(b"x" * 101)),
        ],
        ids=["announced", "chunked", "without length", "compressed"],
    )
    def test_too_large_is_said_before_it_is_read(self, data: bytes) -> None:
        with pytest.raises(BodyTooLarge):
            read(data)


@given(st.binary(max_size=300))
def test_whatever_comes_nothing_else_is_raised(data: bytes) -> None:
    for start in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"):
        reader = ResponseReader()
        try:
            response = reader.read(start + data) or reader.end()
        except (ConnectionBroken, BodyTooLarge):
            continue
        assert response is None or 200 <= response.status <= 999
