"""The newest rows and rejects of a run as ITEMs: told by the running stage itself, or the last ones on disk.

A stage that asks a language model tells each row as it comes, long before its part is on disk; `known` says whether the
gallery has the row by now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mminstruct.pipeline.progress_file import StageProgress
from mminstruct.web.explore.items import SHOWN, Item, items_of, rows_with_ids

if TYPE_CHECKING:
    from mminstruct.web.explore.library import RunExplorer

_N_SHOWN = 8
_ID_OF = {
    "Image": "image_id",
    "RawInstruction": "raw_id",
    "Draft": "request_id",
    "Exemplar": "exemplar_id",
    "Answer": "answer_id",
    "Reject": "row_id",
}
_TEXT_OF = {"Image": "description", "Exemplar": "answer", "Answer": "answer", "Reject": "raw_text"}
_INSTRUCTION_OF = {"RawInstruction": "text", "Draft": "text", "Exemplar": "instruction"}


def newest_rows(explorer: RunExplorer, progress: StageProgress | None) -> list[Item]:
    """Return the newest rows, newest first."""
    if progress is not None and progress.newest:
        return _told(explorer, progress, progress.newest)
    return _on_disk(explorer, "status <> 'rejected'")


def newest_rejects(explorer: RunExplorer, progress: StageProgress | None) -> list[Item]:
    """Return the newest rejects, newest first: the running stage's, then those on disk."""
    told = _told(explorer, progress, progress.newest_rejects) if progress else []
    ids = {item["id"] for item in told}
    return [*told, *(item for item in _on_disk(explorer, "status = 'rejected'") if item["id"] not in ids)][:_N_SHOWN]


def _on_disk(explorer: RunExplorer, condition: str) -> list[Item]:
    rows = explorer.select(f"SELECT n FROM rows WHERE {condition} ORDER BY n DESC LIMIT {_N_SHOWN}")
    return [{**item, "known": True} for item in items_of(explorer, [n for (n,) in rows])]


def _told(explorer: RunExplorer, progress: StageProgress, rows: list[dict[str, Any]]) -> list[Item]:
    items = [_item(row, progress.stage) for row in rows]
    ids = [item["id"] for item in items]
    known = {item["id"] for item in items_of(explorer, rows_with_ids(explorer, ids))}
    wanted = "SELECT unnest(CAST(? AS VARCHAR[]))"
    texts = dict(
        explorer.select(
            f"SELECT instruction_id, text FROM instructions WHERE instruction_id IN ({wanted})",
            [[item["instruction_id"] for item in items if item["instruction_id"]]],
        )
    )
    for item in items:
        item["instruction"] = item["instruction"] or texts.get(item["instruction_id"])
        item["known"] = item["id"] in known
        item["decision"] = explorer.decisions.get(item["id"])
    return items


def _item(row: dict[str, Any], stage: str) -> Item:
    """Return the ITEM that a row becomes, as far as the row itself tells."""
    kind = row["row"]
    text = str(row.get(_TEXT_OF.get(kind, ""), ""))
    return {
        "id": str(row.get(_ID_OF.get(kind, ""), "")),
        "status": "rejected" if kind == "Reject" else "waiting",
        "stage": stage,
        "reason": row.get("reason"),
        "detail": row.get("detail"),
        "instruction_id": row.get("instruction_id"),
        "instruction": row.get(_INSTRUCTION_OF.get(kind, "")),
        "category": None,
        "image_id": row.get("image_id"),
        "source": row.get("source"),
        "score": None,
        "n_words": len(text.split()) or None,
        "answer": text[:SHOWN],
        "truncated": len(text) > SHOWN,
        "width": None,
        "height": None,
    }
