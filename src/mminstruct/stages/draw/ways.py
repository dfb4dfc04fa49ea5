"""The two ways to draw, with the same results: numpy's, and the compiled one where numba is installed."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from mminstruct.stages.draw import ranks, weighted
from mminstruct.stages.draw.weighted import Bools, Floats, Ints


class DrawWeighted(Protocol):
    """Draws without replacement."""

    def __call__(
        self,
        scores: Floats,
        allowed: Bools,
        min_score: float | None,
        temperature: float | None,
        uniforms: Floats,
        levels: list[Floats],
    ) -> Ints:
        """See `weighted.draw_weighted`."""


class ByRank(Protocol):
    """Puts what was drawn in order."""

    def __call__(self, scores: Floats, positions: Ints) -> tuple[Ints, Ints]:
        """See `ranks.by_rank`."""


class Way(NamedTuple):
    """How to draw."""

    draw_weighted: DrawWeighted
    by_rank: ByRank


def plain_way() -> Way:
    """Return numpy's."""
    return Way(weighted.draw_weighted, ranks.by_rank)


def compiled_way() -> Way | None:
    """Return the compiled one, or None without numba.

    None too where numba does not go with this numpy, or finds no folder for what it compiles: nothing but time is lost.
    """
    try:
        from mminstruct.stages.draw import compiled
    except (ImportError, RuntimeError):
        return None
    return Way(compiled.draw_weighted, compiled.by_rank)
