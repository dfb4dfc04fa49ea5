"""A session that asks through the Batch API: as a block in a test, or as a process that can be killed.

python -m support.batch_session http://127.0.0.1:8000/v1 store_folder 20
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from mminstruct.config.llm import Price
from mminstruct.llm.batch import draft as batch_draft
from mminstruct.llm.batch.chat import BatchChat
from mminstruct.llm.chat import Message, Reply, Request
from mminstruct.llm.endpoint import Endpoint
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.llm.usage import Account, Spent

ACCOUNT = Account("run", "answer")


def endpoint(base_url: str, **changes: Any) -> Endpoint:
    settings: dict[str, Any] = {
        "addresses": (base_url,),
        "model": "m",
        "max_tries": 3,
        "timeout_s": 20.0,
        "give_up_after_s": 30.0,
        "batch_size": 1000,
        "batch_poll_s": 0.02,
        "price": Price(prompt_per_million=1, completion_per_million=2),
    }
    return Endpoint(**{**settings, **changes})


def question(number: int) -> Request:
    return Request(messages=(Message("user", f"question {number}"),))


@asynccontextmanager
async def session(
    base_url: str,
    folder: Path,
    account: Account = ACCOUNT,
    told: Callable[[str], None] = lambda text: None,
    **changes: Any,
) -> AsyncIterator[BatchChat]:
    """Open the store in `folder` and a chat on it."""
    with ReplyStore(folder) as store:
        async with (
            aiohttp.ClientSession() as http,
            BatchChat(endpoint(base_url, **changes), store, http, account, folder / "batches", told=told) as chat,
        ):
            yield chat


async def ask_all(chat: BatchChat, numbers: range) -> list[Reply]:
    return list(await asyncio.gather(*(chat.ask(question(number)) for number in numbers)))


def spent(folder: Path) -> Spent:
    """What the run has paid for, by the store's ledger."""
    with ReplyStore(folder) as store:
        return sum(store.spent(ACCOUNT.run_id).values(), Spent())


def files_left(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "batches").iterdir())


async def _main(base_url: str, folder: str, n_questions: str) -> None:
    async with session(base_url, Path(folder)) as chat:
        await ask_all(chat, range(int(n_questions)))


if __name__ == "__main__":
    batch_draft.QUIET_S = 0.1
    asyncio.run(_main(*sys.argv[1:]))
