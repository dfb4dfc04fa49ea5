"""One HTTP exchange: a body goes out, a completion comes back, or one of the faults of `faults.py` is raised."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mminstruct.llm.chat import Reply
from mminstruct.llm.http.faults import Broken, Unreachable, refusal
from mminstruct.llm.http.response import LARGEST_BODY, BodyTooLarge, ConnectionBroken
from mminstruct.llm.http.wire import NoConnection, Route
from mminstruct.rows import Reason


async def exchange(route: Route, body: bytes, timeout_s: float) -> tuple[Any, Mapping[str, str]]:
    """Send a body and return the JSON of a 200 with its headers. Raises a Fault for everything else."""
    try:
        status, headers, data = await route.post(body, timeout_s)
    except NoConnection as error:
        raise Unreachable(str(error)) from error
    except TimeoutError as error:
        raise Broken(f"no whole reply within {timeout_s:g} s", timed_out=True) from error
    except ConnectionBroken as error:
        raise Broken(f"connection broken: {error}") from error
    except BodyTooLarge as error:
        raise Broken(f"found a reply of over {LARGEST_BODY // 2**20} MiB", Reason.UNREADABLE_REPLY) from error
    if status != 200:
        raise refusal(status, data, headers)
    try:
        return json.loads(data), headers
    except (ValueError, RecursionError) as error:
        raise Broken(_not_a_completion(data), Reason.UNREADABLE_REPLY) from error


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
