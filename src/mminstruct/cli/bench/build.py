"""`mminstruct bench build` and `bench import`: make a benchmark folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mminstruct.cli.bench import bench
from mminstruct.counts import count_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as Grid

    from mminstruct.bench.folder import BenchmarkData
    from mminstruct.bench.questions.build import BuildReport
    from mminstruct.bench.questions.decontaminate import Comparison
    from mminstruct.bench.questions.importing import ImportReport

_N_NAMED = 3  # of the images that are not there

_BUILD_EXAMPLES = """
\b
Examples:
  mminstruct bench build runs/my --out bench/my
  mminstruct bench build runs/my --out bench/my --against llava_v1_5_mix665k.json --image-root playground/data
  mminstruct bench build runs/my --out bench/my --against runs/older --against ours.jsonl --similarity 0.85
"""

_IMPORT_EXAMPLES = """
\b
Examples:
  mminstruct bench import --out bench/mm --questions questions.json --answers gpt4v.json --answers llava-v1.5-7b.json
  mminstruct bench import --out bench/mm --answers answers/my-vlm.jsonl      another model's answers, later
  mminstruct bench import --out bench/mm --images downloads/sa1b             the images, later
"""

_OUT = click.option(
    "--out", metavar="B", type=click.Path(file_okay=False, path_type=Path), required=True, help="The benchmark folder."
)


@bench.command(epilog=_BUILD_EXAMPLES)
@click.argument("run_dir", metavar="RUN", type=click.Path(file_okay=False))
@_OUT
@click.option(
    "--against",
    metavar="DATA",
    multiple=True,
    help="Training data to keep out besides the run's own: a run folder, LLaVA JSON, or JSON Lines.",
)
@click.option(
    "--image-root",
    "image_roots",
    multiple=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the images of --against files are, if not beside the file.",
)
@click.option(
    "--similarity",
    type=click.FloatRange(0, 1, min_open=True),
    help="Instructions at this cosine or more are the same. Default: split.near_duplicate_similarity of the run.",
)
@click.option(
    "--different-bits",
    type=click.IntRange(0, 63),
    help="Images whose 64-bit hashes differ in so many bits or fewer are the same. Default: 8.",
)
@click.option("--overwrite", is_flag=True, help="Replace the benchmark at B, if nothing in it would be lost.")
def build(
    run_dir: str,
    out: Path,
    against: tuple[str, ...],
    image_roots: tuple[Path, ...],
    similarity: float | None,
    different_bits: int | None,
    overwrite: bool,
) -> None:
    """Make a benchmark of the questions that RUN holds out.

    Questions that training data give away are left out and listed in B/dropped.jsonl: the same image, the same picture
    in another file, or nearly the same instruction, in the run's own training data or in --against.
    """
    from rich.console import Console

    from mminstruct.bench.questions.build import BuildOptions, build_benchmark
    from mminstruct.bench.questions.perceptual import MAX_DIFFERENT_BITS
    from mminstruct.cli.display import wide_console

    bits = MAX_DIFFERENT_BITS if different_bits is None else different_bits
    options = BuildOptions(against, image_roots, similarity, bits, overwrite)
    with Console(stderr=True).status("reading …") as status:
        report = build_benchmark(
            run_dir, out, options, lambda name, n_rows: status.update(f"comparing with {name} … {n_rows:,} rows")
        )
    _tell_build(wide_console(), report, out)


@bench.command(name="import", epilog=_IMPORT_EXAMPLES)
@_OUT
@click.option(
    "--questions",
    "questions_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON Lines or a JSON list: question_id, image, text or instruction, caption, category. Makes B.",
)
@click.option(
    "--answers",
    "answers_files",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="One model's answers: question_id, text or answer. The file's name is the model's name.",
)
@click.option("--images", type=click.Path(file_okay=False, path_type=Path), help="The folder of the questions' images.")
@click.option("--overwrite", is_flag=True, help="Replace the benchmark at B, or a model's answers in it.")
def import_command(
    out: Path, questions_file: Path | None, answers_files: tuple[Path, ...], images: Path | None, overwrite: bool
) -> None:
    """Make a benchmark of questions and answers in files, or add answers and images to one.

    The files that MM-Instruct has released are read as they are.
    """
    from mminstruct.bench.folder import load_benchmark
    from mminstruct.bench.questions.importing import add_to_benchmark, import_benchmark
    from mminstruct.cli.display import wide_console

    if questions_file is not None:
        report = import_benchmark(out, questions_file, answers_files, images, overwrite)
    elif answers_files or images:
        report = add_to_benchmark(out, answers_files, images, overwrite)
    else:
        raise click.UsageError("Nothing to import: give --questions to make B, or --answers or --images to add to it.")
    _tell_import(wide_console(), report, load_benchmark(out))


def _tell_build(console: Console, report: BuildReport, out: Path) -> None:
    console.print(_comparison_table(report.comparisons))
    limits = report.limits
    _say(
        console,
        f"the same: instructions at a similarity of {limits.similarity} or more ({report.encoder}), and images whose "
        f"hashes differ in {limits.different_bits} of 64 bits or fewer",
    )
    for comparison in report.comparisons:
        if comparison.n_images_missing and not comparison.n_images:
            name = comparison.name
            _say(console, f"None of the images of {name} was found, so nothing is known of them (--image-root)")
    n_instructions = len({question.instruction for question in report.kept})
    _say(
        console,
        f"\n{count_of(report.n_held_out, 'question')} held out: {len(report.kept):,} kept, with "
        f"{count_of(n_instructions, 'instruction')}, {len(report.dropped):,} dropped",
    )
    for reason, count in report.reasons.most_common():
        _say(console, f"  {reason}  {count:,}")
    _say(console, f"Wrote {out}" + (f"; {out}/dropped.jsonl says why" if report.dropped else ""))


def _comparison_table(comparisons: list[Comparison]) -> Grid:
    """Return what was compared, a line each set of data; faults that nothing has are left out."""
    columns = {
        "rows": [each.n_rows for each in comparisons],
        "unreadable rows": [each.n_rows_unreadable for each in comparisons],
        "instructions": [each.n_instructions for each in comparisons],
        "images": [each.n_images for each in comparisons],
        "images not found": [each.n_images_missing for each in comparisons],
        "unreadable images": [each.n_images_unreadable for each in comparisons],
        "give away": [len(each.given_away) for each in comparisons],
    }
    faults = ("unreadable rows", "images not found", "unreadable images")
    columns = {heading: counts for heading, counts in columns.items() if any(counts) or heading not in faults}
    grid = _grid("compared with", *columns)
    for each, *counts in zip(comparisons, *columns.values(), strict=True):
        _add_row(grid, each.name, *(f"{count:,}" for count in counts))
    return grid


def _tell_import(console: Console, report: ImportReport, data: BenchmarkData) -> None:
    n_instructions = len({question.instruction for question in data.questions})
    _say(console, f"{count_of(len(data.questions), 'question')}, {count_of(n_instructions, 'instruction')}")
    _tell_images(console, report, data)
    if report.models:
        console.print()
        console.print(_answers_table(report, data))
    for model, count in report.n_other_prompts.items():
        answers = count_of(count, "answer")
        _say(console, f"{model}: {answers} with another prompt than the question's. Is the file for these questions?")
    _say(console, f"Wrote {data.folder.path}")


def _tell_images(console: Console, report: ImportReport, data: BenchmarkData) -> None:
    for what, names in (
        ("not found", report.images_missing),
        ("without a picture that opens", report.images_unreadable),
    ):
        if names:
            more = " …" if len(names) > _N_NAMED else ""
            _say(console, f"{count_of(len(names), 'image')} {what}: {', '.join(names[:_N_NAMED])}{more}")
    n_images = sum(data.folder.image_path(question).is_file() for question in data.questions)
    if not n_images:
        _say(console, "no images: only judges that read captions can be used (--images DIR adds them)")
    elif n_images < len(data.questions):
        _say(console, f"{n_images:,} of the questions have their image, the others only a caption")
    if n_blank := sum(not question.caption.strip() for question in data.questions):
        _say(console, f"{n_blank:,} of the questions have no caption: judges that read captions skip them")


def _answers_table(report: ImportReport, data: BenchmarkData) -> Grid:
    from mminstruct.bench.report.models import summarize_model

    grid = _grid("model", "answers", "missing", "empty", "unknown", "repeated", "mean words")
    for model in report.models:
        told = summarize_model(data, model)
        counts = (told.n_answers, told.n_missing, told.n_empty, told.n_unknown, told.n_repeated)
        _add_row(grid, model, *(f"{count:,}" for count in counts), f"{told.mean_words:.1f}")
    return grid


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _grid(first: str, *others: str) -> Grid:
    from rich.table import Table as Grid

    grid = Grid(box=None, header_style="bold", pad_edge=False)
    grid.add_column(first, overflow="fold")
    for heading in others:
        grid.add_column(heading, justify="right", no_wrap=True)
    return grid


def _add_row(grid: Grid, name: str, *cells: str) -> None:
    from rich.markup import escape

    grid.add_row(escape(name), *cells)
