"""One batch from its upload to its last reply, picked up wherever an earlier session left it.

    requests on disk ─► uploaded ─► made at the endpoint ─► ended ─► replies in the store ─► files deleted, rest settled

Whoever waits for a reply of the batch holds a future. It gets the reply after its commit, or an exception:
RequestFailed (the endpoint refuses this request), AskAgain (no reply in this batch, perhaps in another), or the error
that concerns all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from mminstruct.errors import EndpointError
from mminstruct.llm.batch.api import BatchApi, RemoteBatch
from mminstruct.llm.batch.files import BatchFiles, BatchRecord, StoredRequests
from mminstruct.llm.batch.lines import read_line
from mminstruct.llm.chat import Reply, RequestFailed
from mminstruct.llm.http.faults import AllRefused, Broken, Fault, RowRefused
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.llm.usage import Account
from mminstruct.rows import Reason

_QUEUE_IS_FULL = "token_limit_exceeded"
"""What OpenAI fails a batch with where it and those before it hold more prompt tokens than the account may queue."""


class AskAgain(Exception):
    """The batch ended without a reply to this request; another batch may have one. `counts` as a try, or does not."""

    def __init__(self, reason: Reason, detail: str, counts: bool = True) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.counts = counts


@dataclass(frozen=True)
class Surroundings:
    """What the batches of one chat share."""

    store: ReplyStore
    keep: Callable[[Reply, str, Account], Awaitable[None]]  # puts a reply into the store and books it
    told: Callable[[str], None]
    n_queued: Callable[[], int]  # batches of this chat that wait at the endpoint
    poll_s: float


class BatchJob:
    """A batch that somebody looks after: this job, or another process until it ends (`adopted` in both cases)."""

    def __init__(
        self,
        files: BatchFiles,
        record: BatchRecord,
        requests: StoredRequests,
        api: BatchApi,
        surroundings: Surroundings,
        waiting: dict[str, asyncio.Future[Reply]],
        adopted: bool = False,
    ) -> None:
        self.requests = requests
        self.is_queued = False
        self.is_reading = False
        self.is_over = False  # and nobody may wait for it any more
        self._record = record
        self._files = files
        self._api = api
        self._around = surroundings
        self._waiting = waiting
        self._adopted = adopted
        self._answered: set[str] = set()
        self._error: Exception | None = None

    def reply_to(self, request_id: str) -> asyncio.Future[Reply]:
        """Return the future of one of the batch's replies; only for a job that is not over."""
        if self._error is not None:  # the batch is still open, and its requests are not to be paid for twice
            raise self._error
        return self._waiting.setdefault(request_id, asyncio.get_running_loop().create_future())

    async def run(self) -> None:
        """See the batch through; what goes wrong is raised where its replies are awaited."""
        try:
            await self._run()
        except Exception as caught:
            error = self._error = caught
            self._tell(f"is left: {error}")
            self._settle_rest(lambda request_id: error)
        finally:
            self._files.unlock()

    async def _run(self) -> None:
        if not self._adopted:
            await self._submit()
        try:
            if self._adopted and not await self._take_over():
                self._end(lambda request_id: AskAgain(Reason.REQUEST_FAILED, "its batch is gone", counts=False))
                return
            remote = await self._wait_for_end()
            failures = await self._read(remote)
        except EndpointError as error:
            raise EndpointError(
                f"{error} The open batch is noted in {self._files.record_path}. Only where it is gone for good, delete "
                "that file: its requests are then asked, and paid for, anew."
            ) from error
        self._files.delete()
        n_requests = len(self.requests)
        self._tell(f"{remote.status}: {len(self._answered):,} of {n_requests:,} requests have their reply.")
        self._end(self._sorted(remote, failures))

    async def _take_over(self) -> bool:
        """Wait until the batch is ours; return False where there is nothing (more) to be fetched."""
        if not self._files.lock():
            self._tell("is looked after by another run; its replies are awaited.")
            if not await self._outlive_the_other():
                return False
        record = self._files.record()
        self._record = record or self._record
        if record is not None and record.file_id is not None and record.batch_id is None:
            remote = await self._api.find(record.file_id, self._files.name)  # killed before it could be noted
            if remote is not None:
                self._note(batch_id=remote.batch_id)
        if record is None or self._record.batch_id is None:  # nothing was paid, and perhaps nobody wants it any more
            self._files.delete()
            return False
        self._tell(f"of {len(self.requests):,} requests is open since an earlier session; its replies are awaited.")
        return True

    async def _outlive_the_other(self) -> bool:
        """Return True once whoever looked after the batch has died, False once it has stored the replies."""
        while self._files.record_path.exists():
            if self._files.lock():
                return True
            await asyncio.sleep(self._around.poll_s)
        return False

    async def _submit(self) -> None:
        n_bytes = self._files.upload_path.stat().st_size
        self._tell(f"of {len(self.requests):,} requests, {n_bytes / 1e6:,.1f} MB, is being uploaded.")
        self._note(file_id=await self._api.upload(self._files.upload_path, n_bytes))
        await self._make()
        self._files.delete_upload()

    async def _make(self) -> None:
        assert self._record.file_id is not None, "uploaded before"
        remote = await self._api.create(self._record.file_id, self._record.path, self._files.name)
        self._note(batch_id=remote.batch_id)

    async def _wait_for_end(self) -> RemoteBatch:
        """Return the batch once it has ended; one that only found the queue full is made anew when there is room."""
        while True:
            remote = await self._watch()
            n_before_it = self._around.n_queued()
            if self._adopted or not _queue_was_full(remote) or n_before_it == 0:
                return remote
            self._tell("found the endpoint's queue full; it is tried again when a batch before it has ended.")
            await self._until_fewer_than(n_before_it)
            await self._make()

    async def _until_fewer_than(self, n_queued: int) -> None:
        while True:
            await asyncio.sleep(self._around.poll_s)
            if self._around.n_queued() < n_queued:
                return

    async def _watch(self) -> RemoteBatch:
        assert self._record.batch_id is not None, "made before"
        self.is_queued = True
        try:
            status = ""
            while True:
                remote = await self._api.retrieve(self._record.batch_id)
                if remote.status != status:
                    status = remote.status
                    self._tell(f"{status}, {remote.n_done:,} of {len(self.requests):,} requests done.")
                if remote.ended:
                    return remote
                await asyncio.sleep(self._around.poll_s)
        finally:
            self.is_queued = False

    async def _read(self, remote: RemoteBatch) -> dict[str, Fault]:
        """Store the replies and hand them on; return the faults of the requests that have none."""
        failures: dict[str, Fault] = {}
        self.is_reading = True
        try:
            for file_id in remote.files:
                async with aclosing(self._api.lines(file_id)) as groups:
                    async for group in groups:
                        await asyncio.gather(*(self._take(line, failures) for line in group))
        finally:
            self.is_reading = False
        return failures

    async def _take(self, line: Mapping[str, Any], failures: dict[str, Fault]) -> None:
        request_id = line.get("custom_id")
        if not isinstance(request_id, str) or request_id not in self.requests or request_id in self._answered:
            return
        outcome = read_line(line, request_id, self._record.model)
        if isinstance(outcome, Fault):
            failures[request_id] = outcome
            return
        self._answered.add(request_id)
        stored = self._around.store.get(request_id)  # by a session that was killed while it read: booked, too
        if stored is None:
            account = Account(self._record.run_id, self._record.stage)
            await self._around.keep(outcome, self.requests.text(request_id), account)
        future = self._waiting.pop(request_id, None)
        if future is not None and not future.done():
            future.set_result(stored or outcome)

    def _sorted(self, remote: RemoteBatch, failures: Mapping[str, Fault]) -> Callable[[str], Exception]:
        """Return the function that gives the exception for each request without a reply."""
        if remote.status == "failed":
            return lambda request_id: self._failed(remote)
        if remote.status == "cancelled" and not self._adopted:
            error = EndpointError(
                f"The batch {remote.batch_id} was cancelled at the endpoint {self._api.address}. Its finished replies "
                "are kept; run the same command again to ask the rest in a new batch."
            )
            return lambda request_id: error
        if not self._answered and failures and all(isinstance(fault, AllRefused) for fault in failures.values()):
            refused = self._all_refused(next(iter(failures.values())))
            return lambda request_id: refused
        missing = Broken(f"its batch ended as {remote.status}, without a line for it")
        return lambda request_id: _row_outcome(request_id, failures.get(request_id, missing))

    def _failed(self, remote: RemoteBatch) -> Exception:
        found = "; ".join(f"{code}: {message}" for code, message in remote.errors) or "no reason given"
        if self._adopted:  # in an earlier session, perhaps under another key or limit
            return AskAgain(Reason.REQUEST_FAILED, f"its batch failed: {found}", counts=False)
        advice = (
            "Lower `batch_size`, or wait until other batches of the account have ended"
            if _queue_was_full(remote)
            else "Check `model`, `parameters` and what the account may do"
        )
        return EndpointError(
            f"The endpoint {self._api.address} failed the whole batch {remote.batch_id}: {found}. {advice}; then run "
            "the same command again. Every reply received so far is kept."
        )

    def _all_refused(self, fault: Fault) -> EndpointError:
        return EndpointError(
            f"The endpoint {self._api.address} refused every request of a batch for model {self._record.model!r} with "
            f"{fault.detail}. Check `model` and what the account may do, then run the same command again; every reply "
            "received so far is kept."
        )

    def _end(self, outcome: Callable[[str], Exception]) -> None:
        """Settle all who still wait: with what others have stored meanwhile, or with what `outcome` says."""
        self.is_over = True
        self._settle_rest(lambda request_id: self._around.store.get(request_id) or outcome(request_id))

    def _settle_rest(self, outcome: Callable[[str], Reply | Exception]) -> None:
        for request_id, future in self._waiting.items():
            if future.done():
                continue
            result = outcome(request_id)
            if isinstance(result, Reply):
                future.set_result(result)
            else:
                future.set_exception(result)
                future.exception()  # marks it as seen: perhaps nobody waits any more
        self._waiting.clear()

    def _note(self, **changes: str) -> None:
        self._record = replace(self._record, **changes)
        self._files.write_record(self._record)

    def _tell(self, text: str) -> None:
        name = self._record.batch_id or self._files.name
        batch = name if name.startswith("batch") else f"batch {name}"
        self._around.told(f"{self._record.stage}: {batch} {text}")


def _queue_was_full(remote: RemoteBatch) -> bool:
    return remote.status == "failed" and any(code == _QUEUE_IS_FULL for code, _ in remote.errors)


def _row_outcome(request_id: str, fault: Fault) -> Exception:
    if isinstance(fault, RowRefused | AllRefused):
        return RequestFailed(request_id, Reason.REQUEST_REFUSED, fault.detail)
    reason = fault.reason if isinstance(fault, Broken) else Reason.REQUEST_FAILED
    return AskAgain(reason, fault.detail)
