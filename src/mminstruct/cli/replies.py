"""`mminstruct replies`: look after a reply store."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from mminstruct.cli import cli

if TYPE_CHECKING:
    from mminstruct.llm.store.care import StoreStats

_STORE = click.argument("store", type=click.Path(file_okay=False, path_type=Path))


_EXAMPLES = """
\b
Examples:
  mminstruct replies stats replies                               what it holds, and what runs have paid
  mminstruct replies export replies | jq .reply                  every reply, as JSON Lines
  mminstruct replies prune replies --keep runs/a --keep runs/b   what would go if only these runs mattered
"""


@cli.group(epilog=_EXAMPLES)
def replies() -> None:
    """Look after a reply store.

    STORE is the folder that `replies` in a config names.
    """


@replies.command()
@_STORE
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def stats(store: Path, as_json: bool) -> None:
    """Say what STORE holds and what runs have paid."""
    from mminstruct.cli.display import wide_console
    from mminstruct.cli.store_tables import model_grid, spent_grid
    from mminstruct.llm.store.care import store_stats

    found = store_stats(store)
    if as_json:
        click.echo(json.dumps(_as_json(found), indent=2))
        return
    click.echo(f"{store}: {found.n_replies:,} replies, {_megabytes(found.n_bytes)}")
    console = wide_console()
    for grid in (model_grid(found), spent_grid(found)):
        if grid.row_count:
            console.print()
            console.print(grid)


@replies.command()
@_STORE
@click.option("--model", help="Only replies of this model.")
@click.option(
    "--older-than", "n_days", type=click.FloatRange(min=0), metavar="DAYS", help="Only replies at least that old."
)
@click.option(
    "--keep",
    "runs",
    multiple=True,
    metavar="RUN",
    type=click.Path(file_okay=False),
    help="Only replies that no table of this run names; several times: of any of these runs.",
)
@click.option("--yes", is_flag=True, help="Delete; without it, only say what would be deleted.")
def prune(store: Path, model: str | None, n_days: float | None, runs: Sequence[str], yes: bool) -> None:
    """Delete replies of STORE.

    Those go that fulfil all the conditions given. What is deleted and then asked again is paid for again. Runs that
    use the store meanwhile go on; the account of what was paid stays.
    """
    from mminstruct.llm.store.care import n_bytes_on_disk
    from mminstruct.llm.store.pruning import Pruning

    if model is None and n_days is None and not runs:
        raise click.UsageError("Which replies? Give --model, --older-than or --keep, or several of them.")
    created_before = None if n_days is None else time.time() - n_days * 86400
    with Pruning(store, model, created_before, _request_ids(runs) if runs else None) as pruning:
        if runs:
            click.echo(f"{' and '.join(runs)}: {pruning.n_kept():,} replies of this store are named there and stay.")
        if not yes:
            counts = ", ".join(f"{count:,} of {name}" for name, count in pruning.by_model().items())
            click.echo(f"Would delete {counts}. With --yes they are deleted." if counts else "Would delete nothing.")
            return
        n_bytes = n_bytes_on_disk(store)
        n_deleted = pruning.delete()
        sizes = f"{_megabytes(n_bytes)} on disk before, {_megabytes(n_bytes_on_disk(store))} now"
        click.echo(f"Deleted {n_deleted:,} replies: {sizes}.")


@replies.command()
@_STORE
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write this file, not to stdout.")
@click.option("--model", help="Only replies of this model.")
def export(store: Path, out: Path | None, model: str | None) -> None:
    """Write what STORE holds as JSON Lines.

    A line has the keys request_id, created (Unix seconds), model, request (what was sent), reply, finish_reason,
    prompt_tokens and completion_tokens.
    """
    from mminstruct.llm.store.care import json_lines

    lines = json_lines(store, model)
    if out is None:
        _write(lines, sys.stdout.buffer)
        return
    if out.exists():
        raise click.ClickException(f"{out} is there already; choose another name, or remove it first.")
    part = out.with_name(f"{out.name}.tmp")
    try:
        with part.open("wb") as stream:
            n_replies = _write(lines, stream)
        part.rename(out)
    except OSError as error:
        raise click.ClickException(f"{out} cannot be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    click.echo(f"Wrote {n_replies:,} replies to {out}.")


@replies.command()
@_STORE
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of the new store.")
def recover(store: Path, out: Path) -> None:
    """Save what can be read of a damaged STORE into a new one.

    STORE stays as it is. Point `replies` in the config at the new folder, or put it in the old one's place.
    """
    from mminstruct.llm.store.recovery import recover as save_readable

    saved = save_readable(store, out)
    click.echo(f"Saved {saved.n_replies:,} replies in {out}.")
    if not saved.with_ledger:
        click.echo("The account of what was paid could not be read: spending counts from zero.")


def _write(lines: Iterator[bytes], stream: BinaryIO) -> int:
    n_lines = 0
    for line in lines:
        stream.write(line)
        n_lines += 1
    stream.flush()
    return n_lines


def _request_ids(runs: Sequence[str]) -> Iterator[str]:
    """Yield the ids of all requests that the runs' tables refer to. Raises RunError for a run that is not finished."""
    from mminstruct.errors import RunError
    from mminstruct.pipeline.manifest import read_manifest
    from mminstruct.pipeline.run_tables import Tables
    from mminstruct.pipeline.story import open_run

    folders = [open_run(run)[1] for run in runs]
    for folder in folders:
        unfinished = [name for name, record in read_manifest(folder).stages.items() if record.status == "running"]
        if unfinished:
            raise RunError(
                f"Stage {unfinished[0]} of the run {folder.location} is not finished: its tables do not name yet all "
                "the replies that it has. Run it to its end, then prune."
            )
    for folder in folders:
        for table in Tables(folder).all():
            for row in chain(table.rows(), table.rejects()):
                yield from filter(None, (getattr(row, column, "") for column in ("request_id", "check_id")))


def _as_json(found: StoreStats) -> dict[str, Any]:
    return {
        "replies": found.n_replies,
        "bytes": found.n_bytes,
        "by_model": {model: asdict(held) for model, held in found.by_model.items()},
        "spent": [
            {"run_id": run_id, "stage": stage, "model": model, **asdict(sums)}
            for (run_id, stage, model), sums in found.spent.items()
        ],
    }


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.1f} MB"
