"""Results as text: the table of stages, a sample in full, a row's story, a plan."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from mminstruct.counts import count_of
from mminstruct.llm.usage import Spent
from mminstruct.pipeline.manifest import Manifest, StageRecord
from mminstruct.rows import Sample

if TYPE_CHECKING:  # what `status` and `show` need not wait for
    from mminstruct.filter_file import FilterReport
    from mminstruct.pipeline.plan import StagePlan


def stage_table(manifest: Manifest) -> Grid:
    """Return the table of stages; columns that would say nothing (no cached reply, no price) are left out."""
    records = manifest.stages
    headings = ["in", "out", "rejected", "requests"]
    headings += ["cached"] if any(record.cached for record in records.values()) else []
    headings += ["tokens"]
    headings += ["cost"] if any(record.cost for record in records.values()) else []
    headings += ["seconds"]
    grid = Grid(box=None, header_style="bold", pad_edge=False)
    grid.add_column("stage", no_wrap=True)
    for heading in headings:
        grid.add_column(heading, justify="right", no_wrap=True)
    grid.add_column("rejected because", overflow="fold")
    for stage, record in records.items():
        cells = _cells(record)
        name = stage if record.status == "done" else f"{stage} ({record.status})"
        reasons = "\n".join(f"{reason} {count:,}" for reason, count in record.rejects.items())
        grid.add_row(name, *(cells[heading] for heading in headings), reasons)
    return grid


def _cells(record: StageRecord) -> dict[str, str]:
    cells = {
        "in": f"{record.n_in:,}",
        "out": f"{record.n_out:,}",
        "rejected": f"{record.n_rejected:,}",
        "seconds": f"{record.seconds:.1f}",
    }
    asked = {
        "requests": f"{record.requests:,}",
        "cached": f"{record.cached:,}",
        "tokens": f"{record.prompt_tokens + record.completion_tokens:,}",
        "cost": _cost(record.cost),
    }
    return cells | (asked if record.requests or record.cached else dict.fromkeys(asked, ""))


def spending_table(manifest: Manifest) -> Grid:
    """Return what the run has paid for, by stage and model, over all its sessions."""
    grid = Grid(box=None, header_style="bold", pad_edge=False)
    for heading in ("stage", "model"):
        grid.add_column(heading, no_wrap=True)
    for heading in ("requests", "prompt tokens", "completion tokens", "cost"):
        grid.add_column(heading, justify="right", no_wrap=True)
    for stage, record in manifest.stages.items():
        for model, spent in record.paid.items():
            tokens = (f"{spent.prompt_tokens:,}", f"{spent.completion_tokens:,}")
            grid.add_row(stage, model, f"{spent.requests:,}", *tokens, _cost(spent.cost))
    total = sum((spent for record in manifest.stages.values() for spent in record.paid.values()), Spent())
    tokens = (f"{total.prompt_tokens:,}", f"{total.completion_tokens:,}")
    grid.add_row("in all", "", f"{total.requests:,}", *tokens, _cost(total.cost), style="bold")
    return grid


def _cost(cost: float | None) -> str:
    return "unknown" if cost is None else f"{cost:,.4f}"


def wide_console() -> Console:
    """Return a console for results: as wide as the terminal, and wide enough for tables where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=120)


