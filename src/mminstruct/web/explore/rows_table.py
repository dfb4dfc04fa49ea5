"""Fills DuckDB's table `rows`, one line an item of the gallery, from the parts of a run's tables.

    04_matches ⋈ 06_answers ⋈ 06_kept, 07_samples, 08_benchmark ⋈ 01_images, 03_instructions   ─► rows
    the rejects of the early stages                                                           ─► rows

Only what is filtered, sorted and counted by is in the table, and nothing long: some 150 bytes a row. The texts stay in
the parts, where `text_table`, `part` and `text_place` find them again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from mminstruct.web.explore.parts import MATCHED, Parts, Unit

_TABLES = """
CREATE TABLE rows (
    n BIGINT, id VARCHAR, status VARCHAR, stage VARCHAR, reason VARCHAR, detail VARCHAR, instruction_id VARCHAR,
    image_id VARCHAR, category VARCHAR, source VARCHAR, score DOUBLE, n_words INTEGER, width INTEGER, height INTEGER,
    kind INTEGER, part INTEGER, text_table VARCHAR, text_place BIGINT
);
CREATE TABLE instructions (instruction_id VARCHAR, text VARCHAR, category VARCHAR);
CREATE TABLE questions (id VARCHAR);
"""

PART = "CAST(regexp_extract(filename, 'part-(\\d+)\\.parquet$', 1) AS INTEGER)"
_OF_REJECT = {name: name for name in ("row_id", "stage", "reason", "detail")}
_OF_IMAGE = {name: name for name in ("image_id", "source", "width", "height")}


def open_database() -> Any:
    """Return a connection to a DuckDB in memory with the empty tables; it never downloads an extension."""
    import duckdb

    connection = duckdb.connect(config={"autoinstall_known_extensions": False, "allow_community_extensions": False})
    connection.execute(_TABLES)
    return connection


def words_of(column: str) -> str:
    """Return SQL that counts the words of a text: what stands between spaces or line ends."""
    return f"CAST(len([word FOR word IN string_split(replace({column}, chr(10), ' '), ' ') IF word <> '']) AS INTEGER)"


def load_whole_tables(connection: Any, parts: Parts) -> None:
    """Fill `instructions` and `questions` anew: what rows of all parts refer to."""
    connection.execute("DELETE FROM instructions")
    connection.execute("DELETE FROM questions")
    if files := parts.files("03_instructions"):
        connection.execute(
            "INSERT INTO instructions SELECT instruction_id, text, category FROM read_parquet(?)", [files]
        )
    if files := parts.files("08_benchmark"):
        connection.execute("INSERT INTO questions SELECT question_id FROM read_parquet(?)", [files])


def load_units(connection: Any, parts: Parts, units: Iterable[Unit]) -> None:
    """Put the rows of these units in the place of those that were loaded of them before."""
    by_kind: dict[int, set[int]] = {}
    for unit in units:
        by_kind.setdefault(unit.kind, set()).add(unit.part)
    for kind, numbers in by_kind.items():
        connection.execute("DELETE FROM rows WHERE kind = ? AND part IN (SELECT unnest(?))", [kind, sorted(numbers)])
        if kind == MATCHED:
            _load_matched(connection, parts, numbers)
        else:
            _load_rejects(connection, parts, kind, numbers)


def _load_matched(connection: Any, parts: Parts, numbers: set[int]) -> None:
    """Load the rows that were answered, or whose request failed; what only waits to be asked is no row yet."""
    place = {"place": "file_row_number"}
    match = {name: name for name in ("match_id", "image_id", "instruction_id", "score")}
    ways = {
        "matches": _Way(parts.files("04_matches", numbers), {**match, "part": PART, **place}),
        "answers": _Way(
            parts.files("06_answers", numbers), {"answer_id": "answer_id", **place, "n_words": words_of("answer")}
        ),
        "images": _Way(parts.files(parts.captioned, numbers), _OF_IMAGE),
        "samples": _Way(parts.files("07_samples", numbers), {"sample_id": "sample_id"}),
        "unanswered": _Way(parts.files("06_answers/rejects", numbers), _OF_REJECT),
        "filtered": _Way(parts.files("06_kept/rejects", numbers), _OF_REJECT),
        "held_out": _Way(parts.files("07_samples/rejects", numbers), _OF_REJECT),
    }
    if ways["matches"].files and (ways["answers"].files or ways["unanswered"].files):
        _insert(connection, ways, _MATCHED)


_MATCHED = """
SELECT
    (CAST(matches.part AS BIGINT) << 32) + matches.place,
    matches.match_id,
    CASE
        WHEN samples.sample_id IS NOT NULL THEN 'kept'
        WHEN questions.id IS NOT NULL THEN 'benchmark'
        WHEN held_out.row_id IS NOT NULL THEN 'held_out'
        WHEN coalesce(filtered.row_id, unanswered.row_id) IS NOT NULL THEN 'rejected'
        ELSE 'waiting'
    END AS status,
    CASE WHEN status IN ('held_out', 'rejected') THEN coalesce(held_out.stage, filtered.stage, unanswered.stage) END,
    CASE WHEN status IN ('held_out', 'rejected') THEN coalesce(held_out.reason, filtered.reason, unanswered.reason) END,
    CASE WHEN status IN ('held_out', 'rejected') THEN coalesce(held_out.detail, filtered.detail, unanswered.detail) END,
    matches.instruction_id, matches.image_id, instructions.category, images.source, matches.score,
    answers.n_words, images.width, images.height, 0, matches.part,
    CASE WHEN answers.answer_id IS NOT NULL THEN '06_answers' END, answers.place
