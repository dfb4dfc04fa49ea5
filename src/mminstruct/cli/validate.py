"""`mminstruct validate`: the checks of an export, on anybody's training data."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from mminstruct.cli import cli
from mminstruct.counts import count_of
from mminstruct.errors import SourceError

if TYPE_CHECKING:
    from mminstruct.writers.anybodys import FormatName
    from mminstruct.writers.checks import CheckReport
    from mminstruct.writers.conversations import Conversation, Fault

# Written out, so that --help imports no reader; a test holds them to FormatName and FaultKind.
FORMAT_NAMES = ("llava", "sharegpt", "messages", "trl", "hf", "webdataset")
KINDS = (
    "not_a_row", "unknown_role", "no_turns", "turn_order", "mark_count", "no_image", "empty_instruction",
    "empty_answer", "missing_image", "broken_image", "duplicate_id",
)  # fmt: skip

_TOLD_EVERY = 1_000  # rows

_EXAMPLES = """
\b
Examples:
  mminstruct validate llava_v1_5_mix665k.json --image-root playground/data
  mminstruct validate data/my                  the folder of an export
  mminstruct validate train.jsonl --no-open-images --ignore duplicate_id --json
"""


@cli.command(epilog=_EXAMPLES)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--image-root",
    type=click.Path(file_okay=False, path_type=Path),
    help="What image paths are relative to. Default: the folder of FILE.",
)
@click.option("--format", "form", type=click.Choice(["auto", *FORMAT_NAMES]), default="auto", show_default=True)
@click.option(
    "--open-images/--no-open-images",
    default=True,
    show_default=True,
    help="Decode every image, or only see that it is a file that is not empty.",
)
@click.option("--needs-image", is_flag=True, help="A row without an image is a fault.")
@click.option("--ignore", type=click.Choice(KINDS), multiple=True, help="Leave faults of this kind out. Repeatable.")
@click.option("--examples", "n_examples", type=click.IntRange(0), default=3, show_default=True, help="Shown a kind.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def validate(
    file: Path,
    image_root: Path | None,
    form: FormatName | Literal["auto"],
    open_images: bool,
    needs_image: bool,
    ignore: tuple[str, ...],
    n_examples: int,
    as_json: bool,
) -> None:
    """Check training data in LLaVA's, ShareGPT's, messages' or TRL's form, and list the faults by kind.

    FILE is a JSON list, JSON Lines, Parquet, a tar, or the folder of an export. Exit status: 0 without faults, 1 with
    faults, 2 where FILE cannot be read.
    """
    from mminstruct.writers.anybodys import guess_format, read_anybodys, training_file
    from mminstruct.writers.checks import check_conversations
    from mminstruct.writers.conversations import FaultKind

    path = training_file(file)
    known = guess_format(path) if form == "auto" else form
    base = image_root or (path if path.is_dir() else path.parent)
    rows = _watched(read_anybodys(path, known))
    ignored = frozenset(FaultKind(kind) for kind in ignore)
    report = check_conversations(rows, base, open_images, needs_image, n_examples, ignored)
    if report.n_rows == 0:
        raise SourceError(f"{path} holds no rows. Name a file with training data.")
    if as_json:
        click.echo(json.dumps(_as_json(path, known, report), indent=2))
    else:
        _print(path, known, base, report)
    sys.exit(1 if report.faults else 0)


def _watched(rows: Iterator[Conversation | Fault]) -> Iterator[Conversation | Fault]:
    """Pass the rows on and say on stderr how many there were."""
    from rich.console import Console

    with Console(stderr=True).status("checking …") as status:
        for number, row in enumerate(rows, start=1):
            yield row
            if number % _TOLD_EVERY == 0:
                status.update(f"checking … {number:,} rows")


def _as_json(path: Path, form: str, report: CheckReport) -> dict[str, Any]:
    from dataclasses import asdict

    return {"file": str(path), "format": form, **asdict(report)}


def _print(path: Path, form: str, base: Path, report: CheckReport) -> None:
    from mminstruct.writers.conversations import FaultKind

    text_only = f", {count_of(report.n_text_only, 'row')} without an image" if report.n_text_only else ""
    images = count_of(report.n_images, "different image")
    click.echo(f"{path}: {form}, {count_of(report.n_rows, 'row')}, {images}{text_only}")
    if report.n_addresses:
        click.echo(f"Images at an address on the net, not looked at: {report.n_addresses:,}")
    if not report.faults:
        click.echo("No faults.")
        return
    click.echo(f"Rows with a fault: {report.n_faulty_rows:,}")
    for kind, tally in report.faults.items():
        click.echo(f"\n{kind}: {count_of(tally.n_rows, 'row')}")
        for fault in tally.examples:
            named = f", id {fault.id}" if fault.id else ""
            click.echo(_printable(f"  row {fault.row:,}{named}: {fault.detail}"))
        if kind == FaultKind.MISSING_IMAGE:
            click.echo(f"  Image paths were taken as relative to {base}; --image-root names another folder.")


def _printable(text: str) -> str:
    """Return the text with what would disturb a terminal, or cannot be written to one, as escapes."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
