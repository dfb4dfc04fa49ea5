"""The lines of a batch: a request's in the file that is uploaded, a reply's or a failure's in those that come back.

    {"custom_id": "5d41…", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m", "messages": […]}}
    {"custom_id": "5d41…", "response": {"status_code": 200, "request_id": "…", "body": {"choices": […]}}, "error": null}
    {"custom_id": "5d41…", "response": null, "error": {"code": "batch_expired", "message": "…"}}

The form is the Batch API's (https://platform.openai.com/docs/api-reference/batch/request-input and request-output).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mminstruct.llm.chat import Reply
from mminstruct.llm.http.exchange import read_completion
from mminstruct.llm.http.faults import Broken, Fault, refusal


def request_line(request_id: str, path: str, body: str) -> bytes:
    """Return the line that asks a request; `body` is its JSON text.

    ASCII throughout: some servers take U+2028 for the end of a line, and a lone surrogate has no UTF-8 form.
    """
    start = f'{{"custom_id": "{request_id}", "method": "POST", "url": "{path}", "body": '
    return f"{start}{_ascii(body)}}}\n".encode("ascii")


def read_line(line: Mapping[str, Any], request_id: str, model: str) -> Reply | Fault:
    """Return the reply that a line holds, or the fault that stands in its place."""
    response, error = line.get("response"), line.get("error")
    try:
        if isinstance(response, dict) and response.get("status_code") == 200:
            return read_completion(response.get("body"), request_id, model)
        if isinstance(response, dict):
            status = response.get("status_code") or 500  # zero has been seen, for a request that was never sent
            return refusal(int(status), json.dumps(response.get("body")).encode(), {})
    except Fault as fault:
        return fault
    if isinstance(error, dict):
        return Broken(f"{error.get('code')}: {error.get('message')}")
    return Broken("its line in the batch's result holds neither a response nor an error")


def _ascii(text: str) -> str:
    """Return JSON text with everything beyond ASCII escaped."""
    return text if text.isascii() else json.dumps(json.loads(text))
