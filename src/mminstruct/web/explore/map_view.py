"""The map's endpoints: how far it is, and what the page draws.

GET /api/map/{instructions|samples}            {state, progress, why, n, key, note}; begins to make it
GET /api/map/{instructions|samples}/points     of the map `?key=`: see map_columns.py
GET /api/map/{instructions|samples}/columns
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mminstruct.web.explore.background import Background
from mminstruct.web.explore.map_columns import Drawing, instruction_drawing, sample_drawing
from mminstruct.web.explore.replies import Refused
from mminstruct.web.maps.kept import image_state, instruction_state

if TYPE_CHECKING:
    from mminstruct.web.explore.library import RunExplorer


def routes(explorer: RunExplorer) -> list[Route]:
    """Return the map's routes."""
    maps = {
        "instructions": Background(
            "map-instructions",
            lambda told: instruction_drawing(explorer, told),
            lambda: instruction_state(explorer.config, explorer.folder, explorer.tables),
        ),
        "samples": Background(
            "map-samples",
            lambda told: sample_drawing(explorer, told),
            lambda: f"{image_state(explorer.config, explorer.folder, explorer.tables)} {explorer.version}",
        ),
    }

    def chosen(request: Request) -> Background[Drawing]:
        which = request.path_params["which"]
        if which not in maps:
            raise Refused(404, f"There is no map of {which}; there are {' and '.join(maps)}.")
        return maps[which]

    def status(request: Request) -> Response:
        explorer.refresh()
        background = chosen(request)
        made = background.look(again="again" in request.query_params)
        told = {"n": made.n, "key": made.key, "note": made.note} if made else {"n": 0, "key": "", "note": ""}
        return JSONResponse({**background.status(), **told})

    def drawing(request: Request) -> Drawing:
        made = chosen(request).look()
        if made is None or made.key != request.query_params.get("key", made.key):
            raise Refused(409, "The map is being made anew; load the page again.")
        return made

    def points(request: Request) -> Response:
        return Response(drawing(request).points, media_type="application/octet-stream")

    def columns(request: Request) -> Response:
        return Response(drawing(request).columns, media_type="application/json")

    return [
        Route("/api/map/{which}", status),
        Route("/api/map/{which}/points", points),
        Route("/api/map/{which}/columns", columns),
    ]
