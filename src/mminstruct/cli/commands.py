"""The commands, one function each: read the options, call the pipeline, print."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mminstruct import STAGES
from mminstruct.cli import cli
from mminstruct.cli.scale import count, tell_scale
from mminstruct.errors import RunInterrupted

if TYPE_CHECKING:
    from mminstruct.config.run import RunConfig

_CONFIG = click.argument("config", type=click.Path(dir_okay=False, path_type=Path))
_RUN = click.argument("run_dir", metavar="RUN", type=click.Path(file_okay=False))
_OVERRIDES = click.option(
    "-o", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a config key: -o match.per_image=2"
)
_RUN_DIR = click.option("--run-dir", type=click.Path(file_okay=False), help="Use this run folder, not the config's.")


@cli.command()
@_CONFIG
@_RUN_DIR
@click.option("--from", "first", type=click.Choice(STAGES), help="Redo this stage and all after it.")
@click.option("--until", "last", type=click.Choice(STAGES), help="Stop after this stage.")
@click.option("--engine", type=click.Choice(["local", "ray"]), help="Where per-row work runs; not the config's.")
@_OVERRIDES
def run(
    config: Path,
    run_dir: str | None,
    first: str | None,
    last: str | None,
    engine: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Run the pipeline that CONFIG describes, or go on with it.

    Finished stages and parts are skipped, stored replies are not asked again; after a change only what depends on it
    is done again. With `--engine ray` parts go to the workers of the Ray cluster that this machine belongs to.
    """
    from mminstruct.config.file import load_config

    if engine:
        overrides = (*overrides, "engine.kind=ray" if engine == "ray" else "engine={kind: local}")
    again = ["mminstruct", "run", str(config)]  # without --from: what was redone so far stays
    again += ["--run-dir", run_dir] if run_dir else []
    again += ["--until", last] if last else []
    again += [part for override in overrides for part in ("-o", override)]
    _run(load_config(config, _with_run_dir(overrides, run_dir)), shlex.join(again), first, last)


@cli.command()
@click.option("--run-dir", default="runs/demo", show_default=True, type=click.Path(file_okay=False))
@click.option("--short", is_flag=True, help="A third of the work, to see that everything runs.")
def demo(run_dir: str, short: bool) -> None:
    """Run the whole pipeline on built-in photographs with the embedded models: no key, no GPU, no download."""
    from mminstruct.cli.demo import demo_config, print_demo_results

    again = ["mminstruct", "demo", "--run-dir", run_dir, *(["--short"] if short else [])]
    _run(demo_config(Path(run_dir), short), shlex.join(again), None, None)
    print_demo_results(run_dir)


