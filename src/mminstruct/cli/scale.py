"""`mminstruct plan --scale`: what a run of any number of images takes, and what runs out first."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table as Grid

    from mminstruct.config.run import RunConfig
    from mminstruct.pipeline.limits import Limit
    from mminstruct.pipeline.scale import Scale, Scaler

_FACTORS = {"k": 10**3, "m": 10**6, "b": 10**9}
_MOST = 10**12
_N_LIMITS = 3


def count(text: str) -> int:
    """Return a number of things that may be written as 100000000, 100_000_000, 1e8 or 100M."""
    digits = text.strip().lower().replace(",", "")
    factor = _FACTORS.get(digits[-1:], 1)
    try:
        number = float(digits if factor == 1 else digits[:-1]) * factor
    except ValueError:
        number = 0
    if not 1 <= number <= _MOST or number != int(number):
        raise click.BadParameter(f"found {text!r}; expected a whole number from 1 to 1e12, as 100000000, 1e8 or 100M")
    return int(number)


def tell_scale(config: RunConfig, n_images: int, rates_file: Path | None, as_json: bool) -> None:
    """Print what a run of `n_images` takes."""
    from mminstruct.cli.display import wide_console
    from mminstruct.config.rates import load_rates
    from mminstruct.pipeline.limits import limits
    from mminstruct.pipeline.scale import Scaler

    scaler = Scaler(config, load_rates(rates_file))
    scale, found = scaler.at(n_images), limits(scaler, n_images)
    if as_json:
        click.echo(json.dumps(_as_json(scaler, scale, found), indent=2))
    else:
        _print_scale(wide_console(), scaler, scale, found)


def _as_json(scaler: Scaler, scale: Scale, found: Sequence[Limit]) -> dict[str, Any]:
    return {
        "n_images": scale.n_images,
        "captions_read": scaler.n_read,
        "faults": scaler.faults,
        "picture_bytes": scale.picture_bytes,
        "stages": [asdict(stage.plan) | _hours_of(asdict(stage)) for stage in scale.stages],
        "stored": [asdict(stored) for stored in scale.stored],
        "driver_memory": scale.memory,
        "limits": [asdict(limit) | {"is_reached": limit.is_reached} for limit in found],
        "rates": scaler.rates.model_dump(mode="json"),
    }


def _hours_of(stage: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in stage.items() if key.endswith("_hours")}


def _print_scale(console: Console, scaler: Scaler, scale: Scale, found: Sequence[Limit]) -> None:
    console.print(f"[bold]A run of {scale.n_images:,} images[/]\n", highlight=False)
    console.print(_stage_grid(scale))
    console.print(_stored_grid(scale))
    if any(limit.is_reached for limit in found):
        _print_limits(console, found)
    pictures = _amount(scale.picture_bytes, "bytes")
    console.print(f"\nPictures read: {pictures}.\n{_basis(scaler)}", highlight=False, style="dim")


def _print_limits(console: Console, found: Sequence[Limit]) -> None:
    """Print the limits that come first, also those that are not reached yet, and name the other reached ones."""
    first = [limit for limit in found if limit.reached_at is not None][:_N_LIMITS]
    n_reached = sum(limit.is_reached for limit in found)
    console.print(f"\n[bold]What runs out first[/] ({n_reached} reached)", highlight=False)
    for number, limit in enumerate(first, start=1):
        needed, available = _amount(limit.needed, limit.unit), _amount(limit.available, limit.unit)
        told = f"up to {available}, {needed} are needed; reached at {limit.reached_at:,} images."
        if not limit.is_reached:
            told = f"{needed} of {available} are needed; reached at {limit.reached_at:,} images."
        console.print(f"{number}. {limit.name}: {told}\n   {limit.what_then}", highlight=False, markup=False)
    rest = [f"{limit.name} at {limit.reached_at:,}" for limit in found if limit.is_reached and limit not in first]
    if rest:
        console.print(f"Then: {'; '.join(rest)} images.", highlight=False)


def _stage_grid(scale: Scale) -> Grid:
    """Return the table of stages, with its sums."""
    from rich.table import Table as Grid

    grid = Grid(box=None, header_style="bold", pad_edge=False, show_footer=True)
    plans = [stage.plan for stage in scale.stages]
    costs = [plan.cost for plan in plans if plan.n_requests]
    is_known = None not in costs
    sums = [
        _short(sum(plan.n_requests for plan in plans)),
        _short(sum(plan.prompt_tokens for plan in plans)),
        _short(sum(plan.completion_tokens for plan in plans)),
        f"{sum(cost for cost in costs if cost is not None):,.0f}" if is_known else "unknown",
        _short(sum(stage.cpu_hours for stage in scale.stages)),
        _short(sum(stage.driver_hours for stage in scale.stages)),
        _span(*(sum(stage.gpu_hours[size] for stage in scale.stages) for size in (0, 1))),
    ]
    headings = ("requests", "prompt tokens", "reply tokens", "cost", "core h", "driver h", "GPU h")
    grid.add_column("stage", footer="in all", no_wrap=True)
    grid.add_column("rows", justify="right", no_wrap=True)
    for heading, total in zip(headings, sums, strict=True):
        grid.add_column(heading, footer=total, justify="right", no_wrap=True)
    for stage in scale.stages:
        plan = stage.plan
        cost = ("unknown" if plan.cost is None else f"{plan.cost:,.0f}") if plan.n_requests else ""
        counts = (plan.n_rows, plan.n_requests, plan.prompt_tokens, plan.completion_tokens)
        hours = (_short(stage.cpu_hours), _short(stage.driver_hours), _span(*stage.gpu_hours))
        grid.add_row(plan.stage, *map(_short, counts), cost, *hours)
    return grid


def _stored_grid(scale: Scale) -> Grid:
    """Return the table of what lies on disk, with its sums."""
    from rich.table import Table as Grid

    grid = Grid(box=None, header_style="bold", pad_edge=False, show_footer=True)
    total = _amount(sum(stored.n_bytes for stored in scale.stored), "bytes")
    grid.add_column("\nstored", footer="in all", no_wrap=True)
    grid.add_column("\nrows", justify="right")
    grid.add_column("\nbytes a row", justify="right")
    grid.add_column("\nsize", footer=total, justify="right")
    grid.add_column("\nfiles", footer=f"{sum(stored.n_files for stored in scale.stored):,}", justify="right")
    for stored in scale.stored:
        each = f"{stored.n_bytes / max(1, stored.n_rows):,.0f}"
        grid.add_row(stored.name, _short(stored.n_rows), each, _amount(stored.n_bytes, "bytes"), f"{stored.n_files:,}")
    return grid


def _basis(scaler: Scaler) -> str:
    """Return what the figures rest on: what was read, what is measured and what is assumed."""
    rates = {name: getattr(scaler.rates, name) for name in type(scaler.rates).model_fields}
    length = f"{scaler.description_characters:,.0f} characters"
    told = [f"No captions are here: assumed descriptions of {length}."]
    if scaler.n_read:
        told = [f"Descriptions of {length}: the mean of {scaler.n_descriptions:,} of the config's own."]
    if scaler.faults:
        told += [f"Not read: {', '.join(scaler.faults)}; `mminstruct plan` without --scale says why."]
    told += ["core h: shared by as many cores as there are. driver h: one process."]
    told += ["GPU h: from a language model of 7 to one of 70 billion parameters, also where an API is asked."]
    told += ["Not counted as stored: the pictures, rows that are rejected."]
    for basis in ("measured", "given", "assumed"):
        names = [name for name, rate in rates.items() if rate.basis == basis]
        told += [f"{basis.capitalize()}: {', '.join(names)}."] if names else []
    return "\n".join(told)


def _span(least: float, most: float) -> str:
    return _short(least) if _short(least) == _short(most) else f"{_short(least)} to {_short(most)}"


def _amount(number: float, unit: str) -> str:
    if unit != "bytes":
        return f"{number:,.0f} {unit}"
    for size, name in ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if number >= size:
            return f"{number / size:.3g} {name}"
    return f"{number / 1e3:.3g} kB"


def _short(number: float) -> str:
    """Return a number in a few signs: `123.5 M`; nothing for 0.

    >>> _short(123_456_789), _short(2345), _short(0)
    ('123.5 M', '2,345', '')
    """
    if not number:
        return ""
    for size, name in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if number >= size:
            return f"{number / size:.4g} {name}"
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"
