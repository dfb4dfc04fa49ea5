"""What another run in the same folder made of the same image: GET /api/compare?id=ROW&run=NAME.

An image's id is a hash of its file's content, so two runs call it alike whatever its path. Of the other run nothing is
loaded but the parts that hold the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.story import open_run
from mminstruct.web.explore.items import Item, RowSource, items_of
from mminstruct.web.explore.parts import Parts
from mminstruct.web.explore.replies import Refused
from mminstruct.web.explore.rows_table import load_units, load_whole_tables, open_database
from mminstruct.web.explore.sample import item_with_id

if TYPE_CHECKING:
    from mminstruct.web.explore.library import RunExplorer


def routes(explorer: RunExplorer) -> list[Route]:
    """GET /api/compare."""

    def compare(request: Request) -> Response:
        name = request.query_params.get("run", "")
        if name not in explorer.neighbours():  # the only way from a request to another folder
            raise Refused(404, f"There is no run {name[:80]!r} beside this one.")
        mine = item_with_id(explorer, request.query_params.get("id", ""))
        if not mine["image_id"]:
            raise Refused(422, "This row belongs to no image, so there is nothing to compare.")
        (described,) = _with_origin(explorer, explorer.tables, [mine])
        return JSONResponse({"run": name, "mine": described, "theirs": _theirs(explorer, name, mine)})

    return [Route("/api/compare", compare)]


def _theirs(explorer: RunExplorer, name: str, mine: Item) -> list[Item]:
    """Return the other run's rows of the image: that of the same instruction first, then the best-scoring."""
    config, folder = open_run(str(Path(explorer.run_dir).resolve().parent / name))
    tables = Tables(folder, config.describe.is_on)
    with _rows_of_image(Parts(folder, tables), tables, mine["image_id"]) as rows:
        numbers = rows.select(
            """
            SELECT n FROM rows WHERE image_id = ?
            ORDER BY instruction_id IS DISTINCT FROM ?, score DESC NULLS LAST, n
            """,
            [mine["image_id"], mine["instruction_id"]],
        )
        return _with_origin(rows, tables, items_of(rows, [n for (n,) in numbers], whole=True))


class _Rows:
    """Rows of some parts of another run, in a DuckDB of their own."""

    def __init__(self, connection: Any, parts: Parts) -> None:
        self._connection = connection
        self.parts = parts
        self.decisions: dict[str, str] = {}

    def select(self, sql: str, values: Any = None) -> list[tuple[Any, ...]]:
        """Return the rows of one query."""
        rows: list[tuple[Any, ...]] = self._connection.execute(sql, values).fetchall()
        return rows


@contextmanager
def _rows_of_image(parts: Parts, tables: Tables, image_id: str) -> Iterator[_Rows]:
    """Yield the rows of the parts that hold the image; part k of each table speaks of the same images."""
    numbers = {place.part for place in tables.images.index().places(image_id)}
    units, _ = parts.look()
    with open_database() as connection:
        load_whole_tables(connection, parts)
        load_units(connection, parts, [unit for unit in units if unit.part in numbers])
        yield _Rows(connection, parts)
    parts.close()


def _with_origin(rows: RowSource, tables: Tables, items: list[Item]) -> list[Item]:
    """Return the items with the image's description and the model of the answer."""
    if not items:
        return []
    ids = [item["id"] for item in items]
    image = tables.captioned.get(items[0]["image_id"])
    parts = [part for (part,) in rows.select("SELECT DISTINCT part FROM rows WHERE id IN (SELECT unnest(?))", [ids])]
    files = rows.parts.files("06_answers", set(parts))
    found = (
        rows.select("SELECT answer_id, model FROM read_parquet(?) WHERE answer_id IN (SELECT unnest(?))", [files, ids])
        if files
        else []
    )
    models = dict(found)
    description = image.description if image else None
    return [{**item, "description": description, "model": models.get(item["id"])} for item in items]
