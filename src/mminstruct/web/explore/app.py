"""The explorer's two web applications: of a run, and of a benchmark.

    GET /gallery, /map, …     page.html, with the view's own script and style
    GET /static/…             scripts, styles, words
    GET /api/about            what this is, and which views it has
    all else                  routes(explorer) of each view's module

To add a view: a module with `routes(explorer)` in the list below, its name in RUN_VIEWS or BENCH_VIEWS, and its
static/NAME.js and static/NAME.css.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from mminstruct.errors import MMInstructError
from mminstruct.web.explore import compare, gallery, live, map_view, pictures, review, sample, selections
from mminstruct.web.explore.bench import arena, leaderboard, question_pictures, questions
from mminstruct.web.explore.bench.explorer import BenchExplorer
from mminstruct.web.explore.library import RunExplorer
from mminstruct.web.explore.replies import Refused, refusal
from mminstruct.web.explore.safety import Guard, Guarded

STATIC = Path(__file__).parent / "static"
RUN_VIEWS = ("gallery", "map", "review", "live")
BENCH_VIEWS = ("leaderboard", "questions", "arena")
_WITH_STORY = ("gallery", "map", "review")  # views that show a row's whole story
_FRAME = Path(__file__).parent / "page.html"
_N_THREADS = 8  # requests that work at once; DuckDB and Pillow have the same two or four cores for all of them


class Explorer(Protocol):
    """What both applications need of the folder that they show."""

    def about(self) -> dict[str, Any]:
        """Return what GET /api/about answers, but for the views."""
        ...

    def close(self) -> None:
        """Close files and end threads."""
        ...


def run_app(explorer: RunExplorer, guard: Guard) -> Starlette:
    """Return the application of a run."""
    modules = [gallery, compare, sample, pictures, selections, map_view, review, live]
    routes = [route for module in modules for route in module.routes(explorer)]
    return _app(explorer, guard, RUN_VIEWS, routes)


def bench_app(explorer: BenchExplorer, guard: Guard) -> Starlette:
    """Return the application of a benchmark."""
    views = (leaderboard, questions, arena, question_pictures)
    routes: list[BaseRoute] = [route for view in views for route in view.routes(explorer)]
    return _app(explorer, guard, BENCH_VIEWS, routes)


def _app(explorer: Explorer, guard: Guard, views: Sequence[str], routes: Sequence[BaseRoute]) -> Starlette:
    def about(request: Request) -> Response:
        return JSONResponse({**explorer.about(), "views": list(views)})

    def first(request: Request) -> Response:
        return RedirectResponse(f"/{views[0]}")

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _N_THREADS
        yield
        explorer.close()

    return Starlette(
        routes=[
            Route("/", first),
            *(Route(f"/{view}", _page(view)) for view in views),
            Mount("/static", StaticFiles(directory=STATIC)),
            Route("/favicon.ico", _no_icon),
            Route("/api/about", about),
            *routes,
        ],
        middleware=[Middleware(Guarded, guard=guard)],
        exception_handlers={Refused: _refused, HTTPException: _http_error, MMInstructError: _user_error},
        lifespan=lifespan,
    )


def _page(view: str) -> Any:
    """Return the endpoint of a view's page: a frame that its script fills."""
    styles = ("shell", "parts", *(["story"] if view in _WITH_STORY else []), view)
    links = "\n    ".join(f'<link rel="stylesheet" href="/static/{style}.css">' for style in styles)
    html = _FRAME.read_text(encoding="utf-8").replace("{{ styles }}", links).replace("{{ view }}", view)

    def page(request: Request) -> Response:
        return HTMLResponse(html)

    return page


def _no_icon(request: Request) -> Response:
    return Response(status_code=204)  # browsers ask for it whatever the page says, and show a 404 as an error


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return refusal(error.status, error.why)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    why = f"There is nothing at {request.url.path}." if error.status_code == 404 else f"{error.detail}."
    return refusal(error.status_code, why)


def _user_error(request: Request, error: Exception) -> Response:
    return refusal(422, str(error))
