"""The bare loop: workers that post prompts with aiohttp and read the replies' JSON, and nothing else.

Nothing is stored, retried, checked or shown: this is the wire's speed, as far as aiohttp goes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import aiohttp


async def ask_all(base_url: str, prompts: list[str], concurrency: int) -> list[str]:
    """Return the replies' texts."""
    waiting = iter(prompts)
    replies: list[str] = []

    async def worker(session: aiohttp.ClientSession) -> None:
        for prompt in waiting:
            body = {"model": "stub", "messages": [{"role": "user", "content": prompt}], "temperature": 0.7}
            async with session.post(f"{base_url}/chat/completions", json=body) as response:
                content = await response.json()
            replies.append(content["choices"][0]["message"]["content"])

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session, asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(worker(session))
    return replies


def main() -> None:
    """Read `BASE_URL PROMPTS CONCURRENCY`, ask, print what it took as JSON."""
    base_url, prompts_file, concurrency = sys.argv[1:]
    prompts = json.loads(Path(prompts_file).read_text(encoding="utf-8"))
    started, cpu_started = time.perf_counter(), time.process_time()
    replies = asyncio.run(ask_all(base_url, prompts, int(concurrency)))
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    print(json.dumps({"n_replies": len(set(replies)), "seconds": seconds, "cpu_seconds": cpu_seconds}))


if __name__ == "__main__":
    main()
