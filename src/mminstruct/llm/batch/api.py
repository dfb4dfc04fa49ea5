"""The HTTP calls of the Batch API: a file goes up, a batch is made of it and watched, its results come down.

    POST /files ─► POST /batches ─► GET /batches/{id} … ─► GET /files/{id}/content

Every call is repeated, with growing, jittered pauses, while a repetition may help (429, 5xx, a broken connection, HTML
in place of JSON), until the endpoint has failed for `give_up_after_s` on end. Reference:
https://platform.openai.com/docs/api-reference/batch and .../files.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from mminstruct.errors import EndpointError
from mminstruct.llm.http.faults import AllRefused, Broken, Fault, RowRefused, Throttled, Unreachable, refusal

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_LONGEST_ASKED_PAUSE_S = 300.0  # of what `Retry-After` asks for
_SLOWEST_UPLOAD = 50_000  # bytes a second; slower is taken for a connection that hangs
_LONGEST_LINE = 16 * 2**20  # bytes; a longer one is no reply
_NAME_IN_METADATA = "mminstruct_batch"


@dataclass(frozen=True, slots=True)
class RemoteBatch:
    """A batch as the endpoint describes it."""

    batch_id: str
    status: str  # validating, failed, in_progress, finalizing, completed, expired, cancelling, cancelled
    files: tuple[str, ...]  # of results: the output file and the error file, where there are such
    errors: tuple[tuple[str, str], ...]  # codes and messages of a batch that failed as a whole
    n_done: int

    @property
    def ended(self) -> bool:
        """Whether nothing about it will change any more."""
        return self.status in ("failed", "completed", "expired", "cancelled")


class BatchApi:
    """The Batch API at one address. Every method raises EndpointError where the endpoint refuses or stays away."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        address: str,
        headers: Mapping[str, str],
        timeout_s: float,
        give_up_after_s: float,
    ) -> None:
        self.address = address.rstrip("/")
        self._session = session
        self._headers = {name: value for name, value in headers.items() if name != "Content-Type"}
        self._timeout_s = timeout_s
        self._give_up_after_s = give_up_after_s

    async def upload(self, path: Path, n_bytes: int) -> str:
        """Send a file of request lines, of that size, and return its id."""
        patience = self._patience("take a file of requests")
        total_s = self._timeout_s + n_bytes / _SLOWEST_UPLOAD
        while True:
            try:
                with path.open("rb") as file:
                    form = aiohttp.FormData({"purpose": "batch"})
                    form.add_field("file", file, filename=path.name, content_type="application/jsonl")
                    content = await self._call("POST", "files", total_s, data=form)
                return _text(content, "id")
            except Fault as fault:
                await patience.bear(fault)

    async def create(self, file_id: str, path: str, name: str) -> RemoteBatch:
        """Make a batch of an uploaded file; never a second one where the first answer was lost on its way."""
        patience = self._patience("make a batch")
        body = {
            "input_file_id": file_id,
            "endpoint": path,
            "completion_window": "24h",
            "metadata": {_NAME_IN_METADATA: name},
        }
        while True:
            try:
                return _remote_batch(await self._call("POST", "batches", self._timeout_s, json=body))
            except Fault as fault:
                # A file that was only just uploaded is not yet known everywhere: that passes.
                await patience.bear(Broken(fault.detail) if file_id in fault.detail else fault)
            if (found := await self.find(file_id, name)) is not None:
                return found

    async def retrieve(self, batch_id: str) -> RemoteBatch:
        """Return how a batch is getting on."""
        patience = self._patience(f"tell of the batch {batch_id}")
        while True:
            try:
                return _remote_batch(await self._call("GET", f"batches/{batch_id}", self._timeout_s))
            except Fault as fault:
                await patience.bear(fault)

    async def find(self, file_id: str, name: str) -> RemoteBatch | None:
        """Return the batch that was made of this file and has not failed, or None; looks through all batches."""
        patience = self._patience("list its batches")
        after: dict[str, str] = {}
        while True:
            try:
                page = await self._call("GET", "batches", self._timeout_s, params={"limit": "100", **after})
                batches = _list(page, "data")
                for batch in batches:
                    is_ours = batch.get("input_file_id") == file_id
                    is_ours = is_ours or (batch.get("metadata") or {}).get(_NAME_IN_METADATA) == name
                    if is_ours and batch.get("status") != "failed":
                        return _remote_batch(batch)
                last = {"after": _text(batches[-1], "id")} if batches else after
            except Fault as fault:
                await patience.bear(fault)
                continue
            if not page.get("has_more") or last == after:
                return None
            after, patience = last, self._patience("list its batches")

    async def lines(self, file_id: str) -> AsyncGenerator[list[dict[str, Any]], None]:
        """Yield the lines of a file of results in groups, as they come from the network."""
        patience = self._patience(f"hand out the file {file_id}")
        n_given = 0
        while True:
            n_seen = 0
            try:
                async for group in self._stream(file_id):
                    new = group[max(0, n_given - n_seen) :]  # after a broken connection it begins anew
                    n_seen += len(group)
                    if new:
                        yield new
                        n_given = n_seen
                        patience = self._patience(f"hand out the file {file_id}")
                return
            except Fault as fault:
                await patience.bear(fault)

    async def _call(self, method: str, path: str, total_s: float, **arguments: Any) -> dict[str, Any]:
        """Make one call and return the JSON object of its 200. Raises a Fault for everything else."""
        timeout = aiohttp.ClientTimeout(total=total_s)
        with _sorted_faults(f"{total_s:g} s"):
            async with self._session.request(
                method,
                f"{self.address}/{path}",
                headers=self._headers,
                timeout=timeout,
                allow_redirects=method == "GET",  # a POST would go on as a GET
                **arguments,
            ) as response:
                data = await response.read()
                if response.status != 200:
                    raise refusal(response.status, data, response.headers)
        return _json_object(data)

    async def _stream(self, file_id: str) -> AsyncGenerator[list[dict[str, Any]], None]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout_s, sock_read=self._timeout_s)
        with _sorted_faults(f"{self._timeout_s:g} s"):
            async with self._session.get(
                f"{self.address}/files/{file_id}/content", headers=self._headers, timeout=timeout
            ) as response:
                if response.status != 200:
                    raise refusal(response.status, await response.read(), response.headers)
                rest = b""
                async for chunk in response.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    if len(rest) > _LONGEST_LINE:
                        raise Broken(f"found a line of over {_LONGEST_LINE // 2**20} MiB; expected a reply")
                    yield [_json_object(line) for line in lines if line.strip()]
                yield [_json_object(rest)] if rest.strip() else []

    def _patience(self, wanted: str) -> _Patience:
        return _Patience(self.address, wanted, self._give_up_after_s)


