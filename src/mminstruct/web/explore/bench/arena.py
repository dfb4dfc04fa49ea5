"""The arena's part of the API.

    GET  /api/arena/next?annotator=anna                                  → {comparison | null, progress, last}
    POST /api/arena/vote {annotator, question_id, token, vote}           → {saved, vote, left, right, receipt, progress}
    POST /api/arena/skip {annotator, question_id, token}                 → as next
    POST /api/arena/undo {annotator, receipt}                            → as next, with the pair of the vote taken back

`left` and `right` are answers in `next`, and the models' names in the reply to a vote.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mminstruct.web.explore.bench.ballots import CHOICES, Choice, check_annotator
from mminstruct.web.explore.bench.contest import Arena, StaleError
from mminstruct.web.explore.bench.explorer import BenchExplorer
from mminstruct.web.explore.bench.told import Told
from mminstruct.web.explore.replies import Refused, read_json


def routes(explorer: BenchExplorer) -> list[Route]:
    """Return the arena's routes."""
    arena = Arena(explorer)

    def next_pair(request: Request) -> Response:
        return Told(arena.state(check_annotator(request.query_params.get("annotator"))))

    def vote(body: dict[str, Any]) -> dict[str, Any]:
        return arena.vote(check_annotator(body.get("annotator")), *_shown(body), _choice(body))

    def skip(body: dict[str, Any]) -> dict[str, Any]:
        annotator = check_annotator(body.get("annotator"))
        arena.skip(annotator, *_shown(body))
        return arena.state(annotator)

    def undo(body: dict[str, Any]) -> dict[str, Any]:
        annotator = check_annotator(body.get("annotator"))
        return arena.state(annotator, arena.undo(annotator, _text(body, "receipt")))

    return [
        Route("/api/arena/next", next_pair),
        Route("/api/arena/vote", _changing(explorer, vote), methods=["POST"]),
        Route("/api/arena/skip", _changing(explorer, skip), methods=["POST"]),
        Route("/api/arena/undo", _changing(explorer, undo), methods=["POST"]),
    ]


def _changing(explorer: BenchExplorer, act: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Return the endpoint of a POST request: its JSON to `act` in a thread, what can go wrong told in a sentence."""

    async def endpoint(request: Request) -> Response:
        body = await read_json(request)
        try:
            return Told(await to_thread.run_sync(act, body))
        except StaleError as error:
            raise Refused(409, str(error)) from error
        except OSError as error:
            place = explorer.folder.votes
            why = f"Votes cannot be kept in {place}: {error.strerror or error}. Make that folder writable."
            raise Refused(403, why) from error

    return endpoint


def _shown(body: dict[str, Any]) -> tuple[str, str]:
    return _text(body, "question_id"), _text(body, "token")


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise Refused(400, f"{name!r} is {value!r}; expected text.")
    return value


def _choice(body: dict[str, Any]) -> Choice:
    value = body.get("vote")
    for choice in CHOICES:
        if value == choice:
            return choice
    raise Refused(400, f"The vote is {value!r}; expected one of {', '.join(CHOICES)}.")
