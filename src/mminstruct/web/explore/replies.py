"""What a view's endpoint reads of a request and answers with: JSON, or a sentence that says why not."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class Refused(Exception):
    """A request that cannot be done; the page shows `why`, a plain sentence that says what to do."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


def refusal(status: int, why: str) -> Response:
    """Return the one form that every error has: JSON {"error": why}."""
    return JSONResponse({"error": why}, status)


async def read_json(request: Request) -> dict[str, Any]:
    """Return the JSON object that a POST request brings. Raises Refused where it brings anything else."""
    try:
        content = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"The request's body is not JSON ({error}).") from error
    if not isinstance(content, dict):
        raise Refused(400, "The request's body is JSON, but no object.")
    return content
