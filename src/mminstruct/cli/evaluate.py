"""`mminstruct evaluate`: a trained model on known benchmarks, beside LLaVA-1.5's published scores."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from mminstruct.cli import cli

if TYPE_CHECKING:
    from mminstruct.evaluate.environment import Environment
    from mminstruct.evaluate.harness import Call
    from mminstruct.evaluate.run import Outcome
    from mminstruct.evaluate.suite import Size, SuiteTask

_EXAMPLES = """
\b
Examples:
  mminstruct evaluate models/mine --suite llava15 --out evaluations/mine
  mminstruct evaluate models/mine --suite llava15 --out evaluations/mine --dry-run     what is missing
  mminstruct evaluate models/mine --suite llava15 --out smoke --tasks gqa,pope --limit 8
  mminstruct evaluate models/mine --suite llava15 --out evaluations/mine --data DATA   data sets from folders
  mminstruct evaluate models/mine --task-folder exports/my-lmms --out evaluations/my   a benchmark of your own

Run it again after a failure: a task that has its score is not run again.
"""


@cli.command(name="evaluate", epilog=_EXAMPLES)
@click.argument("model", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--suite", type=click.Choice(["llava15"]), help="LLaVA-1.5's twelve benchmarks. Default without --task-folder."
)
@click.option(
    "--task-folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Tasks of lmms-eval of your own, such as `bench export --to lmms-eval` writes.",
)
@click.option("--tasks", "names", metavar="NAMES", help="Only these, with commas between them. Default: all.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write.")
@click.option("--against", type=click.Choice(["7b", "13b"]), default="7b", show_default=True, help="LLaVA-1.5's size.")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Data sets as folders DATA/OWNER/NAME; what is not there comes from the hub.",
)
@click.option("--limit", type=click.IntRange(1), help="Ask so many questions a task: to see whether all runs.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, …")
@click.option(
    "--prompt",
    type=click.Choice(["v1", "own"]),
    default="v1",
    show_default=True,
    help="LLaVA-1.5's prompt, or the model's own chat template.",
)
@click.option(
    "--python",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The interpreter of an environment with lmms-eval. Default: the one that runs this.",
)
@click.option("--dry-run", is_flag=True, help="Show what would run and what is missing, and stop.")
@click.option("--overwrite", is_flag=True, help="Run again what is done, or was done with other settings.")
def evaluate_command(
    model: Path,
    suite: str | None,
    task_folder: Path | None,
    names: str | None,
    out: Path,
    against: Size,
    data: Path | None,
    limit: int | None,
    device: str,
    prompt: Literal["v1", "own"],
    python: Path | None,
    dry_run: bool,
    overwrite: bool,
) -> None:
    """Measure MODEL, the folder of a LLaVA, with lmms-eval, and write results.md and results.json.

    One task is run at a time, so that one whose data set cannot be reached fails alone. Exit status: 0 where a task
    has a score, 1 where none has, 2 where nothing could be begun.
    """
    from mminstruct.evaluate.harness import Call
    from mminstruct.evaluate.model import check_model
    from mminstruct.evaluate.suite import LLAVA15
    from mminstruct.evaluate.tasks import chosen, folder_tasks

    everything = [*(LLAVA15 if suite or not task_folder else ())]
    everything += folder_tasks(task_folder) if task_folder else []
    tasks = chosen(everything, names.split(",") if names else [])
    check_model(model)
    call = Call(_environment(python, device), model, limit, data, task_folder)
    if dry_run:
        _show_plan(call, tasks)
        return
    _tell_cost(tasks)
    template = _v1_template() if prompt == "v1" else None
    outcomes = _run(call, tasks, everything, out, template, overwrite)
    _show_results(call, outcomes, against, out, prompt)
    sys.exit(all(outcome.failure for outcome in outcomes))


def _environment(python: Path | None, device: str) -> Environment:
    from rich.console import Console

    from mminstruct.evaluate.environment import VERSION, find_environment

    with Console(stderr=True).status("loading lmms-eval …"):
        found = find_environment(python, device)
    if found.version != VERSION:
        click.echo(
            f"lmms-eval is {found.version}, and mminstruct knows the tasks and logs of {VERSION}: the notes on what "
            "differs may not hold, and a score of a model that broke may go unnoticed.",
            err=True,
        )
    return found


def _v1_template() -> str:
    """Return the chat template that `mminstruct train` gives its models."""
    from importlib.resources import files

    return files("mminstruct.train").joinpath("llava_v1.jinja").read_text(encoding="utf-8")


def _show_plan(call: Call, tasks: Sequence[SuiteTask]) -> None:
    from mminstruct.evaluate.failures import Failure
    from mminstruct.evaluate.plan import data_place
    from mminstruct.evaluate.run import as_runnable

    environment = call.environment
    click.echo(f"lmms-eval {environment.version} of {environment.python}, on {environment.device}.")
    _tell_cost(tasks)
    for task in tasks:
        runnable = as_runnable(task)
        click.echo(f"{task.name}: {data_place(task, call.data)}")
        if isinstance(runnable, Failure):
            click.echo(f"  cannot run: {runnable.text}")
        elif runnable.remark:
            click.echo(f"  {runnable.remark}")


def _tell_cost(tasks: Sequence[SuiteTask]) -> None:
    """Say, before anything is run, what a paid judge would be asked."""
    from mminstruct.evaluate.run import as_runnable, judge_name
    from mminstruct.evaluate.suite import SuiteTask

    judged = [able for task in tasks if isinstance(able := as_runnable(task), SuiteTask) and able.needs_judge]
    if judged:
        asked = ", ".join(f"{task.name} up to {task.n_judgments:,} times" for task in judged)
        click.echo(f"A paid judge, {judge_name()}, is asked: {asked}; more where it has to be asked again.")


def _run(
    call: Call,
    tasks: Sequence[SuiteTask],
    everything: Sequence[SuiteTask],
    out: Path,
    template: str | None,
    overwrite: bool,
) -> list[Outcome]:
    """Return the outcomes of `tasks`, and of others that are done in `out` already, in the suite's order."""
    from mminstruct.evaluate.run import earlier_outcomes, evaluate

    others = [task for task in everything if task not in tasks]
    found = {outcome.task.name: outcome for outcome in earlier_outcomes(call, others, out, template)}
    for outcome in evaluate(call, tasks, out, template, overwrite, _begins):
        found[outcome.task.name] = outcome
        if outcome.failure is not None:
            click.echo(f"{outcome.task.name}: no score", err=True)
        else:
            how = f"done in {outcome.seconds:,.0f} s" if outcome.is_new else "done before"
            click.echo(f"{outcome.task.name}: {how}", err=True)
    return [found[task.name] for task in everything if task.name in found]


def _begins(task: SuiteTask, log: Path) -> None:
    click.echo(f"{task.name}: {task.task} of lmms-eval, log in {log}", err=True)


def _show_results(call: Call, outcomes: Sequence[Outcome], against: Size, out: Path, prompt: str) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as Grid

    from mminstruct.evaluate.table import make_table, write_tables

    facts = {"model": str(call.model), "lmms_eval": call.environment.version, "prompt": prompt, "limit": call.limit}
    write_tables(outcomes, against, out, facts)
    table = make_table(outcomes, against)
    grid = Grid(box=None, header_style="bold", pad_edge=False)
    for number, heading in enumerate(table.headings):
        grid.add_column(heading, justify="right" if number else "left", overflow="fold")
    for row in table.rows:
        grid.add_row(*map(escape, row.cells))
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(grid)
    for number, note in enumerate(table.notes, 1):
        click.echo(f"{number}. {note}")
    for failure in table.failures:
        click.echo(f"no score: {failure}")
    click.echo(f"Written: {out / 'results.md'}, {out / 'results.json'}")
