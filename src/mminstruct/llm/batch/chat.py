"""The Batch API as a Chat: requests gather into files, the endpoint works on them within a day, and it costs less.

    Request ──► reply store ──(not there)──► an open batch that has it, or the one being gathered ──► Reply

A batch is sent when it is full, or when no new request has come for a short while. From then on it is on disk
(`files.py`): a later session awaits it, and sends none of its requests again.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType

import aiohttp

from mminstruct.errors import BudgetError, StoreError
from mminstruct.llm.batch.api import BatchApi
from mminstruct.llm.batch.draft import Draft
from mminstruct.llm.batch.files import BatchRecord, StoredRequests, new_batch, open_batches
from mminstruct.llm.batch.job import AskAgain, BatchJob, Surroundings
from mminstruct.llm.batch.lines import request_line
from mminstruct.llm.budget import Budget
from mminstruct.llm.chat import Reply, Request, RequestFailed, body_text
from mminstruct.llm.endpoint import Endpoint
from mminstruct.llm.pictures import PictureCache
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.llm.usage import Account, Spent, Usage
from mminstruct.rows import Reason

LARGEST_UPLOAD = 200_000_000
"""Bytes of a batch's file, as OpenAI limits it; the limit of 50,000 requests is that of `batch_size`."""


class BatchChat:
    """A language model behind the Batch API; satisfies `Chat`. One instance a stage, as an asynchronous context.

    `folder` holds the open batches, and belongs beside the store. `told` gets a sentence whenever a batch has got on.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        store: ReplyStore,
        session: aiohttp.ClientSession,
        account: Account,
        folder: Path,
        budget: Budget | None = None,
        pictures: PictureCache | None = None,
        told: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.model = endpoint.model
        self.usage = Usage()
        self._endpoint = endpoint
        self._store = store
        self._account = account
        self._folder = folder
        self._budget = budget
        self._told = told
        self.rows_at_once = endpoint.batch_size  # to work on: a whole batch is open at once
        self._pictures = pictures or PictureCache()
        self._apis = {
            address.rstrip("/"): BatchApi(
                session, address, endpoint.headers, endpoint.timeout_s, endpoint.give_up_after_s
            )
            for address in endpoint.addresses
        }
        self._turns = itertools.cycle(self._apis)
        self._around = Surroundings(store, self._keep, told, self._n_queued, endpoint.batch_poll_s)
        self._asking: dict[str, asyncio.Task[Reply]] = {}
        self._drafts: dict[str, Draft] = {}  # by path
        self._tasks: set[asyncio.Task[None]] = set()  # one a batch
        self._jobs: dict[BatchJob, asyncio.Task[None]] = {}
        self._batch_of: dict[str, BatchJob] = {}  # by request
        self._known: set[str] = set()  # names of batches

    async def __aenter__(self) -> BatchChat:
        self._adopt_open_batches()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of everything but replies that are just coming in; open batches stay so, for the next session."""
        reading = {task for job, task in self._jobs.items() if job.is_reading}
        tasks = [*self._asking.values(), *(self._tasks - reading)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for draft in self._drafts.values():
            draft.discard()
        self._drafts.clear()
        await asyncio.gather(*reading)
        if self._jobs:
            self._told(f"{self._account.stage}: open batches left to the next session: {len(self._jobs)}.")

    @property
    def n_waiting(self) -> int:
        """Requests that wait for their reply."""
        return len(self._asking)

    async def ask(self, request: Request) -> Reply:
        """Return the stored reply, or wait for a batch that brings it; see `Chat.ask`."""
        request = request.with_parameters(self._endpoint.parameters)
        canonical = request.canonical()
        request_id = request.request_id(self.model, canonical)
        stored = self._store.get(request_id)
        if stored is not None:
            self.usage.cached += 1
            return stored
        task = self._asking.get(request_id)
        if task is None:  # else the same question from another row: one request serves both
            self._admit()
            task = asyncio.create_task(self._ask_until_answered(request, request_id, canonical))
            self._asking[request_id] = task
            task.add_done_callback(lambda done: self._forget(request_id, done))
        return await asyncio.shield(task)

    def _admit(self) -> None:
        """Raise BudgetError where no more may be spent."""
        reached = self._budget.reached() if self._budget is not None else None
        if reached is not None:
            raise BudgetError(reached)

    async def _ask_until_answered(self, request: Request, request_id: str, canonical: str) -> Reply:
        n_tries = 0
        while True:
            try:
                return await self._ask_once(request, request_id, canonical)
            except AskAgain as failure:
                n_tries += failure.counts
                if n_tries == self._endpoint.max_tries:
                    detail = f"{failure.detail} (given up after {n_tries} batches)"
                    raise RequestFailed(request_id, failure.reason, detail) from failure
                self.usage.retries += failure.counts

    async def _ask_once(self, request: Request, request_id: str, canonical: str) -> Reply:
        """Wait for the batch that has the request, or put it into the one being gathered."""
        path = "/v1/chat/completions" if request.messages else "/v1/completions"
        if path not in self._drafts:
            self._adopt_open_batches()  # another run may ask the same
        job = self._batch_of.get(request_id)
        if job is not None and not job.is_over:
            return await job.reply_to(request_id)
        text = body_text(self.model, canonical)
        line = request_line(request_id, path, await self._pictures.fill_in(text, request, request_id))
        if len(line) > LARGEST_UPLOAD:
            detail = f"found a request of {len(line):,} bytes; expected at most {LARGEST_UPLOAD:,}, a batch's limit"
            raise RequestFailed(request_id, Reason.REQUEST_REFUSED, detail)
        return await self._gather(path, request_id, text, line)

    def _gather(self, path: str, request_id: str, text: str, line: bytes) -> asyncio.Future[Reply]:
        draft = self._drafts.get(path)
        if draft is not None and draft.n_bytes + len(line) > LARGEST_UPLOAD:
            self._send(draft)
            draft = None
        if draft is None:
            files = new_batch(self._folder)
            self._known.add(files.name)
            draft = self._drafts[path] = Draft(files, path)
        future = draft.add(request_id, text, line)
        if draft.n_requests == self._endpoint.batch_size:
            self._send(draft)
        else:
            draft.after_quiet(lambda: self._when_quiet(draft))
        return future

    def _when_quiet(self, draft: Draft) -> None:
        """Send a batch that nothing was added to for a while, unless replies just come in and bring new requests."""
        if any(job.is_reading for job in self._jobs):
            draft.after_quiet(lambda: self._when_quiet(draft))
        else:
            self._send(draft)

    def _send(self, draft: Draft) -> None:
        del self._drafts[draft.path]
        draft.close()
        self._start(self._send_and_see_through(draft))

    async def _send_and_see_through(self, draft: Draft) -> None:
        record = BatchRecord(
            address=next(self._turns),
            model=self.model,
            path=draft.path,
            run_id=self._account.run_id,
            stage=self._account.stage,
        )
        try:
            await asyncio.to_thread(draft.finish)
            requests = StoredRequests(draft.files.requests_path)
            draft.files.write_record(record)
        except BaseException as error:
            draft.discard(error)
            raise
        await self._see_through(
            BatchJob(draft.files, record, requests, self._apis[record.address], self._around, draft.waiting)
        )

    async def _see_through(self, job: BatchJob) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._jobs[job] = task
        self._batch_of.update(dict.fromkeys(job.requests, job))
        await job.run()
        if job.is_over:
            del self._jobs[job]
            self._batch_of = {request_id: other for request_id, other in self._batch_of.items() if other is not job}

    def _adopt_open_batches(self) -> None:
        """Take up the open batches of this model that are not known yet, of earlier sessions and of other runs."""
        for files in open_batches(self._folder):
            if files.name in self._known:
                continue
            try:
                record = files.record()
                if record is None or record.model != self.model or record.address not in self._apis:
                    continue
                requests = StoredRequests(files.requests_path)
            except StoreError:
                if files.record_path.exists():
                    raise
                continue  # it has just ended in another run
            self._known.add(files.name)
            job = BatchJob(files, record, requests, self._apis[record.address], self._around, {}, adopted=True)
            self._batch_of.update(dict.fromkeys(requests, job))
            self._start(self._see_through(job))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as seen: it is raised where its replies are awaited

    async def _keep(self, reply: Reply, text: str, account: Account) -> None:
        """Put a reply into the store, booked on whoever ordered it."""
        cost = self._endpoint.cost(reply.prompt_tokens, reply.completion_tokens)
        await self._store.put(reply, text, account, cost)
        if self._budget is not None and account.run_id == self._account.run_id:
            self._budget.charge(Spent(1, reply.prompt_tokens, reply.completion_tokens, cost))
        if account == self._account:
            self.usage.count(reply.prompt_tokens, reply.completion_tokens)

    def _n_queued(self) -> int:
        return sum(job.is_queued for job in self._jobs)

    def _forget(self, request_id: str, task: asyncio.Task[Reply]) -> None:
        del self._asking[request_id]
        if not task.cancelled():
            task.exception()  # marks it as seen: perhaps nobody waits any more
