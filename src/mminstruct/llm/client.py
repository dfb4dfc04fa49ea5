"""The HTTP client: the OpenAI chat and completion protocols, with bounded concurrency, retries and the reply store.

    Request ──► reply store ──(not there)──► endpoint ──► reply store ──► Reply

What a retry can mend (429, 5xx, a broken connection, a reply that is no JSON) is tried again with growing, jittered
pauses; what concerns one row (400, 413, 422) fails that row; what concerns every row (401, 403, no such model, nobody
listening) stops the run.
"""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass
from typing import Any

import aiohttp

from mminstruct.errors import EndpointError
from mminstruct.llm.chat import Reply, Request, RequestFailed
from mminstruct.llm.replies import ReplyStore
from mminstruct.llm.usage import Account, Usage
from mminstruct.rows import Reason

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_REFUSED_FOR_EVERY_ROW = {401, 403, 404}
_WORTH_A_RETRY = {408, 409, 425, 429, 500, 502, 503, 504, 529}


@dataclass(frozen=True)
class Endpoint:
    """Where a model is asked and how hard; `parameters` are added to every request's body."""

    base_url: str
    model: str
    api_key: str | None
    concurrency: int
    timeout_s: float
    max_tries: int
    parameters: dict[str, Any]


class _TryAgain(Exception):
    def __init__(self, reason: Reason, detail: str, pause_s: float | None = None, unreachable: bool = False) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.pause_s = pause_s  # what the server asked for with Retry-After
        self.unreachable = unreachable


class HttpChat:
    """A language model at an OpenAI-compatible endpoint; satisfies `Chat`. One instance a stage, for its usage."""

    def __init__(self, endpoint: Endpoint, store: ReplyStore, session: aiohttp.ClientSession) -> None:
        self.model = endpoint.model
        self.usage = Usage()
        self._endpoint = endpoint
        self._store = store
        self._session = session
        self._places = asyncio.Semaphore(endpoint.concurrency)
        self._asking: dict[str, asyncio.Future[Reply]] = {}
        self._headers = {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
        self._jitter = random.Random()

    async def ask(self, request: Request) -> Reply:
        """Return the stored reply, or ask the endpoint; see `Chat.ask`."""
        request = Request(
            request.messages, request.prompt, {**request.parameters, **self._endpoint.parameters}, request.sample
        )
        request_id = request.request_id(self.model)
        stored = self._store.get(request_id)
        if stored is not None:
            self.usage.cached += 1
            return stored
        if request_id in self._asking:  # the same question from another row: one request serves both
            return await asyncio.shield(self._asking[request_id])
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._asking[request_id] = future
        try:
            reply = await self._ask_endpoint(request, request_id)
            future.set_result(reply)
            return reply
        except BaseException as error:
            future.set_exception(error) if isinstance(error, Exception) else future.cancel()
            if not future.cancelled():
                future.exception()  # marks it as seen: usually nobody else waits
            raise
        finally:
            del self._asking[request_id]

    async def _ask_endpoint(self, request: Request, request_id: str) -> Reply:
        body = {"model": self.model, **request.body()}
        path = "chat/completions" if request.messages else "completions"
        url = f"{self._endpoint.base_url.rstrip('/')}/{path}"
        async with self._places:
            reply = await self._with_retries(url, body, request_id)
            self.usage.requests += 1
            self.usage.prompt_tokens += reply.prompt_tokens
            self.usage.completion_tokens += reply.completion_tokens
            await self._store.put(reply, json.dumps(body, ensure_ascii=False), Account("", ""), None)
        return reply

    async def _with_retries(self, url: str, body: dict[str, Any], request_id: str) -> Reply:
        pause_s = _FIRST_PAUSE_S
        for n_tries in range(1, self._endpoint.max_tries + 1):
            try:
                return await self._try_once(url, body, request_id)
            except _TryAgain as failure:
                if n_tries == self._endpoint.max_tries:
                    raise self._given_up(url, request_id, failure) from failure
                wait_s = failure.pause_s if failure.pause_s is not None else self._jitter.uniform(pause_s / 2, pause_s)
            self.usage.retries += 1
            await asyncio.sleep(min(wait_s, _LONGEST_PAUSE_S))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        raise AssertionError("max_tries is at least 1")

    def _given_up(self, url: str, request_id: str, failure: _TryAgain) -> Exception:
        n_tries = self._endpoint.max_tries
        if failure.unreachable:
            return EndpointError(
                f"Nobody answers at {url} after {n_tries} tries: {failure.detail}. Start the server or mend "
                "`base_url`, then run the same command again; every reply received so far is kept."
            )
        return RequestFailed(request_id, failure.reason, f"{failure.detail} (given up after {n_tries} tries)")

    async def _try_once(self, url: str, body: dict[str, Any], request_id: str) -> Reply:
        timeout = aiohttp.ClientTimeout(total=self._endpoint.timeout_s)
        try:
            async with self._session.post(url, json=body, headers=self._headers, timeout=timeout) as response:
                data = await response.read()
                status, retry_after = response.status, response.headers.get("Retry-After", "")
        except TimeoutError as error:
            detail = f"no whole reply within {self._endpoint.timeout_s:g} s"
            raise _TryAgain(Reason.REQUEST_FAILED, detail) from error
        except aiohttp.ClientConnectorError as error:
            raise _TryAgain(Reason.REQUEST_FAILED, str(error), unreachable=True) from error
        except (aiohttp.ClientError, OSError) as error:
            raise _TryAgain(Reason.REQUEST_FAILED, f"connection broken: {error!r}") from error
        if status != 200:
            raise self._refusal(url, status, data, retry_after, request_id)
        return self._read_reply(data, request_id)

    def _refusal(self, url: str, status: int, data: bytes, retry_after: str, request_id: str) -> Exception:
        detail = f"HTTP {status}: {_error_text(data)}"
        if status in _REFUSED_FOR_EVERY_ROW:
            return EndpointError(
                f"The endpoint {url} refuses model {self.model!r} with {detail}. Check `base_url`, `model` and the key "
                "that `api_key_env` names, then run the same command again; every reply received so far is kept."
            )
        if status in _WORTH_A_RETRY:
            return _TryAgain(Reason.REQUEST_FAILED, detail, _seconds(retry_after))
        return RequestFailed(request_id, Reason.REQUEST_REFUSED, detail)

    def _read_reply(self, data: bytes, request_id: str) -> Reply:
        try:
            content = json.loads(data)
            choice = content["choices"][0]
            text = choice["message"]["content"] if "message" in choice else choice["text"]
            usage = content.get("usage") or {}
            return Reply(
                request_id,
                text or "",  # null content is how some endpoints say "nothing"
                choice.get("finish_reason") or "stop",
                self.model,
                int(usage.get("prompt_tokens") or 0),
                int(usage.get("completion_tokens") or 0),
            )
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            start = data[:200].decode("utf-8", "replace")
            detail = f"expected a chat completion in JSON, found {start!r} ({error!r})"
            raise _TryAgain(Reason.UNREADABLE_REPLY, detail) from error


def _error_text(data: bytes) -> str:
    """Return the message inside an error body of the OpenAI form, or the body's beginning."""
    text = data.decode("utf-8", "replace")
    try:
        error = json.loads(text)["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, LookupError, TypeError):
        return text[:300]


def _seconds(retry_after: str) -> float | None:
    try:
        return max(0.0, float(retry_after))
    except ValueError:  # absent, or an HTTP date: the usual pauses serve
        return None
