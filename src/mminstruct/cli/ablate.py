"""`mminstruct ablate`: the same recipe on variants of one run's data."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mminstruct.cli import cli
from mminstruct.errors import RunInterrupted

if TYPE_CHECKING:
    from rich.table import Table as Grid

    from mminstruct.ablate.plan import VariantPlan
    from mminstruct.ablate.table import Ablation
    from mminstruct.ablate.telling import Telling

_EXAMPLES = """
\b
Examples:
  mminstruct ablate ablation.yaml --dry-run     what each variant would ask and train
  mminstruct ablate ablation.yaml               all of it; again to go on
  mminstruct ablate ablation.yaml --prepare     data and recipes alone, to train them on several GPUs
  mminstruct ablate ablation.yaml -o out=ablations/short -o variants.1.n_samples=500
"""


@cli.command(epilog=_EXAMPLES)
@click.argument("ablation", type=click.Path(dir_okay=False, path_type=Path))
@click.option("-o", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key of ABLATION.")
@click.option("--dry-run", is_flag=True, help="Say what each variant would ask and train, and do nothing.")
@click.option("--prepare", "prepare_only", is_flag=True, help="Make the data and the recipes, and train nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of the table.")
def ablate(ablation: Path, overrides: tuple[str, ...], dry_run: bool, prepare_only: bool, as_json: bool) -> None:
    """Find out which part of the pipeline pays: train the same recipe on variants of one run's data.

    ABLATION is a YAML file (docs/ablate.md). No variant trains on what all of them are tested on. What is finished is
    not done again, and replies that the store holds are not asked for again.
    """
    from mminstruct.config.ablation import load_ablation

    config = load_ablation(ablation, overrides)
    if dry_run:
        from mminstruct.ablate.plan import plan_ablation

        _print_plan(plan_ablation(config), as_json)
        return
    from mminstruct.ablate.run import ablate as run_ablation
    from mminstruct.ablate.run import prepare

    try:
        if prepare_only:
            for recipe in prepare(config, _telling()):
                click.echo(f"mminstruct train {shlex.quote(str(recipe))} --overwrite")
            return
        found = run_ablation(config, _telling())
    except (KeyboardInterrupt, RunInterrupted) as stop:
        told = f"\n{str(stop) or 'Stopped.'} What is finished is kept. Go on with: "
        click.echo(told + shlex.join(["mminstruct", *sys.argv[1:]]), err=True)
        sys.exit(130)
    _print_ablation(found, Path(config.out), as_json)


def _telling() -> Telling:
    from rich.console import Console

    from mminstruct.ablate.telling import Telling
    from mminstruct.cli.progress import progress_for
    from mminstruct.cli.train_progress import training_progress

    console = Console(stderr=True)
    return Telling(
        heading=lambda text: console.print(text, style="bold", highlight=False, markup=False, soft_wrap=True),
        stages=lambda: progress_for(console),
        training=lambda: training_progress(console),
    )


def _print_ablation(ablation: Ablation, out: Path, as_json: bool) -> None:
    from mminstruct.ablate.table import legend, table
    from mminstruct.cli.display import wide_console

    if as_json:
        click.echo((out / "ablation.json").read_text(encoding="utf-8"))
        return
    headings, rows = table(ablation)
    console = wide_console()
    console.print()
    console.print(_grid(headings, rows))
    for text in (*legend(ablation), *ablation.notes):
        console.print(text, style="dim", highlight=False, markup=False)
    click.echo(f"\nWrote {out / 'ablation.md'} and {out / 'ablation.json'}")


def _print_plan(plans: Sequence[VariantPlan], as_json: bool) -> None:
    from dataclasses import asdict

    from mminstruct.cli.display import wide_console

    if as_json:
        click.echo(json.dumps([asdict(plan) for plan in plans], indent=2))
        return
    headings = ["variant", "anew from", "requests", "tokens", "cost", "samples", "trainings", "answers", "comparisons"]
    rows = [
        [
            plan.variant,
            plan.first_stage or "",
            f"{plan.n_requests:,}",
            f"{plan.n_tokens:,}",
            ("unknown" if plan.cost is None else f"{plan.cost:,.2f}") if plan.n_requests else "",
            f"{plan.n_samples:,}",
            f"{plan.n_trainings:,}",
            f"{plan.n_answers:,}",
            f"{plan.n_comparisons:,}",
        ]
        for plan in plans
    ]
    console = wide_console()
    console.print(_grid(headings, rows))
    for plan in plans:
        if plan.changes:
            console.print(f"{plan.variant}: {', '.join(plan.changes)}", style="dim", highlight=False, markup=False)
    told = "All numbers are upper limits: replies that the store holds are not asked for again, and samples whose image"
    console.print(f"{told} or instruction is tested are left out.", style="dim", highlight=False)


def _grid(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Grid:
    from rich.table import Table as Grid

    grid = Grid(box=None, header_style="bold", pad_edge=False)
    for number, heading in enumerate(headings):
        grid.add_column(heading, justify="right" if number else "left")
    for cells in rows:
        grid.add_row(*cells)
    return grid
