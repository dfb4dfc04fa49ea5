"""A stub of an OpenAI chat endpoint that costs far less than any client: every request waits, then gets one reply.

    python benchmarks/stub_server.py --latency-s 0.05
    http://127.0.0.1:43127                      the address, printed once it listens

A bare HTTP/1.1 parser on asyncio, so that on two cores the client is the bottleneck and never the stub. `GET /stats`
gives the counts since the last look at it, `GET /times` the seconds at which replies were sent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

REPLY = (
    "Reply {number}. Meet the mug that has seen every sunrise of this harbour. Its glaze is the grey of early water, "
    "its handle is worn where three generations of thumbs have rested, and the chip on its rim has a story that the "
    "owner tells to anybody who asks. Fill it with something hot, sit down on the wall beside the nets, and let the "
    "boats come in one after another while the gulls argue over the first catch. It keeps your hands warm in March and "
    "your coffee warm until the last crate is on land. No other mug smells so faintly of salt. Come by before nine, "
    "for the baker brings only two trays, and take it home."
)
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_CODE = re.compile(r"```.*?```|`[^`]*`|\|", re.DOTALL)
_PLAIN_WORD = re.compile("[a-z]{1,16}")
_NUMBER = "########"  # where the reply's number goes: the same width for all, so that the head is the same too
_REPLY = REPLY.format(number=_NUMBER)


@dataclass
class Counts:
    """What `/stats` tells; `body_bytes` is the sum over all requests."""

    requests: int = 0
    refused: int = 0
    body_bytes: int = 0
    most_in_flight: int = 0


@dataclass
class Endpoint:
    """What all connections share: how long replies take, how many may be waited for, what was counted."""

    latencies: Iterator[float]
    limit: int | None
    counts: Counts = field(default_factory=Counts)
    in_flight: int = 0
    n_replies: int = 0
    times: array[float] = field(default_factory=lambda: array("d"))  # of the replies, by this process's clock
    reply: bytes = field(default_factory=lambda: _response("200 OK", json.dumps(_completion(_REPLY)).encode()))
    words: list[str] = field(default_factory=list)  # if any, each reply is made of them
    n_sentences: int = 0  # of such a reply
    dice: random.Random = field(default_factory=lambda: random.Random(0))

    def next_reply(self) -> bytes:
        """Return the whole response of one more request."""
        self.n_replies += 1
        self.times.append(time.monotonic())
        if self.words:
            text = drawn_sentences(self.words, self.n_sentences, self.dice)
            return _response("200 OK", json.dumps(_completion(text)).encode())
        return self.reply.replace(_NUMBER.encode(), b"%08d" % self.n_replies, 1)

    def look(self, path: str) -> bytes:
        """Answer a GET."""
        if path == "/stats":
            counts, self.counts = self.counts, Counts(most_in_flight=self.in_flight)
            return _response("200 OK", json.dumps(vars(counts)).encode())
        if path == "/times":
            times, self.times = self.times, array("d")
            return _response("200 OK", json.dumps(times.tolist()).encode())
        return _response("404 Not Found", b'{"error": {"message": "no such path"}}')


class Connection(asyncio.Protocol):
    """One client's connection: requests come one after another, as HTTP clients without pipelining send them."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._received = b""
        self._n_expected = 0  # bytes of the request that is arriving; 0 while its head is not whole
        self._n_body = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Collect a request and act on it once it is whole."""
        self._received += data
        if not self._n_expected:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(self._received, 0, end + 2)
            self._n_body = int(length[1]) if length else 0
            self._n_expected = end + 4 + self._n_body
        if len(self._received) >= self._n_expected:
            received, self._received, self._n_expected = self._received, b"", 0
            self._act(received)

    def _act(self, received: bytes) -> None:
        endpoint, counts = self._endpoint, self._endpoint.counts
        if not received.startswith(b"POST"):
            self._transport.write(endpoint.look(received.split(b" ", 2)[1].decode()))
        elif endpoint.limit is not None and endpoint.in_flight >= endpoint.limit:
            counts.refused += 1
            self._transport.write(_response("429 Too Many Requests", b'{"error": {"message": "too many requests"}}'))
        else:
            counts.requests += 1
            counts.body_bytes += self._n_body
            endpoint.in_flight += 1
            counts.most_in_flight = max(counts.most_in_flight, endpoint.in_flight)
            asyncio.get_running_loop().call_later(next(endpoint.latencies), self._reply)

    def _reply(self) -> None:
        self._endpoint.in_flight -= 1
        if not self._transport.is_closing():
            self._transport.write(self._endpoint.next_reply())


def latencies(
    latency_s: float, heavy_tail: tuple[float, float] | None = None, stall: tuple[int, float] | None = None
) -> Iterator[float]:
    """Yield the seconds that each request takes, in the order in which they arrive; the same ones at every call.

    `heavy_tail` is the share of slow requests and their seconds; `stall` is the number of one request, from 0, and its
    seconds.
    """
    dice = random.Random(0)
    number = 0
    while True:
        slow = heavy_tail is not None and dice.random() < heavy_tail[0]
        seconds = heavy_tail[1] if slow and heavy_tail else latency_s
        yield stall[1] if stall is not None and number == stall[0] else seconds
        number += 1


def words_as_they_stand() -> list[str]:
    """Return the words of our own pages, frequent ones often: texts of words drawn from them are as alike as any."""
    pages = sorted((Path(__file__).parent.parent / "docs").glob("*.md"))
    prose = " ".join(_CODE.sub(" ", page.read_text(encoding="utf-8")) for page in pages)
    return [word for word in prose.split() if _PLAIN_WORD.fullmatch(word)]


def drawn_sentences(words: list[str], n_sentences: int, dice: random.Random) -> str:
    """Return sentences of twenty words that mean nothing."""
    return " ".join(" ".join(dice.choices(words, k=20)).capitalize() + "." for _ in range(n_sentences))


def _completion(text: str) -> dict[str, object]:
    return {
        "id": "chatcmpl-stub",
        "object": "chat.completion",
        "created": 1_767_225_600,
        "model": "stub",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 250, "completion_tokens": 150, "total_tokens": 400},
    }


def _response(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def serve(endpoint: Endpoint, port: int) -> None:
    """Listen on loopback, print the address, and go on until the process is ended."""
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(endpoint), "127.0.0.1", port, backlog=1024
    )
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--latency-s", type=float, default=0.05, help="seconds that a reply takes")
    parser.add_argument("--heavy-tail", type=float, nargs=2, metavar=("SHARE", "SECONDS"), help="slow replies")
    parser.add_argument("--stall", type=float, nargs=2, metavar=("NUMBER", "SECONDS"), help="one very slow reply")
    parser.add_argument("--varied", type=int, metavar="N", help="replies of N sentences, no copies of each other")
    parser.add_argument("--limit", type=int, help="requests in flight beyond which the answer is 429")
    options = parser.parse_args()
    stall = options.stall and (int(options.stall[0]), options.stall[1])
    endpoint = Endpoint(latencies(options.latency_s, options.heavy_tail, stall), options.limit)
    if options.varied:
        endpoint.words, endpoint.n_sentences = words_as_they_stand(), options.varied
    asyncio.run(serve(endpoint, options.port))


if __name__ == "__main__":
    main()
