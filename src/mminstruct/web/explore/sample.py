"""One row's whole story: GET /api/items/{id}.

What `pipeline.story` tells, and beside it what a page needs in a form of its own: the item, the rules one by one, the
prompt turn by turn, the instructions that came near, all of the cluster, the answer that this one repeats.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mminstruct.pipeline.story import Story, story_of
from mminstruct.rows import Image, Reason
from mminstruct.web.explore.items import Item, items_of, rows_with_ids
from mminstruct.web.explore.replies import Refused
from mminstruct.web.explore.runners_up import NoVectors, RunnersUp

if TYPE_CHECKING:
    from mminstruct.web.explore.library import RunExplorer

_MOST_MEMBERS = 200  # of a cluster that are shown
_NAMED_ID = re.compile(r"\b[0-9a-f]{16}\b")
_COMPARED = (Reason.OFF_TOPIC, Reason.NEAR_DUPLICATE_ANSWER)
"""Rules that need an encoder or other answers: the filter has applied them, and nobody can do so again for one row."""


def routes(explorer: RunExplorer) -> list[Route]:
    """GET /api/items/{id}."""
    runners_up = RunnersUp(explorer)

    def story(request: Request) -> Response:
        explorer.refresh()
        return JSONResponse(whole_story(explorer, runners_up, request.path_params["id"]))

    return [Route("/api/items/{id:path}", story)]


def whole_story(explorer: RunExplorer, runners_up: RunnersUp, row_id: str) -> dict[str, Any]:
    """Return everything known of the row with this id. Raises Refused where there is none."""
    item = item_with_id(explorer, row_id)
    told = story_of(explorer.config, explorer.tables, row_id)
    request = told.get("request", {})
    answer = told.get("answer", {})
    whole = {
        **told,
        "item": item,
        "rules": _rules(answer.get("text_rules", {}), item, told["became"]),
        "prompt": _turns(request.get("body") or {}),
        "reply": request.get("reply"),
        "tokens": {"prompt": request.get("prompt_tokens"), "completion": request.get("completion_tokens")},
        "cluster": _cluster(explorer, told.get("instruction")),
        "exemplars": answer.get("exemplars", []),
        "twin": _twin(explorer, item),
    }
    return whole | _runners_up(runners_up, told)


def item_with_id(explorer: RunExplorer, row_id: str) -> Item:
    """Return the row's item with its whole answer; of several early rejects with one id, the first. Raises Refused."""
    numbers = rows_with_ids(explorer, [row_id.encode("utf-8", "replace").decode()])
    items = items_of(explorer, numbers[:1], whole=True)
    if not items:
        raise Refused(404, "This run has no row with this id; it may have been made anew since the page was loaded.")
    return items[0]


def _rules(verdicts: dict[str, str], item: Item, became: list[str]) -> list[dict[str, str]]:
    """Return each rule's word. Those that need other answers are known by what became of the row."""
    passed_filter = "row of 06_kept" in became
    found = []
    for rule, verdict in verdicts.items():
        outcome, _, detail = verdict.partition(": ")
        if rule == item["reason"]:
            outcome, detail = "failed", item["detail"]
        elif rule in _COMPARED and passed_filter and outcome == "not applicable":
            outcome, detail = "passed", "by the run's own filter, which has the encoder and the other answers"
        found.append({"rule": rule, "outcome": outcome, "detail": detail})
    return found


def _turns(body: dict[str, Any]) -> list[dict[str, str]]:
    """Return the turns of a request's body, in chat or completion form."""
    if isinstance(body.get("prompt"), str):
        return [{"role": "prompt", "text": body["prompt"]}]
    return [{"role": str(turn["role"]), "text": _text_of(turn["content"])} for turn in body.get("messages", [])]


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", f"[{part.get('type', 'other')}]")) for part in content)


def _cluster(explorer: RunExplorer, instruction: Story | None) -> dict[str, Any]:
    """Return the raw instructions that the final one stands for, those first that the model saw, and their seeds."""
    if instruction is None:
        return {"members": [], "seeds": []}
    shown = instruction["members_shown_to_the_model"]
    known = {member["raw_id"] for member in shown}
    others: list[dict[str, str]] = []
    if files := explorer.parts.files("02_raw_instructions"):
        rows = explorer.select(
            """
            WITH members AS (
                SELECT unnest(members) AS raw_id FROM read_parquet($instructions) WHERE instruction_id = $of
            )
            SELECT raw_id, text FROM read_parquet($files) WHERE raw_id IN (SELECT raw_id FROM members)
            ORDER BY raw_id LIMIT $most
            """,
            {
                "instructions": explorer.parts.files("03_instructions"),
                "of": instruction["instruction_id"],
                "files": files,
                "most": _MOST_MEMBERS,
            },
        )
        others = [{"raw_id": raw_id, "text": text} for raw_id, text in rows if raw_id not in known]
    return {"members": shown + others, "seeds": instruction["seeds_of_those_members"]}


def _twin(explorer: RunExplorer, item: Item) -> dict[str, Any] | None:
    """Return the answer that a near copy repeats, which the reject's detail names."""
    if item["reason"] != Reason.NEAR_DUPLICATE_ANSWER:
        return None
    for row_id in _NAMED_ID.findall(item["detail"] or ""):
        if numbers := rows_with_ids(explorer, [row_id]):
            return items_of(explorer, numbers[:1], whole=True)[0]
    return None


def _runners_up(runners_up: RunnersUp, told: Story) -> dict[str, Any]:
    if not {"match", "image", "instruction"} <= told.keys():
        return {"runners_up": [], "runners_up_note": ""}
    try:
        found = runners_up.of(Image(**told["image"]), told["instruction"]["instruction_id"], told["match"]["score"])
    except NoVectors as error:
        return {"runners_up": [], "runners_up_note": str(error)}
    return {"runners_up": found, "runners_up_note": ""}
