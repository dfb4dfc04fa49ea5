"""Where a run's work on its parts is done: in this process, or by the workers of a Ray cluster.

(index, item), … ──► Engine.results(stage) ──► (index, result), …
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any, Protocol

from mminstruct.config.engine import RayEngine
from mminstruct.errors import MMInstructError
from mminstruct.pipeline.interrupts import Asker
from mminstruct.pipeline.part_work import open_part_work
from mminstruct.pipeline.site import Site


class Engine(Asker, Protocol):
    """Works on parts; see part_work.py for what a stage's item and result are."""

    asks_elsewhere: bool
    """Whether parts of the stages that ask a language model go elsewhere too; here they flow into each other."""

    def results(
        self, stage: str, items: Iterable[tuple[int, Any]], in_order: bool = True
    ) -> AsyncIterator[tuple[int, Any]]:
        """Yield each item's index and result, in order, or as they come where that will do."""
        ...

    def close(self) -> None:
        """Let go of what was opened for it."""
        ...


class Here:
    """The engine `local`: one part after the other, in this process."""

    asks_elsewhere = False
    in_flight = ""  # the language models' own business

    def __init__(self, site: Site) -> None:
        self._site = site

    async def results(
        self, stage: str, items: Iterable[tuple[int, Any]], in_order: bool = True
    ) -> AsyncIterator[tuple[int, Any]]:
        """Yield each item's index and result."""
        work = await open_part_work(stage, self._site)
        for index, item in items:
            yield index, await work(item)

    def stop(self, error: MMInstructError) -> None:
        """Leave it to the language models."""

    def close(self) -> None:
        """Nothing was opened."""


def open_engine(site: Site, run_id: str) -> Engine:
    """Return the engine that the config asks for.

    Raises MissingExtraError without Ray, RunError where there is no cluster or a path is not what all machines reach.
    """
    if isinstance(site.config.engine, RayEngine):
        from mminstruct.pipeline.cluster import RayCluster  # which is at home with Ray, and nobody else

        return RayCluster(site.config, run_id)
    return Here(site)
