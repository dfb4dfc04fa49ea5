"""An item of the gallery as the pages get it: a row's columns, its instruction's text, its answer, its decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from mminstruct.web.explore.parts import Parts
from mminstruct.web.explore.texts import TextPlace, read_texts

SHOWN = 400  # characters of an answer on a card
_COLUMNS = (
    "id", "status", "stage", "reason", "detail", "instruction_id", "category", "image_id", "source", "score", "n_words",
    "width", "height",
)  # fmt: skip

Item = dict[str, Any]


class RowSource(Protocol):
    """Rows in DuckDB and the parts that they came from: of a whole run, or of a few parts of another one."""

    parts: Parts
    decisions: dict[str, str]

    def select(self, sql: str, values: Any = None) -> list[tuple[Any, ...]]:
        """Return the rows of one query."""
        ...


def items_of(rows: RowSource, numbers: Sequence[int], whole: bool = False) -> list[Item]:
    """Return the items of these rows, in their order; `whole`: with the whole answer. Raises Refused."""
    selected = rows.select(
        f"""
        SELECT n, text_table, part, text_place, instructions.text, {", ".join(f"rows.{name}" for name in _COLUMNS)}
        FROM rows LEFT JOIN instructions USING (instruction_id)
        WHERE n IN (SELECT unnest(CAST(? AS BIGINT[])))
        """,
        [list(numbers)],
    )
    by_number = {row[0]: row for row in selected}
    found = [by_number[number] for number in numbers if number in by_number]
    texts = read_texts(rows.parts, rows.select, (TextPlace(*row[1:4]) for row in found if row[1]))
    return [_item(rows, row, texts.get(TextPlace(*row[1:4]), ""), whole) for row in found]


def _item(rows: RowSource, row: tuple[Any, ...], text: str, whole: bool) -> Item:
    item: Item = dict(zip(_COLUMNS, row[5:], strict=True))
    item["instruction"] = row[4]
    item["answer"] = text if whole else text[:SHOWN]
    item["truncated"] = len(item["answer"]) < len(text)
    item["decision"] = rows.decisions.get(item["id"])
    return item


def rows_with_ids(rows: RowSource, ids: Sequence[str]) -> list[int]:
    """Return the numbers of the rows with these ids, in the rows' own order.

    An early reject's id may be that of several rows: it is what the source calls its record.
    """
    wanted = "SELECT unnest(CAST(? AS VARCHAR[]))"
    return [n for (n,) in rows.select(f"SELECT n FROM rows WHERE id IN ({wanted}) ORDER BY n", [list(ids)])]