def plan_table(stages: Sequence[StagePlan]) -> Grid:
    """Return a plan as a table, with its sums."""
    grid = Grid(
        box=None,
        header_style="bold",
        pad_edge=False,
        show_footer=True,
        caption=_assumptions(stages),
        caption_justify="left",
    )
    asking = [stage for stage in stages if stage.n_requests]
    costs = [stage.cost for stage in asking]
    total = None if None in costs else sum(cost for cost in costs if cost is not None)
    grid.add_column("stage", footer="in all")
    grid.add_column("rows", justify="right")
    grid.add_column("requests", justify="right", footer=f"{sum(stage.n_requests for stage in stages):,}")
    grid.add_column("prompt tokens", justify="right", footer=f"{sum(stage.prompt_tokens for stage in stages):,}")
    grid.add_column("completion tokens", justify="right", footer=f"{sum(s.completion_tokens for s in stages):,}")
    grid.add_column("cost", justify="right", footer="unknown" if total is None else f"{total:,.2f}")
    grid.add_column("model")
    for stage in stages:
        counts = (stage.n_requests, stage.prompt_tokens, stage.completion_tokens)
        cost = ("unknown" if stage.cost is None else f"{stage.cost:,.2f}") if stage.n_requests else ""
        grid.add_row(stage.stage, f"{stage.n_rows:,}", *(f"{n:,}" if n else "" for n in counts), cost, stage.model)
    return grid


def _assumptions(stages: Sequence[StagePlan]) -> str:
    """Return what in a plan is measured and what is assumed."""
    seen = [stage.stage for stage in stages if stage.seen]
    guessed = [stage.stage for stage in stages if stage.n_requests and not stage.seen]
    told = ["Prompts are the real ones."]
    told += [f"Replies as long as those in the store: {', '.join(seen)}."] if seen else []
    told += [f"Assumed: how long replies are in {', '.join(guessed)}."] if guessed else []
    return " ".join([*told, "Assumed: the share of rows kept."])


def print_notes(console: Console, manifest: Manifest) -> None:
    """Print what the stages want to be known, and whether the cost is."""
    asking = [record for record in manifest.stages.values() if record.requests]
    if any(record.cost is None for record in asking):
        console.print("cost: unknown for models without a `price` in the config's `llm`", highlight=False, style="dim")
    for stage, record in manifest.stages.items():
        for note in record.notes:
            console.print(f"{stage}: {escape(note)}", highlight=False, style="dim")


def print_sample(console: Console, sample: Sample) -> None:
    """Print one sample in full."""
    image = Path(sample.image)
    if image.is_relative_to(Path.cwd()):
        image = image.relative_to(Path.cwd())
    console.print(f"\n[bold]{sample.sample_id}[/]  {escape(str(image))}", highlight=False, soft_wrap=True)
    told = {"description": sample.description, "instruction": sample.instruction, "answer": sample.answer}
    for label, text in told.items():
        console.print(f"[bold]{label}[/]  {escape(text)}", highlight=False)


def print_filter_report(console: Console, report: FilterReport) -> None:
    """Print what the command `filter` kept and rejected, and what it could not judge."""
    console.print(
        f"{count_of(report.n_in, 'row')}: {report.n_kept:,} kept, {report.n_rejected:,} rejected", highlight=False
    )
    for reason, count in report.rejected.most_common():
        console.print(f"  {reason}  {count:,}", highlight=False)
    for (rule, missing), count in sorted(report.left_out.items()):
        console.print(f"rule {rule} was left out for {count_of(count, 'row')}: {missing}", highlight=False)
    for (rule, missing), count in sorted(report.in_part.items()):
        console.print(f"rule {rule}: {count_of(count, 'row')} {missing}", highlight=False)
    console.print(f"Wrote {report.out}/kept.jsonl and {report.out}/rejected.jsonl", highlight=False, soft_wrap=True)


def print_story(console: Console, story: dict[str, Any]) -> None:
    """Print a story as indented text."""
    _print_branch(console, story, 0)


def _print_branch(console: Console, branch: Any, depth: int) -> None:
    indent = "  " * depth
    items = branch.items() if isinstance(branch, dict) else ((f"{i + 1}.", value) for i, value in enumerate(branch))
    for key, value in items:
        label = str(key).replace("_", " ")
        if isinstance(value, dict | list) and value:
            console.print(f"{indent}[bold]{escape(label)}[/]", highlight=False)
            _print_branch(console, value, depth + 1)
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            text = text.replace("\n", f"\n{indent}    ")
            console.print(f"{indent}[bold]{escape(label)}[/]  {escape(text)}", highlight=False, soft_wrap=True)
