"""A reply store as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.markup import escape
from rich.table import Table as Grid

from mminstruct.llm.store.care import StoreStats


def model_grid(found: StoreStats) -> Grid:
    """Return the table of what a store holds; times are the local ones."""
    grid = _grid(("model",), ("replies", "prompt tokens", "completion tokens", "oldest", "newest"))
    for model, held in found.by_model.items():
        counts = (held.n_replies, held.prompt_tokens, held.completion_tokens)
        times = (datetime.fromtimestamp(moment).strftime("%Y-%m-%d %H:%M") for moment in (held.oldest, held.newest))
        grid.add_row(escape(model), *(f"{count:,}" for count in counts), *times)
    return grid


def spent_grid(found: StoreStats) -> Grid:
    """Return the table of what runs have paid for."""
    grid = _grid(("paid for by run", "stage", "model"), ("requests", "prompt tokens", "completion tokens", "cost"))
    for account, sums in found.spent.items():
        counts = (sums.requests, sums.prompt_tokens, sums.completion_tokens)
        cost = "unknown" if sums.cost is None else f"{sums.cost:,.4f}"
        grid.add_row(*map(escape, account), *(f"{count:,}" for count in counts), cost)
    return grid


def _grid(names: Sequence[str], figures: Sequence[str]) -> Grid:
    grid = Grid(box=None, header_style="bold", pad_edge=False)
    for name in names:
        grid.add_column(name, overflow="fold")
    for figure in figures:
        grid.add_column(figure, justify="right", no_wrap=True)
    return grid
