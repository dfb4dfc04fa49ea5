"""Sets of items that a lasso on the map has caught: kept under a key that a page's address can hold."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mminstruct.rows import content_id
from mminstruct.web.explore.items import rows_with_ids
from mminstruct.web.explore.query import Numbers, Remembered
from mminstruct.web.explore.replies import Refused, read_json

if TYPE_CHECKING:
    from mminstruct.web.explore.library import RunExplorer

_FOLDER = "selections"
_LONGEST_ID = 2000  # characters; a source may call its records what it likes
_MOST_FILES = 100
_IN_MEMORY = 16


class Selections:
    """Keeps sets of ids as RUN/explore/selections/KEY.txt, an id a line, and the last ones in memory."""

    def __init__(self, explorer: RunExplorer) -> None:
        self._explorer = explorer
        self._ids: OrderedDict[str, list[str]] = OrderedDict()
        self._rows = Remembered(_IN_MEMORY)

    def add(self, ids: list[str]) -> str:
        """Keep a set of ids and return its key, which the same set always has."""
        wanted = sorted(set(ids))
        key = content_id("selection", *wanted)
        self._remember(key, wanted)
        with contextlib.suppress(OSError):  # a full disk: it stays in memory
            self._explorer.own.write(f"{_FOLDER}/{key}.txt", "\n".join(wanted).encode())
            self._forget_oldest()
        return key

    def rows_of(self, key: str) -> Numbers:
        """Return the numbers of the rows that are selected. Raises Refused where the key names no selection."""
        return self._rows.get((key, self._explorer.version), lambda: self._look_up(self._ids_of(key)))

    def _look_up(self, ids: list[str]) -> Numbers:
        return np.array(rows_with_ids(self._explorer, ids), np.int64)

    def _ids_of(self, key: str) -> list[str]:
        if key in self._ids:
            return self._ids[key]
        with contextlib.suppress(OSError, ValueError):
            if key.isascii() and key.isalnum():
                text = (self._explorer.own.path / _FOLDER / f"{key}.txt").read_text(encoding="utf-8")
                self._remember(key, text.split("\n"))
                return self._ids[key]
        raise Refused(404, "This selection is no longer there; draw it again on the map.")

    def _remember(self, key: str, ids: list[str]) -> None:
        self._ids[key] = ids
        while len(self._ids) > _IN_MEMORY:
            self._ids.popitem(last=False)

    def _forget_oldest(self) -> None:
        files = sorted((self._explorer.own.path / _FOLDER).glob("*.txt"), key=lambda file: file.stat().st_mtime_ns)
        for file in files[:-_MOST_FILES]:
            file.unlink(missing_ok=True)


def routes(explorer: RunExplorer) -> list[Route]:
    """POST /api/selections {ids: […]} → {key, n}."""

    async def select(request: Request) -> Response:
        ids = _ids(await read_json(request))
        key = await run_in_threadpool(explorer.selections.add, ids)
        return JSONResponse({"key": key, "n": len(set(ids))})

    return [Route("/api/selections", select, methods=["POST"])]


def _ids(content: dict[str, Any]) -> list[str]:
    ids = content.get("ids")
    if not isinstance(ids, list) or not ids:
        raise Refused(400, "A selection is {ids: […]} with at least one id.")
    if not all(isinstance(item, str) and len(item) <= _LONGEST_ID and "\n" not in item for item in ids):
        raise Refused(400, f"An id is a text of one line and of at most {_LONGEST_ID:,} characters.")
    return [item.encode("utf-8", "replace").decode() for item in ids]
