"""An item of the gallery as the pages get it: a row's columns, its instruction's text, its answer, its decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mminstruct.web.explore.texts import TextPlace, read_texts

if TYPE_CHECKING:
    from mminstruct.web.explore.library import RunExplorer

_SHOWN = 400  # characters of an answer on a card
_COLUMNS = (
    "id", "status", "stage", "reason", "detail", "instruction_id", "category", "image_id", "source", "score", "n_words",
    "width", "height",
)  # fmt: skip

Item = dict[str, Any]


def items_of(explorer: RunExplorer, numbers: Sequence[int], whole: bool = False) -> list[Item]:
    """Return the items of these rows, in their order; `whole`: with the whole answer. Raises Refused."""
    rows = explorer.select(
        f"""
        SELECT n, text_table, part, text_place, instructions.text, {", ".join(f"rows.{name}" for name in _COLUMNS)}
        FROM rows LEFT JOIN instructions USING (instruction_id)
        WHERE n IN (SELECT unnest(CAST(? AS BIGINT[])))
        """,
        [list(numbers)],
    )
    by_number = {row[0]: row for row in rows}
    found = [by_number[number] for number in numbers if number in by_number]
    texts = read_texts(explorer, (TextPlace(*row[1:4]) for row in found if row[1]))
    return [_item(explorer, row, texts.get(TextPlace(*row[1:4]), ""), whole) for row in found]


def _item(explorer: RunExplorer, row: tuple[Any, ...], text: str, whole: bool) -> Item:
    item: Item = dict(zip(_COLUMNS, row[5:], strict=True))
    item["instruction"] = row[4]
    item["answer"] = text if whole else text[:_SHOWN]
    item["truncated"] = len(item["answer"]) < len(text)
    item["decision"] = explorer.decisions.get(item["id"])
    return item


def rows_with_ids(explorer: RunExplorer, ids: Sequence[str]) -> list[int]:
    """Return the numbers of the rows with these ids, in the rows' own order.

    An early reject's id may be that of several rows: it is what the source calls its record.
    """
    rows = explorer.select(
        "SELECT n FROM rows WHERE id IN (SELECT unnest(CAST(? AS VARCHAR[]))) ORDER BY n", [list(ids)]
    )
    return [n for (n,) in rows]
