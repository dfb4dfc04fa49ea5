"""Does the client find the level that an endpoint can take, beside the best fixed one?

    python benchmarks/concurrency.py            all kinds of limit; writes the table
    python benchmarks/concurrency.py --kinds refuse

For each kind of hidden limit (`hidden_limit_server.py`) every fixed number in flight of a ladder around the limit is
tried by a bare loop that sends, and on 429 sends the same again after a short pause; the best one's throughput is what
can be had. Then our client runs from a cold start, with `concurrency` far over the limit, and in the middle of its run
the limit is halved. Output: `benchmarks/results/concurrency.md`.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from harness import HERE, machine
from mminstruct.llm.chat import Message, Request
from mminstruct.llm.endpoint import Endpoint
from mminstruct.llm.http.client import HttpChat
from mminstruct.llm.http.wire import Session
from mminstruct.llm.store.replies import ReplyStore

RESULTS = HERE / "results" / "concurrency.md"
KINDS = {"refuse": 48, "queue": 48, "rate": 600}  # and the limit at first
IN_FLIGHT = {"refuse": 1.0, "queue": 1.0, "rate": 0.05}  # places that a limit of one stands for, at 50 ms
LADDER = (0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 4.0)  # of those places
CONCURRENCY = 512
PHASE_S = 12.0  # before the limit is halved, and after
FIXED_S = 4.0
PAUSE_S = 0.02  # of the bare loop, after a 429


@dataclass(frozen=True)
class Outcome:
    """Replies a second, and refusals a hundred replies."""

    rate: float
    refused: float


@contextmanager
def limited_server(kind: str, limit: int) -> Iterator[str]:
    """Start the server in a process of its own and give its address."""
    command = [sys.executable, str(HERE / "hidden_limit_server.py"), "--kind", kind, "--limit", str(limit)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


class Watch:
    """Counts at the server between two moments."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self._session = session
        self._address = address

    async def over(self, seconds: float) -> Outcome:
        """Wait and return what came in that time."""
        before, started = await self._look(), time.monotonic()
        await asyncio.sleep(seconds)
        after, took = await self._look(), time.monotonic() - started
        replies = after["replies"] - before["replies"]
        return Outcome(replies / took, 100 * (after["refused"] - before["refused"]) / max(1, replies))

    async def _look(self) -> dict[str, int]:
        async with self._session.get(f"{self._address}/stats") as response:
            counts: dict[str, int] = await response.json()
            return counts


async def fixed(session: aiohttp.ClientSession, address: str, n_in_flight: int) -> Outcome:
    """Return what a fixed number in flight gets, once it is under way."""

    async def send_on() -> None:
        while True:
            body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
            async with session.post(f"{address}/v1/chat/completions", json=body) as response:
                await response.read()
            if response.status == 429:
                await asyncio.sleep(PAUSE_S)

    tasks = [asyncio.create_task(send_on()) for _ in range(n_in_flight)]
    await asyncio.sleep(0.5)
    outcome = await Watch(session, address).over(FIXED_S)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return outcome


async def ours(session: aiohttp.ClientSession, address: str, halved: int) -> tuple[Outcome, Outcome, list[int]]:
    """Return what our client gets from a cold start, then after the limit is halved; and its level by half seconds."""
    numbers, levels = itertools.count(), []
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        store = stack.enter_context(ReplyStore(Path(folder)))
        wires = await stack.enter_async_context(Session())
        chat = HttpChat(Endpoint((f"{address}/v1",), "m", concurrency=CONCURRENCY), store, wires)

        async def ask_on() -> None:
            while True:
                await chat.ask(Request(messages=(Message("user", str(next(numbers))),)))

        async def note_levels() -> None:
            while True:
                levels.append(chat.level)
                await asyncio.sleep(0.5)

        tasks = [asyncio.create_task(ask_on()) for _ in range(chat.rows_at_once)]
        tasks.append(asyncio.create_task(note_levels()))
        cold = await Watch(session, address).over(PHASE_S)
        async with session.post(f"{address}/limit/{halved}"):
            pass
        after = await Watch(session, address).over(PHASE_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return cold, after, levels


async def measure(kind: str) -> list[str]:
    """Return the table's rows for one kind of limit."""
    limit = KINDS[kind]
    rows = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        best: dict[int, tuple[int, Outcome]] = {}
        for now in (limit, limit // 2):
            with limited_server(kind, now) as address:
                for share in LADDER:
                    n_in_flight = max(1, round(share * now * IN_FLIGHT[kind]))
                    outcome = await fixed(session, address, n_in_flight)
                    print(f"{kind} {now}: fixed {n_in_flight}: {outcome}", file=sys.stderr)
                    if now not in best or outcome.rate > best[now][1].rate:
                        best[now] = (n_in_flight, outcome)
        with limited_server(kind, limit) as address:
            cold, halved, levels = await ours(session, address, limit // 2)
        print(f"{kind}: ours {cold} {halved}\n  levels {levels}", file=sys.stderr)
        for name, now, outcome in (("cold start", limit, cold), ("after halving", limit // 2, halved)):
            n_in_flight, most = best[now]
            rows.append(
                f"| {kind} | {name} | {now} | {n_in_flight} | {most.rate:,.0f} | {most.refused:.1f} | "
                f"{outcome.rate:,.0f} | {outcome.refused:.1f} | **{outcome.rate / most.rate:.0%}** |"
            )
    return rows


def main() -> None:
    """Measure, and write the table if all kinds were measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(KINDS), help="of refuse,queue,rate")
    kinds = parser.parse_args().kinds.split(",")
    rows = [row for kind in kinds for row in asyncio.run(measure(kind))]
    table = "\n".join(
        [
            "| limit | phase | limit is | best fixed number in flight | its replies/s | its 429s in 100 replies "
            "| our replies/s | our 429s in 100 replies | ours / best |",
            "|---|---|---|---|---|---|---|---|---|",
            *rows,
        ]
    )
    print(table)
    if set(kinds) == set(KINDS):
        RESULTS.write_text(_PAGE.format(machine=machine(["aiohttp"]), table=table, phase_s=PHASE_S), encoding="utf-8")


_PAGE = """# The level of concurrency

Written by `python benchmarks/concurrency.py`. Machine: {machine}.

An endpoint with a limit that nobody is told, 50 ms a reply. `refuse`: 429 beyond so many in flight. `queue`: so many
are worked on at a time, the others wait. `rate`: so many a second, 429 beyond. The best fixed number is the best of a
ladder from half to four times the limit, tried by a bare loop, each once it was under way. Ours counts from the first
request on, with `concurrency: 512`, over {phase_s:.0f} s; then the limit is halved, and the next {phase_s:.0f} s count.

{table}
"""


if __name__ == "__main__":
    main()
