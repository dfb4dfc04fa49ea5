"""`mminstruct export`: a run's training samples in a trainer's format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mminstruct.cli import cli
from mminstruct.counts import count_of

if TYPE_CHECKING:
    from mminstruct.pipeline.reviewed import ReviewTally
    from mminstruct.writers.export import ExportReport
    from mminstruct.writers.format import ImageMode

# Written out, so that --help imports no writer; a test holds them to FORMATS and ImageMode.
FORMAT_NAMES = ("llava", "sharegpt", "messages", "trl", "openai", "webdataset", "hf")
IMAGE_MODES = ("copy", "link", "embed", "none")


@cli.command()
@click.argument("run_dir", metavar="RUN", type=click.Path(file_okay=False))
@click.option("--format", "format_name", type=click.Choice(FORMAT_NAMES), default="llava", show_default=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write.")
@click.option(
    "--image-mode",
    type=click.Choice(IMAGE_MODES),
    help="Copy the images, link to their folders, put them into the rows, or leave them where they are (then "
    "--image-root). Default: what the format is for; copy where it names files.",
)
@click.option(
    "--image-root",
    type=click.Path(file_okay=False, path_type=Path),
    help="With none: write image paths relative to it.",
)
@click.option(
    "--mix", type=click.Path(dir_okay=False, path_type=Path), help="Add the rows of this LLaVA or ShareGPT file."
)
@click.option("--mix-ratio", type=float, default=1.0, show_default=True, help="Share of the mix's rows to add.")
@click.option(
    "--mix-image-root",
    type=click.Path(file_okay=False, path_type=Path),
    help="What the mix's image paths are relative to. Default: the file's folder.",
)
@click.option("--mix-seed", type=int, default=0, show_default=True, help="Another seed takes other rows.")
@click.option(
    "--open-images/--no-open-images",
    default=True,
    show_default=True,
    help="Decode every image in the check, or only see that it is a file that is not empty.",
)
@click.option(
    "--reviewed",
    is_flag=True,
    help="Honour the reviewers' decisions: leave out what they dropped, take the texts that they edited, add what they "
    "keep although the filter rejected it.",
)
@click.option("--reviewed-only", is_flag=True, help="The same, without the rows that nobody has decided about.")
@click.option("--overwrite", is_flag=True, help="Replace what stands at --out.")
def export(
    run_dir: str,
    format_name: str,
    out: Path,
    image_mode: ImageMode | None,
    image_root: Path | None,
    mix: Path | None,
    mix_ratio: float,
    mix_image_root: Path | None,
    mix_seed: int,
    open_images: bool,
    reviewed: bool,
    reviewed_only: bool,
    overwrite: bool,
) -> None:
    """Write the training samples of RUN in a trainer's format, with a data card, and check them."""
    from mminstruct.pipeline.export import export_run
    from mminstruct.writers.export import ExportOptions
    from mminstruct.writers.mix import Mix

    if mix is None and (mix_ratio != 1 or mix_image_root is not None or mix_seed):
        raise click.UsageError("--mix-ratio, --mix-image-root and --mix-seed are for the rows of --mix FILE.")
    added = Mix(mix, mix_ratio, mix_image_root, mix_seed) if mix else None
    options = ExportOptions(image_mode, image_root, added, open_images, overwrite)
    written = export_run(run_dir, out, format_name, options, "only" if reviewed_only else "yes" if reviewed else "no")
    _tell(written.report, out, mix)
    if written.review is not None:
        _tell_review(written.review, run_dir, reviewed_only)
    else:
        _tell_that_there_are_decisions(run_dir)


def _tell_review(review: ReviewTally, run_dir: str, only: bool) -> None:
    left = "left out" if only else "taken as they are"
    click.echo(
        f"Reviewed by {len(review.reviewers):,}: {review.n_kept:,} kept, {review.n_edited:,} edited, "
        f"{review.n_dropped:,} dropped, {review.n_rescued:,} kept although the filter had rejected them; "
        f"{review.n_undecided:,} undecided, {left}."
    )
    for count, what in (
        (review.n_changed, "of rows that were made anew since, and have another answer now"),
        (review.n_gone, "of rows that the run no longer has"),
        (review.n_held_out, "of rows that are held out for the benchmark, or whose image or instruction is"),
    ):
        if count:
            click.echo(f"Decisions not applied, for they are {what}: {count:,}.")
    if review.n_passed_over:
        click.echo(f"Lines in {run_dir}/decisions that hold no decision, passed over: {review.n_passed_over:,}.")


def _tell_that_there_are_decisions(run_dir: str) -> None:
    from mminstruct.pipeline.decisions import read_decisions
    from mminstruct.pipeline.tables import Folder

    book = read_decisions(Folder(run_dir))
    if book.standing:
        counts = ", ".join(f"{choice} {count:,}" for choice, count in book.counts().most_common())
        click.echo(
            f"note: this run has decisions by {len(book.reviewers()):,} reviewers ({counts}), which are not in this "
            "export. --reviewed honours them."
        )


def _tell(report: ExportReport, out: Path, mix: Path | None) -> None:
    n_rows = report.n_samples + report.mix.n_taken
    click.echo(f"Wrote {count_of(n_rows, 'row')} to {out}, read back and checked.")
    if report.n_signs_spaced:
        click.echo(f"Signs of the trainers' own in texts, such as <image>, spaced out: {report.n_signs_spaced:,}.")
    if mix is None:
        return
    click.echo(
        f"Of the mix's {count_of(report.mix.n_rows, 'row')} {report.mix.n_taken:,} were added, "
        f"{report.mix.n_text_only:,} of them without an image."
    )
    first = report.mix.first_left_out
    if first is not None:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in report.mix.left_out.most_common())
        click.echo(
            f"Left out, for no trainer could use them: {kinds}. The first is row {first.row:,}: {first.detail}. "
            f"For all: mminstruct validate {mix}"
        )
