"""One HTTP exchange: a body goes out, a completion comes back, or one of the faults of `faults.py` is raised."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from mminstruct.llm.chat import Reply
from mminstruct.llm.faults import Broken, Unreachable, refusal
from mminstruct.rows import Reason

LARGEST_REPLY = 16 * 2**20
"""Bytes of a response; a longer one is no chat completion, and must not fill the memory."""


async def exchange(
    session: aiohttp.ClientSession, url: str, body: bytes, headers: Mapping[str, str], limits: aiohttp.ClientTimeout
) -> tuple[Any, Mapping[str, str]]:
    """Send a body and return the JSON of a 200 with its headers. Raises a Fault for everything else."""
    try:
        async with session.post(url, data=body, headers=headers, timeout=limits, allow_redirects=False) as response:
            data = await _read_bounded(response)
            if response.status != 200:
                raise refusal(response.status, data, response.headers)
    except aiohttp.ConnectionTimeoutError as error:
        raise Unreachable("no connection in time") from error
    except TimeoutError as error:
        raise Broken(f"no whole reply within {limits.total:g} s", timed_out=True) from error
    except aiohttp.ClientConnectorError as error:
        raise Unreachable(str(error.os_error)) from error
    except (aiohttp.ClientError, OSError) as error:
        raise Broken(f"connection broken: {error!r}") from error
    try:
        return json.loads(data), response.headers
    except (ValueError, RecursionError) as error:
        raise Broken(_not_a_completion(data), Reason.UNREADABLE_REPLY) from error


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    """Return the response's body. Raises Broken as soon as it is longer than any completion."""
    if response.content_length is not None and "Content-Encoding" not in response.headers:
        if response.content_length <= LARGEST_REPLY:
            return await response.read()
    else:  # chunked or compressed: its length shows on the way
        data = bytearray()
        async for chunk in response.content.iter_any():
            data += chunk
            if len(data) > LARGEST_REPLY:
                break
        else:
            return bytes(data)
    response.close()
    raise Broken(f"found a reply of over {LARGEST_REPLY // 2**20} MiB", Reason.UNREADABLE_REPLY)


def read_completion(content: Any, request_id: str, model: str) -> Reply:
    """Return the reply in a chat or text completion's JSON. Raises Broken where it is none.

    An error inside a 200, as some gateways send it, is sorted like an HTTP error of its `code`. It may stand in the
    choice, beside the text that came before a provider broke off.
    """
    inner = None
    try:
        inner = content.get("error")
        choice = content["choices"][0]
        inner = inner or choice.get("error")
        if inner:
            raise ValueError("an error in place of a reply")
        text = choice["message"]["content"] if "message" in choice else choice["text"]
        text = "" if text is None else text  # null content is how some endpoints say "nothing"
        if not isinstance(text, str):
            raise TypeError("the content is not text")
        usage = content.get("usage") or {}
        return Reply(
            request_id,
            text,
            str(choice.get("finish_reason") or "stop"),
            model,
            _count(usage.get("prompt_tokens")),
            _count(usage.get("completion_tokens")),
        )
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        if isinstance(inner, dict) and isinstance(inner.get("code"), int) and inner["code"] >= 400:
            raise refusal(inner["code"], json.dumps({"error": inner}).encode(), {}) from error
        raise Broken(_not_a_completion(json.dumps(content).encode()), Reason.UNREADABLE_REPLY) from error


def _count(tokens: Any) -> int:
    """Return a number of tokens, zero where it is not told. Raises ValueError where it is none that could be true."""
    n_tokens = int(tokens or 0)
    if not 0 <= n_tokens < 2**40:
        raise ValueError(f"{n_tokens} tokens")
    return n_tokens


def _not_a_completion(data: bytes) -> str:
    return f"expected a chat completion in JSON, found {data[:200].decode('utf-8', 'replace')!r}"
