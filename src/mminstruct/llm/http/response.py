"""One HTTP/1.1 response, put together from pieces of any size (RFC 9112), and never larger than memory allows."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import NamedTuple

LARGEST_BODY = 16 * 2**20
"""Bytes of a response's body; a longer one is no chat completion, and must not fill the memory."""

_LARGEST_HEAD = 64 * 2**10
_WITHOUT_BODY = {204, 304}


class Response(NamedTuple):
    """A whole response; the headers' names are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ConnectionBroken(Exception):
    """The connection ended, or what came over it is no HTTP, before the response was whole."""


class BodyTooLarge(Exception):
    """The response's body is longer than LARGEST_BODY."""


class ResponseReader:
    """Takes pieces as they come and gives the response once it is whole; one response a reader."""

    def __init__(self) -> None:
        self.stays_open = True
        self._received = bytearray()
        self._head: tuple[int, dict[str, str]] | None = None
        self._length: int | None = None  # of the body; None: in chunks, or until the connection ends
        self._is_chunked = False
        self._chunks: list[bytes] = []
        self._n_bytes = 0  # of the chunks

    def read(self, data: bytes) -> Response | None:
        """Take the next piece; return the response once it is whole. Raises ConnectionBroken, BodyTooLarge."""
        self._received += data
        if self._head is None and not self._read_head():
            return None
        if self._is_chunked:
            if len(self._received) > 2 * LARGEST_BODY:  # a chunk's size, or trailers, without end
                raise BodyTooLarge
            return self._response(b"".join(self._chunks)) if self._read_chunks() else None
        if len(self._received) > LARGEST_BODY:
            raise BodyTooLarge
        if self._length is None or len(self._received) < self._length:
            return None
        self.stays_open = self.stays_open and len(self._received) == self._length
        return self._response(bytes(self._received[: self._length]))

    def end(self) -> Response | None:
        """The connection has ended; return the response if that is how its end is told."""
        if self._head is None or self._is_chunked or self._length is not None:
            return None
        return self._response(bytes(self._received))

    def _read_head(self) -> bool:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            if len(self._received) > _LARGEST_HEAD:
                raise ConnectionBroken(f"found no HTTP response but {bytes(self._received[:60])!r}")
            return False
        first, *lines = bytes(self._received[:end]).decode("latin-1").split("\r\n")
        del self._received[: end + 4]
        version, _, rest = first.partition(" ")
        if not version.startswith("HTTP/1.") or not _is_number(rest[:3]):
            raise ConnectionBroken(f"found no HTTP response but {first[:60]!r}")
        status = int(rest[:3])
        if status < 200:  # an interim response; the real one follows
            return self._read_head()
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        self._head = status, headers
        self._is_chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        if status in _WITHOUT_BODY:
            self._length = 0
        elif not self._is_chunked and "content-length" in headers:
            self._length = _content_length(headers["content-length"])
        connection = headers.get("connection", "").lower()
        self.stays_open = connection != "close" and (version != "HTTP/1.0" or connection == "keep-alive")
        return True

    def _read_chunks(self) -> bool:
        """Move whole chunks over; tell whether the last one was among them."""
        while (end := self._received.find(b"\r\n")) >= 0:
            try:
                size = int(self._received[:end].split(b";")[0], 16)
                if size < 0:
                    raise ValueError("a size below zero")
            except ValueError as error:
                raise ConnectionBroken(
                    f"found {bytes(self._received[:60])!r} where a chunk's size should be"
                ) from error
            if self._n_bytes + size > LARGEST_BODY:
                raise BodyTooLarge
            if size == 0:  # then trailers, which nobody needs, and an empty line
                return self._received.startswith(b"\r\n", end + 2) or b"\r\n\r\n" in self._received[end:]
            if len(self._received) < end + 2 + size + 2:
                return False
            self._chunks.append(bytes(self._received[end + 2 : end + 2 + size]))
            self._n_bytes += size
            del self._received[: end + 2 + size + 2]
        return False

    def _response(self, body: bytes) -> Response:
        assert self._head is not None
        status, headers = self._head
        encoding = headers.get("content-encoding", "identity").lower()
        return Response(status, headers, body if encoding == "identity" else _unpacked(body, encoding))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20


def _content_length(text: str) -> int:
    if not _is_number(text):
        raise ConnectionBroken(f"found Content-Length: {text[:30]!r}, expected a number")
    if int(text) > LARGEST_BODY:
        raise BodyTooLarge
    return int(text)


def _unpacked(body: bytes, encoding: str) -> bytes:
    """Return a compressed body as it was; endpoints are asked not to compress, and some gateways do."""
    if encoding not in ("gzip", "deflate", "x-gzip"):
        raise ConnectionBroken(f"found Content-Encoding: {encoding[:30]!r}, expected none")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        data = unpacker.decompress(body, LARGEST_BODY + 1)
    except zlib.error as error:
        raise ConnectionBroken(f"the {encoding} body cannot be unpacked ({error})") from error
    if len(data) > LARGEST_BODY:
        raise BodyTooLarge
    if not unpacker.eof:
        raise ConnectionBroken(f"the {encoding} body is cut off")
    return data
