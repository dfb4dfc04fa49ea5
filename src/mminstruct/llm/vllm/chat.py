"""vLLM inside the cluster as a Chat: requests gather into blocks, and Ray's batch processor works on a block at a time.

    Request ──► reply store ──(not there)──► the block being gathered ──► engines on Ray ──► reply store ──► Reply

A block is sent when it is full, or when no new request has come for a short while and the block before it is through:
each begins with loading the model, so that few large ones are the thing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from types import TracebackType

from mminstruct.errors import BudgetError, EndpointError, MMInstructError
from mminstruct.llm.budget import Budget
from mminstruct.llm.chat import Reply, Request, RequestFailed, body_text
from mminstruct.llm.endpoint import Endpoint
from mminstruct.llm.pictures import PictureCache
from mminstruct.llm.store.remote import Replies
from mminstruct.llm.usage import Account, Spent, Usage
from mminstruct.llm.vllm.processor import AskEngines, Form, Row, fault_of, form_of, row_of
from mminstruct.rows import Reason

_QUIET_S = 2.0  # without a new request: then a block is sent though it is not full


@dataclass(slots=True)
class _Waiting:
    """A request in a block."""

    request: Request
    text: str  # JSON, as the store keeps it
    row: Row
    future: asyncio.Future[Reply]


_Block = dict[str, _Waiting]  # by the request's id


class VllmChat:
    """A language model whose engines the run begins itself; satisfies `Chat`. One a stage, as an asynchronous context.

    A reply is handed on once it is on disk; what the engines have not answered when the run ends is asked again.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        ask_engines: AskEngines,
        store: Replies,
        account: Account,
        budget: Budget | None = None,
        pictures: PictureCache | None = None,
        told: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.model = endpoint.model
        self.usage = Usage()
        self.rows_at_once = endpoint.batch_size
        self._endpoint = endpoint
        self._ask_engines = ask_engines
        self._store = store
        self._account = account
        self._budget = budget
        self._pictures = pictures or PictureCache()
        self._told = told
        self._asking: dict[str, asyncio.Task[Reply]] = {}
        self._gathered: dict[Form, _Block] = {}
        self._added = asyncio.Event()

    async def __aenter__(self) -> VllmChat:
        self._work = asyncio.create_task(self._send_blocks())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in (self._work, *self._asking.values()):
            task.cancel()
        await asyncio.gather(self._work, *self._asking.values(), return_exceptions=True)

    async def ask(self, request: Request) -> Reply:
        """Return the stored reply, or wait for the block that brings it; see `Chat.ask`."""
        request = request.with_parameters(self._endpoint.parameters)
        canonical = request.canonical()
        request_id = request.request_id(self.model, canonical)
        if request_id not in self._asking:  # else the same question from another row: one request serves both
            self._asking[request_id] = asyncio.create_task(self._find_or_gather(request, request_id, canonical))
            self._asking[request_id].add_done_callback(lambda done: self._forget(request_id, done))
        return await asyncio.shield(self._asking[request_id])

    async def _find_or_gather(self, request: Request, request_id: str, canonical: str) -> Reply:
        stored = await self._store.find(request_id)
        if stored is not None:
            self.usage.cached += 1
            return stored
        if self._budget is not None and (reached := self._budget.reached()):
            raise BudgetError(reached)
        text = body_text(self.model, canonical)
        body = json.loads(await self._pictures.fill_in(text, request, request_id))
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(request, text, row_of(request_id, body, request), future)
        self._gathered.setdefault(form_of(request), {})[request_id] = waiting
        self._added.set()
        return await future

    def _forget(self, request_id: str, task: asyncio.Task[Reply]) -> None:
        del self._asking[request_id]
        if not task.cancelled():
            task.exception()  # marks it as seen: perhaps nobody waits any more

    async def _send_blocks(self) -> None:
        """Send one block after the other, for ever: the engines of two would want the same GPUs."""
        while True:
            await self._added.wait()
            form = max(self._gathered, key=lambda form: len(self._gathered[form]))
            while len(self._gathered[form]) < self._endpoint.batch_size:
                self._added.clear()
                try:
                    await asyncio.wait_for(self._added.wait(), _QUIET_S)
                except TimeoutError:
                    break
            block = self._gathered.pop(form)
            self._added.set() if self._gathered else self._added.clear()
            await self._work_on(form, block)

    async def _work_on(self, form: Form, block: _Block) -> None:
        """Bring a block's replies home as they come, and fail what has none."""
        self._told(f"{self._account.stage}: {len(block):,} requests go to vLLM, whose engines load the model first.")
        fault: Exception = EndpointError(f"vLLM gave no answer to some of {len(block):,} requests.")
        landing: list[asyncio.Task[None]] = []
        try:
            async for row in _from_thread(self._ask_engines(form, [each.row for each in block.values()])):
                landing.append(asyncio.create_task(self._land(block[row["key"]], row)))
        except Exception as error:
            fault = error
        landed = await asyncio.gather(*landing, return_exceptions=True)  # also what came before a failure
        fault = next((error for error in landed if isinstance(error, Exception)), fault)
        for waiting in block.values():
            if not waiting.future.done():
                waiting.future.set_exception(fault)

    async def _land(self, waiting: _Waiting, row: Row) -> None:
        """Put a reply on disk, then hand it on."""
        if fault := fault_of(row):
            waiting.future.set_exception(RequestFailed(row["key"], Reason.REQUEST_REFUSED, f"vLLM: {fault}"))
            return
        n_prompt, n_completion = int(row["prompt_tokens"]), int(row["completion_tokens"])
        limit = waiting.row["sampling_params"].get("max_tokens")
        finish_reason = "length" if limit is not None and n_completion >= limit else "stop"  # Ray tells no reason
        reply = Reply(row["key"], str(row["text"]), finish_reason, self.model, n_prompt, n_completion)
        cost = self._endpoint.cost(n_prompt, n_completion)
        await self._store.put(reply, waiting.text, self._account, cost)
        if self._budget is not None:
            self._budget.charge(Spent(1, n_prompt, n_completion, cost))
        self.usage.count(n_prompt, n_completion)
        if not waiting.future.done():  # its row was cancelled meanwhile
            waiting.future.set_result(reply)


async def _from_thread(rows: Iterator[Row]) -> AsyncGenerator[Row]:
    """Yield what engines give, which may take minutes each time, from a thread that keeps no process from ending.

    Raises EndpointError where they fail as a whole.
    """
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[tuple[Row | None, Exception | None]] = asyncio.Queue()
    is_over = threading.Event()

    def give(row: Row | None, error: Exception | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(arrived.put_nowait, (row, error))

    def iterate() -> None:
        try:
            for row in rows:
                give(row, None)
                if is_over.is_set():
                    return
        except Exception as error:
            give(None, error)
        else:
            give(None, None)

    threading.Thread(target=iterate, name="vllm", daemon=True).start()
    try:
        while True:
            row, error = await arrived.get()
            if isinstance(error, MMInstructError):
                raise error
            if error is not None:
                raise EndpointError(
                    f"vLLM on the Ray cluster failed: {type(error).__name__}: {error} Every machine with GPUs needs "
                    "`pip install 'ray[llm]'` and the model; Ray's logs tell more. Replies received so far are kept; "
                    "run the same command again."
                ) from error
            if row is None:
                return
            yield row
    finally:
        is_over.set()