@cli.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def init(file: Path) -> None:
    """Write a commented config to FILE."""
    from importlib.resources import files

    if file.exists():
        raise click.ClickException(f"{file} is there already; choose another name, or remove it first.")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text((files("mminstruct") / "data" / "config.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    click.echo(f"Wrote {file}. Set the images and the language model in it, then: mminstruct plan {file}")


@cli.command()
@_CONFIG
@_RUN_DIR
@_OVERRIDES
@click.option(
    "--scale",
    "n_images",
    type=count,
    metavar="N_IMAGES",
    help="For so many images, as 1e8 or 100M, not the config's own.",
)
@click.option("--rates", type=click.Path(dir_okay=False, path_type=Path), help="With --scale: rates of your own.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan(
    config: Path,
    run_dir: str | None,
    overrides: tuple[str, ...],
    n_images: int | None,
    rates: Path | None,
    as_json: bool,
) -> None:
    """Say what a run of CONFIG would ask and cost, without any request.

    Prompt tokens are estimated from the real prompts; replies' lengths are assumptions, which the table states. Costs
    need `price` in the config's `llm`. With `--scale` also hours, storage and what runs out first; the config's
    captions are then a sample, or not there yet.
    """
    from dataclasses import asdict

    from mminstruct.cli.display import plan_table, wide_console
    from mminstruct.config.file import load_config
    from mminstruct.pipeline.plan import make_plan

    if rates is not None and n_images is None:
        raise click.UsageError("--rates is for --scale; give the number of images too.")
    loaded = load_config(config, _with_run_dir(overrides, run_dir))
    if n_images is not None:
        tell_scale(loaded, n_images, rates, as_json)
        return
    stages = make_plan(loaded)
    if as_json:
        click.echo(json.dumps([asdict(stage) for stage in stages], indent=2))
    else:
        wide_console().print(plan_table(stages))


@cli.command()
@_RUN
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
def status(run_dir: str, as_json: bool) -> None:
    """Say how far the run in RUN is, and what it took."""
    from dataclasses import asdict

    from mminstruct.cli.display import print_notes, spending_table, stage_table, wide_console
    from mminstruct.pipeline.manifest import read_manifest
    from mminstruct.pipeline.story import open_run

    config, folder = open_run(run_dir)
    manifest = read_manifest(folder)
    if as_json:
        click.echo(json.dumps(asdict(manifest), indent=2))
        return
    console = wide_console()
    console.print(stage_table(manifest))
    print_notes(console, manifest)
    if any(record.paid for record in manifest.stages.values()):
        console.print()
        console.print(spending_table(manifest))
    waiting = [name for name in config.stages if name not in manifest.stages]
    if waiting:
        console.print(f"Not begun: {', '.join(waiting)}")


@cli.command()
@_RUN
@click.argument("row_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(run_dir: str, row_id: str, as_json: bool) -> None:
    """Tell the whole story of one row: its image, seeds, cluster, score, exemplars, exact prompt, model and verdicts.

    ID is a sample's, image's, instruction's or reject's id, or its first digits.
    """
    from mminstruct.cli.display import print_story, wide_console
    from mminstruct.pipeline.story import tell_story

    story = tell_story(run_dir, row_id)
    if as_json:
        click.echo(json.dumps(story, indent=2, ensure_ascii=False))
    else:
        print_story(wide_console(), story)


@cli.command(name="filter")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write.")
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), help="Take the rules of this config.")
@click.option("--overwrite", is_flag=True, help="Replace kept.jsonl and rejected.jsonl at --out.")
def filter_command(file: Path, out: Path, config: Path | None, overwrite: bool) -> None:
    """Apply the filter rules to anybody's data.

    FILE is JSON Lines with `id, instruction, answer` and, where known, `description, finish_reason`; or LLaVA JSON.
    Writes kept.jsonl and rejected.jsonl, where each row has its `reason` and `detail`.
    """
    from mminstruct.cli.display import print_filter_report, wide_console
    from mminstruct.cli.filtering import filter_anybodys

    print_filter_report(wide_console(), filter_anybodys(file, out, config, overwrite))


def _with_run_dir(overrides: tuple[str, ...], run_dir: str | None) -> tuple[str, ...]:
    return (*overrides, f"run_dir={run_dir}") if run_dir else overrides


def _run(config: RunConfig, again: str, first: str | None, last: str | None) -> None:
    from rich.console import Console

    from mminstruct.cli.display import print_notes, stage_table, wide_console
    from mminstruct.cli.progress import progress_for
    from mminstruct.cli.report import report_at_the_end
    from mminstruct.pipeline.run import run_steps
    from mminstruct.pipeline.steps import STEPS

    try:
        with progress_for(Console(stderr=True)) as progress:
            manifest = asyncio.run(run_steps(config, STEPS, progress, first, last))
    except (KeyboardInterrupt, RunInterrupted):
        click.echo(f"\nStopped; every reply received so far is kept. Go on with: {again}", err=True)
        sys.exit(130)
    console = wide_console()
    console.print()
    console.print(stage_table(manifest))
    print_notes(console, manifest)
    report_at_the_end(config.run_dir)
