"""Opens language models: the embedded one's server, connections, the reply store, the budget; each once.

LlmConfig ──► LanguageModels.chat ──► HttpChat (live, also for the embedded model), BatchChat or VllmChat
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType

import aiohttp

from mminstruct.config.budget import BudgetConfig
from mminstruct.config.llm import LlmConfig
from mminstruct.errors import MMInstructError
from mminstruct.llm.batch.chat import BatchChat
from mminstruct.llm.budget import Budget
from mminstruct.llm.embedded import N_SLOTS, EmbeddedServer
from mminstruct.llm.endpoint import Endpoint
from mminstruct.llm.http.client import HttpChat
from mminstruct.llm.http.wire import Session
from mminstruct.llm.pictures import PictureCache
from mminstruct.llm.store.remote import Replies
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.llm.usage import Account, Spent
from mminstruct.llm.vllm.chat import VllmChat
from mminstruct.llm.vllm.processor import ask_ray

# The reply store's thread waits so long for its turn while the event loop is busy, and replies wait for the store.
# Python's own 5 ms made most of what a commit took at full speed (benchmarks/results/request_engine.md).
_THREAD_TURN_S = 0.0005

StageChat = HttpChat | BatchChat | VllmChat
"""A stage's language model, with `usage` and `rows_at_once`."""


class LanguageModels:
    """The models of one run or benchmark. Use as an asynchronous context manager: it stops servers at its end.

    `store_folder` is where replies are kept, `run_id` who pays for them, `budget` what may be spent. A worker of a
    cluster has `replies` in its place, which another process keeps; that one watches the budget too.
    """

    def __init__(self, store_folder: Path, run_id: str, budget: BudgetConfig, replies: Replies | None = None) -> None:
        self._store_folder = store_folder
        self._replies = replies
        self._run_id = run_id
        self._limits = budget
        self._stack = AsyncExitStack()
        self._live: HttpChat | None = None  # of the stage that is asking
        self._stopping: MMInstructError | None = None
        self._wires: Session | None = None
        self._embedded: EmbeddedServer | None = None

    async def __aenter__(self) -> LanguageModels:
        self._stack.callback(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(_THREAD_TURN_S)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def chat(self, llm: LlmConfig, stage: str, told: Callable[[str], None]) -> StageChat:
        """Return a language model for a stage, with a usage count of its own; `told` hears of what takes long.

        Raises what the reply store and the embedded server raise when they open.
        """
        endpoint, account = await self._endpoint(llm), Account(self._run_id, stage)
        if llm.kind == "vllm":
            engines = VllmChat(endpoint, ask_ray(llm), self._store, account, self._budget, self._pictures, told)
            return await self._stack.enter_async_context(engines)
        if llm.mode == "live":
            if self._wires is None:
                self._wires = await self._stack.enter_async_context(Session())
            replies, budget = (self._replies, None) if self._replies else (self._store, self._budget)
            self._live = HttpChat(endpoint, replies, self._wires, account, budget, self._pictures)
            if self._stopping is not None:  # it was said while the embedded server began
                self._live.stop(self._stopping)
            return self._live
        session = await self._stack.enter_async_context(aiohttp.ClientSession())
        folder = self._store_folder / "batches"
        batches = BatchChat(endpoint, self._store, session, account, folder, self._budget, self._pictures, told)
        return await self._stack.enter_async_context(batches)

    @property
    def in_flight(self) -> str:
        """What a sudden end would lose, as `8 requests`; "" where there is nothing."""
        n_requests = self._live.n_in_flight if self._live is not None else 0
        return f"{n_requests:,} requests" if n_requests else ""

    def stop(self, error: MMInstructError) -> None:
        """Send nothing more; the stage that is asking ends with `error` once those in flight have come home."""
        self._stopping = self._stopping or error
        if self._live is not None:
            self._live.stop(error)

    def budget_reached(self) -> str | None:
        """Return which limit is reached, by all that the store has booked, or None while there is money left."""
        return Budget(self._limits, sum(self.spent().values(), Spent())).reached()

    def spent(self) -> dict[tuple[str, str], Spent]:
        """Return what this run has paid for in all its sessions, by stage and model."""
        return self._store.spent(self._run_id)

    @cached_property
    def _store(self) -> ReplyStore:
        return self._stack.enter_context(ReplyStore(self._store_folder))

    @cached_property
    def _budget(self) -> Budget:
        return Budget(self._limits, sum(self.spent().values(), Spent()))

    @cached_property
    def _pictures(self) -> PictureCache:
        return PictureCache()

    async def _endpoint(self, llm: LlmConfig) -> Endpoint:
        if llm.kind == "embedded":
            if self._embedded is None:
                server = EmbeddedServer()
                self._embedded = await asyncio.to_thread(self._stack.enter_context, server)
            addresses: tuple[str, ...] = (self._embedded.base_url,)
            model = self._embedded.model
            concurrency = min(llm.concurrency, N_SLOTS)  # more would only wait in its queue, and time out there
        else:
            assert llm.model is not None, "checked when the config was read"
            addresses, model, concurrency = llm.addresses, llm.model, llm.concurrency
        return Endpoint(
            addresses=addresses,
            model=model,
            api_key=os.environ.get(llm.api_key_env, "").strip() if llm.api_key_env else None,
            concurrency=concurrency,
            requests_per_minute=llm.requests_per_minute,
            tokens_per_minute=llm.tokens_per_minute,
            timeout_s=llm.timeout_s,
            max_tries=llm.max_tries,
            give_up_after_s=llm.give_up_after_s,
            batch_size=llm.vllm.requests_at_once if llm.kind == "vllm" else llm.batch_size,
            batch_poll_s=llm.batch_poll_s,
            parameters=llm.parameters,
            price=llm.price_in_force,
        )
