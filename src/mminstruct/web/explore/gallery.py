"""The gallery's endpoints: a page of items, the facets beside it, and how far the search index is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mminstruct.web.explore.filters import read_count, read_filters
from mminstruct.web.explore.items import items_of

if TYPE_CHECKING:
    from mminstruct.web.explore.library import RunExplorer

_SIZE = 60
_LARGEST_SIZE = 100


def routes(explorer: RunExplorer) -> list[Route]:
    """GET /api/items, /api/facets, /api/search/status."""

    def items(request: Request) -> Response:
        explorer.refresh()
        pairs = request.query_params.multi_items()
        page = read_count(pairs, "page", 0, 0, 10**8)
        size = read_count(pairs, "size", _SIZE, 1, _LARGEST_SIZE)
        sort = request.query_params.get("sort") or "order"
        total, numbers = explorer.query.page_of(read_filters(pairs), sort, page, size)
        return JSONResponse({"total": total, "page": page, "size": size, "items": items_of(explorer, numbers)})

    def facets(request: Request) -> Response:
        explorer.refresh()
        return JSONResponse(explorer.query.facets_of(read_filters(request.query_params.multi_items())))

    def search_status(request: Request) -> Response:
        explorer.refresh()
        return JSONResponse(explorer.search.status())

    return [
        Route("/api/items", items),
        Route("/api/facets", facets),
        Route("/api/search/status", search_status),
    ]
