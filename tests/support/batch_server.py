"""A real HTTP server that speaks the OpenAI Batch API: files, batches, results; slow, failing or dying on request.

Forms after https://platform.openai.com/docs/api-reference/files and .../batch.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from aiohttp import BodyPartReader, web

from support.llm_server import completion
from support.patience import PATIENCE_S

Body = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Fault = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]
"""Answers a request in place of its handler, which it may call before."""


@dataclass
class Upload:
    file_id: str
    filename: str
    purpose: str
    lines: list[Body]


@dataclass
class Plan:
    """What becomes of a batch: it ends after `delay_s` as `status`; only its first `n_done` lines are worked on."""

    delay_s: float = 0.0
    status: str = "completed"
    n_done: int | None = None
    errors: list[Body] = field(default_factory=list)  # of a batch that fails as a whole


@dataclass
class Batch:
    batch_id: str
    input_file_id: str
    endpoint: str
    metadata: dict[str, str]
    plan: Plan
    ends_at: float
    status: str = "validating"
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: list[Body] = field(default_factory=list)
    n_completed: int = 0
    n_failed: int = 0
    n_total: int = 0


class BatchServer:
    """Serves `/v1/files` and `/v1/batches` on a free loopback port from a thread of its own. Use as a context manager.

    `uploads` and `batches` log what was sent. `plans` are used up one a batch, oldest first. `answer` gives a line's
    response from its request body: status and body, or an error object in its place. `faults` are used up one a call
    of that kind: upload, create, retrieve, list, content.
    """

    def __init__(self) -> None:
        self.uploads: list[Upload] = []
        self.batches: list[Batch] = []
        self.calls: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.plans: list[Plan] = []
        self.usual_plan = Plan()
        self.answer: Callable[[Body], tuple[int, Body] | Body] = lambda body: (200, echo(body))
        self.faults: dict[str, list[Fault]] = {kind: [] for kind in ("upload", "create", "retrieve", "list", "content")}
        self._files: dict[str, bytes] = {}
        self._numbers = itertools.count(1)
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.port = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def n_asked(self) -> int:
        """Requests in all batches that were made: what is paid for, unless a batch fails."""
        return sum(batch.n_total for batch in self.batches)

    def finish(self) -> None:
        """Let every open batch end with its next look."""
        for batch in self.batches:
            batch.ends_at = 0.0

    def put_file(self, content: bytes) -> str:
        """Keep a file of results and return its id."""
        file_id = f"file-{next(self._numbers)}"
        self._files[file_id] = content
        return file_id

    def __enter__(self) -> BatchServer:
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._loop.call_soon(self._ready.set)  # from within run_forever, or an early stop would be lost
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application(client_max_size=2**28)
        app.router.add_post("/v1/files", self._with_faults("upload", self._upload))
        app.router.add_get("/v1/files/{file_id}/content", self._with_faults("content", self._content))
        app.router.add_post("/v1/batches", self._with_faults("create", self._create))
        app.router.add_get("/v1/batches", self._with_faults("list", self._list))
        app.router.add_get("/v1/batches/{batch_id}", self._with_faults("retrieve", self._retrieve))
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    def _with_faults(self, kind: str, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.calls.append(kind)
            self.headers.append(dict(request.headers))
            if self.faults[kind]:
                return await self.faults[kind].pop(0)(request, handler)
            return await handler(request)

        return handle

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        fields: dict[str, bytes] = {}
        filename = ""
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader) and part.name is not None
            filename = part.filename or filename
            fields[part.name] = bytes(await part.read())
        if not filename.endswith(".jsonl"):
            return error(400, "Invalid file format for Batch API. Must be .jsonl")
        file_id = f"file-{next(self._numbers)}"
        content = fields["file"]
        self._files[file_id] = content
        lines = [json.loads(line) for line in content.decode().splitlines()]
        self.uploads.append(Upload(file_id, filename, fields["purpose"].decode(), lines))
        return web.json_response(
            {
                "id": file_id,
                "object": "file",
                "bytes": len(content),
                "created_at": int(time.time()),
                "filename": filename,
                "purpose": "batch",
                "status": "processed",
            }
        )

    async def _create(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if body["input_file_id"] not in self._files:
            return error(400, f"Cannot find file {body['input_file_id']}, or project does not have access to it.")
        if body["completion_window"] != "24h":
            return error(400, "completion_window must be 24h")
        plan = self.plans.pop(0) if self.plans else self.usual_plan
        batch = Batch(
            f"batch_{next(self._numbers)}",
            body["input_file_id"],
            body["endpoint"],
            body.get("metadata") or {},
            plan,
            time.monotonic() + plan.delay_s,
        )
        batch.n_total = len(self._lines(batch))
        self.batches.append(batch)
        return web.json_response(self._described(batch))

    async def _retrieve(self, request: web.Request) -> web.StreamResponse:
        found = [batch for batch in self.batches if batch.batch_id == request.match_info["batch_id"]]
        if not found:
            return error(404, f"No batch found with id '{request.match_info['batch_id']}'.")
        self._go_on(found[0])
        return web.json_response(self._described(found[0]))

    async def _list(self, request: web.Request) -> web.StreamResponse:
        newest_first = self.batches[::-1]
        for batch in newest_first:
            self._go_on(batch)
        ids = [batch.batch_id for batch in newest_first]
        start = ids.index(request.query["after"]) + 1 if "after" in request.query else 0
        page = newest_first[start : start + int(request.query.get("limit", 20))]
        return web.json_response(
            {
                "object": "list",
                "data": [self._described(batch) for batch in page],
                "first_id": page[0].batch_id if page else None,
                "last_id": page[-1].batch_id if page else None,
                "has_more": start + len(page) < len(newest_first),
            }
        )

    async def _content(self, request: web.Request) -> web.StreamResponse:
        content = self._files.get(request.match_info["file_id"])
        if content is None:
            return error(404, f"No such File object: {request.match_info['file_id']}")
        return web.Response(body=content, content_type="application/octet-stream")

    def _lines(self, batch: Batch) -> list[Body]:
        return next(upload.lines for upload in self.uploads if upload.file_id == batch.input_file_id)

    def _described(self, batch: Batch) -> Body:
        return {
            "id": batch.batch_id,
            "object": "batch",
            "endpoint": batch.endpoint,
            "errors": {"object": "list", "data": batch.errors} if batch.errors else None,
            "input_file_id": batch.input_file_id,
            "completion_window": "24h",
            "status": batch.status,
            "output_file_id": batch.output_file_id,
            "error_file_id": batch.error_file_id,
            "created_at": int(time.time()),
            "request_counts": {"total": batch.n_total, "completed": batch.n_completed, "failed": batch.n_failed},
            "metadata": batch.metadata,
        }

    def _go_on(self, batch: Batch) -> None:
        """Bring the batch to where it is by now: validating, then in progress, then as its plan says."""
        plan = batch.plan
        if batch.status not in ("validating", "in_progress"):
            return
        if time.monotonic() < batch.ends_at:
            batch.status = "in_progress"
            return
        batch.status, batch.errors = plan.status, plan.errors
        if plan.status == "failed":
            return
        lines = self._lines(batch)
        n_done = len(lines) if plan.n_done is None else plan.n_done
        output: list[str] = []
        errors: list[str] = []
        for number, line in enumerate(lines):
            outcome = self.answer(line["body"]) if number < n_done else unfinished(plan.status)
            good = isinstance(outcome, tuple) and outcome[0] == 200
            (output if good else errors).append(self._result_line(line["custom_id"], outcome))
        batch.n_completed, batch.n_failed = len(output), len(errors)
        batch.output_file_id = self.put_file("".join(output).encode("utf-8", "backslashreplace")) if output else None
        batch.error_file_id = self.put_file("".join(errors).encode()) if errors else None

    def _result_line(self, custom_id: str, outcome: tuple[int, Body] | Body) -> str:
        result: Body = {"id": f"batch_req_{next(self._numbers)}", "custom_id": custom_id, "response": None}
        if isinstance(outcome, tuple):
            request_id = f"req_{next(self._numbers)}"
            result["response"] = {"status_code": outcome[0], "request_id": request_id, "body": outcome[1]}
        result["error"] = None if isinstance(outcome, tuple) else outcome
        return json.dumps(result, ensure_ascii=False) + "\n"


def unfinished(status: str) -> Body:
    """Return the error of a line that was not worked on before its batch ended."""
    if status == "expired":
        message = "This request could not be executed before the completion window expired."
    else:
        message = f"This request was not executed: the batch was {status}."
    return {"code": f"batch_{status}", "message": message}


def echo(body: Body) -> Body:
    """Return a completion whose text tells which request it answers."""
    if "messages" in body:
        return completion(f"Reply to {body['messages'][-1]['content']}")
    return completion(f"Continued {body['prompt']}", chat=False)


def error(code: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """Return an error as the API gives it."""
    content = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}
    return web.json_response(content, status=code, headers=headers)