class _Patience:
    """The pauses between the tries of one call, until the endpoint has failed for too long."""

    def __init__(self, address: str, wanted: str, give_up_after_s: float) -> None:
        self._address = address
        self._wanted = wanted
        self._give_up_after_s = give_up_after_s
        self._failing_since: float | None = None
        self._pause_s = _FIRST_PAUSE_S

    async def bear(self, fault: Fault) -> None:
        """Wait before the next try. Raises EndpointError where no further try is of use."""
        if isinstance(fault, AllRefused | RowRefused):
            raise EndpointError(
                f"The endpoint {self._address} refuses to {self._wanted}: {fault.detail}. Check `base_url`, `model`, "
                "the key that `api_key_env` names, and whether the endpoint has the Batch API (`mode: live` works "
                "without); then run the same command again. Every reply received so far is kept."
            ) from fault
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        if now - self._failing_since >= self._give_up_after_s:
            raise EndpointError(
                f"The endpoint {self._address} has failed to {self._wanted} for {self._give_up_after_s:g} s "
                f"(`give_up_after_s`): {fault.detail}. Run the same command again once it is well; every reply "
                "received so far is kept."
            ) from fault
        asked_s = fault.pause_s if isinstance(fault, Throttled) else None
        own_s = random.uniform(self._pause_s / 2, self._pause_s)
        await asyncio.sleep(own_s if asked_s is None else min(asked_s, _LONGEST_ASKED_PAUSE_S))
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)


@contextmanager
def _sorted_faults(timeout: str) -> Iterator[None]:
    """Raise what aiohttp raises as the fault that it is."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise Unreachable("no connection in time") from error
    except TimeoutError as error:
        raise Broken(f"no answer within {timeout}", timed_out=True) from error
    except aiohttp.ClientConnectorError as error:
        raise Unreachable(str(error)) from error
    except (aiohttp.ClientError, OSError) as error:
        raise Broken(f"connection broken: {error!r}") from error


def _remote_batch(content: Mapping[str, Any]) -> RemoteBatch:
    files = (content.get("output_file_id"), content.get("error_file_id"))
    errors = content.get("errors")
    counts = content.get("request_counts")
    return RemoteBatch(
        batch_id=_text(content, "id"),
        status=_text(content, "status"),
        files=tuple(file for file in files if file),
        errors=tuple(
            (str(error.get("code")), str(error.get("message")))
            for error in (_list(errors, "data") if isinstance(errors, dict) else [])
        ),
        n_done=int(counts.get("completed") or 0) if isinstance(counts, dict) else 0,
    )


def _json_object(data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data)
        if isinstance(content, dict):
            return content
    except ValueError:
        pass
    raise Broken(f"expected a JSON object, found {data[:200].decode('utf-8', 'replace')!r}")


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str) or not value:
        raise Broken(f"expected an object with `{key}`, found {json.dumps(content)[:200]}")
    return value


def _list(content: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    value = content.get(key)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Broken(f"expected an object with a list `{key}`, found {json.dumps(content)[:200]}")
    return value
