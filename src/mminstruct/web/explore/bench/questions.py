"""The question browser's part of the API.

GET /api/questions?q=&category=&instruction=&model=&against=&judge=&verdict=&disagreement=&page=0&size=50
    → {total, page, size, questions: [{question_id, instruction, …, verdicts, disagreement}], facets, models, faults}
GET /api/questions/{id}?…the same filters…
    → the whole story (one_question.py), with `place`: {n, total, before, after} among the questions that fit
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mminstruct.bench.trust.votes import Votes
from mminstruct.errors import BenchmarkError
from mminstruct.web.explore.bench.browser import VERDICTS, Browser, Facets, Found, Wanted, instruction_id
from mminstruct.web.explore.bench.explorer import BenchExplorer, Contents
from mminstruct.web.explore.bench.one_question import tell_question
from mminstruct.web.explore.bench.told import Told
from mminstruct.web.explore.replies import Refused

_MOST_A_PAGE = 200
_PARAMETERS = {"q": "words", **{name: name for name in ("category", "instruction", "model", "against")}}
_PARAMETERS |= {name: name for name in ("judge", "verdict", "disagreement")}


def routes(explorer: BenchExplorer) -> list[Route]:
    """Return the question browser's routes."""
    kept = _KeptBrowser(explorer)

    def questions(request: Request) -> Response:
        contents, votes, browser, faults = kept.current()
        wanted = wanted_of(request.query_params)
        page = _number(request.query_params, "page", 0)
        size = min(_MOST_A_PAGE, max(1, _number(request.query_params, "size", 50)))
        found = browser.find(wanted)
        return Told(
            {
                "total": len(found),
                "page": page,
                "size": size,
                "questions": [_listed(explorer, each, votes) for each in found[page * size : (page + 1) * size]],
                "facets": _facets(browser.facets(wanted)),
                "models": list(contents.data.answers),
                "faults": faults,
            }
        )

    def question(request: Request) -> Response:
        contents, votes, browser, faults = kept.current()
        question_id = request.path_params["question_id"]
        if question_id not in contents.questions:
            raise Refused(404, f"There is no question {question_id!r} in this benchmark.")
        ids = [each.question.question_id for each in browser.find(wanted_of(request.query_params))]
        told = tell_question(explorer, contents, votes, question_id)
        return Told({**told, "place": _place(ids, question_id), "faults": faults})

    return [Route("/api/questions", questions), Route("/api/questions/{question_id:path}", question)]


def wanted_of(parameters: QueryParams) -> Wanted:
    """Return the filters of a query. Raises Refused for a verdict that there is not."""
    wanted = Wanted(**{field: parameters.get(name, "") for name, field in _PARAMETERS.items()})
    if wanted.verdict and wanted.verdict not in VERDICTS:
        raise Refused(400, f"The verdict is {wanted.verdict!r}; expected one of {', '.join(VERDICTS)}.")
    return wanted


class _KeptBrowser:
    """The browser of the newest state of the files."""

    def __init__(self, explorer: BenchExplorer) -> None:
        self._explorer = explorer
        self._made: tuple[Contents, Votes, Browser] | None = None

    def current(self) -> tuple[Contents, Votes, Browser, list[str]]:
        """Return contents, votes and browser, and in sentences what of the votes cannot be read."""
        contents, faults = self._explorer.contents(), []
        try:
            votes = self._explorer.votes()
        except BenchmarkError as error:  # the questions can be looked at without them
            votes, faults = Votes(), [str(error)]
        made = self._made
        if made is None or made[0] is not contents or (made[1] is not votes and not faults):
            made = (contents, votes, Browser(contents, votes.majority))
            self._made = made
        return contents, votes, made[2], faults


def _listed(explorer: BenchExplorer, found: Found, votes: Votes) -> dict[str, Any]:
    question = found.question
    return {
        "question_id": question.question_id,
        "instruction": question.instruction,
        "category": question.category,
        "picture": explorer.has_picture(question),
        "verdicts": dict(Counter(view.kind for view in found.views)),
        "disagreement": sorted(found.disagreement),
    }


def _facets(facets: Facets) -> dict[str, list[dict[str, Any]]]:
    """Return each filter's values with their counts; a category without a name is called by its value alone."""
    told = {name: _values(counts) for name, counts in vars(facets).items() if name != "instruction"}
    by_text = sorted(facets.instruction.items(), key=lambda item: item[0].casefold())
    told["instruction"] = [{"value": instruction_id(text), "label": text, "n": n} for text, n in by_text]
    return told


def _values(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"value": value, "label": value, "n": n} for value, n in counts.items()]


def _place(ids: Sequence[str], question_id: str) -> dict[str, Any]:
    """Return where a question stands among those that fit; `n` counts from 1 and is None where it does not fit."""
    if question_id not in ids:
        return {"n": None, "total": len(ids), "before": None, "after": ids[0] if ids else None}
    at = ids.index(question_id)
    before, after = ids[at - 1] if at else None, ids[at + 1] if at + 1 < len(ids) else None
    return {"n": at + 1, "total": len(ids), "before": before, "after": after}


def _number(parameters: QueryParams, name: str, default: int) -> int:
    text = parameters.get(name, "")
    if text and not (text.isdecimal() and len(text) < 10):
        raise Refused(400, f"{name!r} is {text!r}; expected a whole number.")
    return int(text) if text else default
