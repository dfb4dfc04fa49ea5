"""The texts of rows, read from the parts where they stand: of one page's rows, or of whole units for the search."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from mminstruct.web.explore.parts import MATCHED, Parts, Unit
from mminstruct.web.explore.replies import Refused
from mminstruct.web.explore.rows_table import PART

if TYPE_CHECKING:
    from mminstruct.web.explore.library import RunExplorer


Select = Callable[[str, Any], list[tuple[Any, ...]]]


class TextPlace(NamedTuple):
    """Where a row's text is: a table's folder, or its rejects', a part, and a row of it."""

    table: str
    part: int
    place: int


def read_texts(parts: Parts, select: Select, places: Iterable[TextPlace]) -> dict[TextPlace, str]:
    """Return the texts at these places. Raises Refused where a part has gone meanwhile."""
    import duckdb

    by_table: dict[str, set[TextPlace]] = defaultdict(set)
    for place in places:
        by_table[place.table].add(place)
    found: dict[TextPlace, str] = {}
    try:
        for table, wanted in by_table.items():
            found |= _read_table(parts, select, table, wanted)
    except (duckdb.Error, OSError, KeyError) as error:
        raise Refused(503, "The run changed while this was read; load the page again in a moment.") from error
    return found


def _read_table(parts: Parts, select: Select, table: str, wanted: set[TextPlace]) -> dict[TextPlace, str]:
    files = {part: parts.path(table, part) for part in {place.part for place in wanted}}
    column = "raw_text" if table.endswith("/rejects") else "answer"
    rows = select(
        f"""
        SELECT part, place, {column}
        FROM read_parquet($files, filename = true, file_row_number = true) AS texts
        JOIN (SELECT unnest($of) AS of, unnest($part) AS part, unnest($place) AS place) AS wanted
        ON wanted.of = texts.filename AND wanted.place = texts.file_row_number
        """,
        {
            "files": list(files.values()),
            "of": [files[place.part] for place in wanted],
            "part": [place.part for place in wanted],
            "place": [place.place for place in wanted],
        },
    )
    return {TextPlace(table, part, place): text for part, place, text in rows}


def searched_texts(explorer: RunExplorer, kind: int, parts: set[int]) -> tuple[str, dict[str, Any]]:
    """Return SQL that gives `n` and `text` of all rows of these units, `text` being what the search looks into.

    That is the row's id, its instruction, its answer, and its image's description; of an early reject the text that was
    rejected.
    """
    values: dict[str, Any] = {"kind": kind, "parts": sorted(parts)}
    chosen = "rows.kind = $kind AND rows.part IN (SELECT unnest($parts))"
    if kind != MATCHED:
        values["files"] = explorer.parts.files(explorer.parts.early[kind], parts)
        return (
            f"""
            SELECT rows.n, concat_ws(chr(10), rows.id, raw_text) AS text
            FROM rows JOIN (
                SELECT {PART} AS part, file_row_number AS place, raw_text
                FROM read_parquet($files, filename = true, file_row_number = true)
            ) AS rejects ON rejects.part = rows.part AND rejects.place = rows.text_place
            WHERE {chosen}
            """,
            values,
        )
    answers = explorer.parts.files("06_answers", parts)
    images = explorer.parts.files(explorer.parts.captioned, parts)
    values |= ({"answers": answers} if answers else {}) | ({"images": images} if images else {})
    of_answers = "(SELECT answer_id, answer FROM read_parquet($answers))"
    of_images = "(SELECT image_id, description FROM read_parquet($images))"
    return (
        f"""
        SELECT rows.n, concat_ws(chr(10), rows.id, instructions.text, answer, description) AS text
        FROM rows
        LEFT JOIN instructions USING (instruction_id)
        LEFT JOIN {of_answers if answers else _none("answer_id", "answer")} ON answer_id = rows.id
        LEFT JOIN {of_images if images else _none("image_id", "description")} AS images USING (image_id)
        WHERE {chosen}
        """,
        values,
    )


def units_by_kind(units: Iterable[Unit]) -> dict[int, set[int]]:
    """Return the parts' numbers of each kind."""
    found: dict[int, set[int]] = defaultdict(set)
    for unit in units:
        found[unit.kind].add(unit.part)
    return dict(found)


def _none(*columns: str) -> str:
    return f"(SELECT {', '.join(f'CAST(NULL AS VARCHAR) AS {column}' for column in columns)} WHERE false)"