FROM matches
LEFT JOIN answers ON answers.answer_id = matches.match_id
LEFT JOIN samples ON samples.sample_id = matches.match_id
LEFT JOIN unanswered ON unanswered.row_id = matches.match_id
LEFT JOIN filtered ON filtered.row_id = matches.match_id
LEFT JOIN held_out ON held_out.row_id = matches.match_id
LEFT JOIN questions ON questions.id = matches.match_id
LEFT JOIN images ON images.image_id = matches.image_id
LEFT JOIN instructions ON instructions.instruction_id = matches.instruction_id
WHERE answers.answer_id IS NOT NULL OR unanswered.row_id IS NOT NULL
ORDER BY matches.part, matches.place
"""


def _load_rejects(connection: Any, parts: Parts, kind: int, numbers: set[int]) -> None:
    """Load the rejects of an early stage; those of describe and match are of an image, which is looked up."""
    table = parts.early[kind]
    # An image that describe rejects is in no table of described ones; the first table has all.
    images = parts.files("01_images", numbers) if table.startswith(("01_described", "04_matches")) else []
    ways = {
        "rejects": _Way(
            parts.files(table, numbers),
            {**_OF_REJECT, "n_words": words_of("raw_text"), "part": PART, "place": "file_row_number"},
        ),
        "images": _Way(images, _OF_IMAGE),
    }
    if ways["rejects"].files:
        _insert(connection, ways, _EARLY, {"kind": kind, "table": table})


_EARLY = """
SELECT
    (CAST($kind AS BIGINT) << 56) + (CAST(part AS BIGINT) << 32) + place, row_id, 'rejected', stage, reason, detail,
    NULL, image_id, NULL, source, NULL, n_words, width, height, $kind, part, $table, place
FROM rejects LEFT JOIN images ON images.image_id = rejects.row_id
ORDER BY part, place
"""


class _Way(NamedTuple):
    """What is read of a table: the files of some parts, and columns as name → SQL."""

    files: list[str]
    columns: dict[str, str]

    def sql(self, parameter: str) -> str:
        """Return the query; of no files, no rows."""
        if not self.files:
            return f"SELECT {', '.join(f'CAST(NULL AS VARCHAR) AS {name}' for name in self.columns)} WHERE false"
        wanted = ", ".join(f"{sql} AS {name}" for name, sql in self.columns.items())
        return f"SELECT {wanted} FROM read_parquet(${parameter}, filename = true, file_row_number = true)"


def _insert(connection: Any, ways: dict[str, _Way], query: str, values: dict[str, Any] | None = None) -> None:
    """Insert into `rows` what the query makes of the tables that are read."""
    files = {f"files_of_{name}": way.files for name, way in ways.items() if way.files}
    subqueries = ",\n".join(f"{name} AS ({way.sql(f'files_of_{name}')})" for name, way in ways.items())
    connection.execute(f"INSERT INTO rows WITH {subqueries}\n{query}", {**files, **(values or {})})
