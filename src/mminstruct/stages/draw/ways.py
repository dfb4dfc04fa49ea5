"""The two ways to draw, with the same results: numpy's, and the compiled one where numba is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mminstruct.stages.draw import ranks, weighted
from mminstruct.stages.draw.weighted import Floats, Ints, Odds


class Way(NamedTuple):
    """How to draw, and how to put in order what was drawn."""

    draw_weighted: Callable[[Floats, Odds, Floats, list[Floats]], Ints]  # see `weighted.draw_weighted`
    by_rank: Callable[[Floats, Ints], tuple[Ints, Ints]]  # see `ranks.by_rank`


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
