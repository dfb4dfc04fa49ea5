"""The review's part of the API: one row after the other, and what a reviewer decides about it.

    GET  /api/review/next?FILTERS&after=ID|before=ID|at=ID&undecided=1&size=3
             → {item, items, total, n_done, n_left}       item: the first of items, or null
    POST /api/review {id, decision, reviewer, decision_id?, answer_hash?, instruction?, answer?, note?, undoes?}
             → {saved, standing, total…}                  saved: the decision as it is on disk by now
    GET  /api/review/summary → {run_id, decisions, reviewers, n_not_holding, n_passed_over}

Rows that can be decided about are those that have an answer and may come into the training set: kept, not split yet, or
rejected by the filter. Nothing that is held out can come back by a decision.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mminstruct.pipeline.deciding import Draft, Shown
from mminstruct.pipeline.decisions import hash_of_answer
from mminstruct.pipeline.manifest import read_manifest
from mminstruct.web.explore.filters import read_count, read_filters
from mminstruct.web.explore.items import Item, items_of
from mminstruct.web.explore.replies import Refused, read_json
from mminstruct.web.explore.review_order import ReviewOrder, can_be_decided
from mminstruct.web.explore.sample import item_with_id

if TYPE_CHECKING:
    from mminstruct.web.explore.library import RunExplorer

_MOST_AT_ONCE = 20
_TEXTS = ("id", "decision", "reviewer", "decision_id", "answer_hash", "instruction", "answer", "note", "undoes")
_NEEDED = ("id", "decision", "reviewer")


def routes(explorer: RunExplorer) -> list[Route]:
    """GET /api/review/next, POST /api/review, GET /api/review/summary."""

    def following(request: Request) -> Response:
        explorer.refresh()
        explorer.decided.refresh()
        pairs = request.query_params.multi_items()
        query = request.query_params
        order = ReviewOrder(explorer, read_filters(pairs))
        size = read_count(pairs, "size", 1, 1, _MOST_AT_ONCE)
        numbers = order.walk(
            size, query.get("after"), query.get("before"), query.get("at"), query.get("undecided") == "1"
        )
        items = [_reviewed(explorer, order, *each) for each in zip(numbers, _items(explorer, numbers), strict=True)]
        return JSONResponse({"item": items[0] if items else None, "items": items, **order.counts()})

    async def decide(request: Request) -> Response:
        body = await read_json(request)
        return JSONResponse(await to_thread.run_sync(_decide, explorer, body))

    def summary(request: Request) -> Response:
        explorer.decided.refresh()
        decided = explorer.decided
        return JSONResponse(
            {
                "run_id": read_manifest(explorer.folder).run_id,
                "decisions": dict(Counter(explorer.decisions.values())),
                "reviewers": decided.reviewers(),
                "n_not_holding": decided.n_not_holding,
                "n_passed_over": decided.n_passed_over,
            }
        )

    return [
        Route("/api/review/next", following),
        Route("/api/review", decide, methods=["POST"]),
        Route("/api/review/summary", summary),
    ]


def _items(explorer: RunExplorer, numbers: list[int]) -> list[Item]:
    items = items_of(explorer, numbers, whole=True)
    if len(items) != len(numbers):
        raise Refused(503, "The run changed while this was read; load the page again in a moment.")
    return items


def _reviewed(explorer: RunExplorer, order: ReviewOrder, number: int, item: Item) -> Item:
    """Return the item with what the review needs beside: its place, what its answer is, what was decided."""
    decision = explorer.decided.on(item["id"])
    return {
        **item,
        "position": order.position(number),
        "answer_hash": hash_of_answer(item["answer"]),
        "standing": asdict(decision) if decision else None,
    }


def _decide(explorer: RunExplorer, body: dict[str, Any]) -> dict[str, Any]:
    texts = _texts(body)
    item = item_with_id(explorer, texts["id"])
    if item["stage"] == "split" or item["status"] in ("benchmark", "held_out"):
        raise Refused(422, "This row is held out for the benchmark, or because of it; no decision can bring it back.")
    if not can_be_decided(item):
        raise Refused(422, "This row was rejected before it had an answer; there is nothing to decide about.")
    draft = Draft(
        sample_id=texts["id"],
        choice=texts["decision"],
        reviewer=texts["reviewer"],
        instruction=texts.get("instruction"),
        answer=texts.get("answer"),
        note=texts.get("note", ""),
        decision_id=texts.get("decision_id", ""),
        answer_hash=texts.get("answer_hash", ""),
        undoes=texts.get("undoes", ""),
    )
    decision = explorer.decided.decide(draft, Shown(item["instruction"] or "", item["answer"]))
    standing = explorer.decided.on(texts["id"])
    return {"saved": asdict(decision), "standing": asdict(standing) if standing else None}


def _texts(body: dict[str, Any]) -> dict[str, str]:
    """Return the body's texts. Raises Refused where one is no text, or is missing."""
    if wrong := next((name for name in _TEXTS if not isinstance(body.get(name, ""), str | None)), None):
        raise Refused(400, f"{wrong} is {str(body[wrong])[:40]!r}; expected text.")
    texts = {name: body[name] for name in _TEXTS if body.get(name) is not None}
    if missing := next((name for name in _NEEDED if name not in texts), None):
        raise Refused(400, f"The decision lacks {missing}.")
    return texts
