"""`mminstruct train`: a LLaVA from a recipe."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mminstruct.cli import cli
from mminstruct.errors import RunInterrupted

if TYPE_CHECKING:
    from rich.table import Table

    from mminstruct.train.progress import StageResult

_EXAMPLES = """
\b
Examples:
  mminstruct train recipes/tiny-cpu/recipe.yaml                   minutes on 2 cores, after `mminstruct demo`
  mminstruct train recipes/llava-1.5-7b/lora.yaml -o out=lora
  accelerate launch --num_processes 8 -m mminstruct train recipes/llava-1.5-7b/recipe.yaml
  mminstruct bench respond B --checkpoint runs/tiny-llava/finetune
"""


@cli.command(epilog=_EXAMPLES)
@click.argument("recipe", type=click.Path(dir_okay=False, path_type=Path))
@click.option("-o", "--override", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting. Repeatable.")
@click.option("--overwrite", is_flag=True, help="Train stages anew that were trained with other settings.")
def train(recipe: Path, overrides: tuple[str, ...], overwrite: bool) -> None:
    """Train a LLaVA by RECIPE: build it from its parts, then pretrain and finetune.

    The same command goes on after a stop, from the last checkpoint; Ctrl-C writes one first. Each stage's model is a
    plain folder of transformers, beside `training/` with its metrics, loss plot, and the rows that were left out.
    """
    from rich.console import Console

    from mminstruct.cli.train_progress import training_progress
    from mminstruct.config.recipe import load_recipe
    from mminstruct.train.run import train as train_recipe

    loaded = load_recipe(recipe, overrides)
    is_first = os.environ.get("RANK", "0") == "0"  # of several processes the one that tells
    try:
        with training_progress(Console(stderr=True)) as progress:
            results = train_recipe(loaded, progress, overwrite)
    except (KeyboardInterrupt, RunInterrupted) as stop:
        if is_first:
            again = shlex.join(["mminstruct", *sys.argv[1:]])
            click.echo(f"\n{str(stop) or 'Stopped.'} The last checkpoint is kept. Go on with: {again}", err=True)
        sys.exit(130)
    if not is_first:
        return
    console = Console()
    console.print(result_table(results))
    _tell_where(Path(loaded.out), results)


def result_table(results: tuple[StageResult, ...]) -> Table:
    """Return what the stages did."""
    from rich.table import Table

    from mminstruct.train.report import COLUMNS, table_row

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "stage" else "right")
    for result in results:
        table.add_row(*table_row(result))
    return table


def _tell_where(out: Path, results: tuple[StageResult, ...]) -> None:
    from mminstruct.train.report import result_notes

    for result in results:
        for note in result_notes(result):
            click.echo(f"note: {note}")
    last = results[-1]
    plots = ", ".join(str(out / "training" / result.stage / "loss.png") for result in results)
    click.echo("\nLosses are in nats per answer token, before and after the stage.")
    click.echo(f"The model:     {last.folder}")
    click.echo(f"Loss plots:    {plots}")
    click.echo(f"Ask it:        mminstruct bench respond BENCHMARK --checkpoint {last.folder}")
