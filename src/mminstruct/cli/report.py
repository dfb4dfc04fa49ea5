"""`mminstruct report`: a page about a run or a benchmark, and what is said of it at the end of a run."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mminstruct.cli import cli
from mminstruct.errors import MissingExtraError, MMInstructError

if TYPE_CHECKING:
    from mminstruct.web.report.writing import Written

_EXAMPLES = """
\b
Examples:
  mminstruct report runs/coco                       writes runs/coco/report.html
  mminstruct report runs/coco --open                and shows it in the browser
  mminstruct report runs/coco --bench bench/coco --out coco.html
  mminstruct report bench/coco                      a benchmark's page, with figures
"""


@cli.command(epilog=_EXAMPLES)
@click.argument("folder", metavar="RUN_OR_BENCHMARK", type=click.Path(file_okay=False))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the page to this file.")
@click.option(
    "--bench",
    "benchmark",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Add the figures of this benchmark to a run's page.",
)
@click.option("--open", "open_it", is_flag=True, help="Show the page in the browser.")
def report(folder: str, out: Path | None, benchmark: Path | None, open_it: bool) -> None:
    """Write one page about a run, finished or not, or about a benchmark: figures, tables, samples and rejects.

    It is a single file, report.html in the folder itself, that opens without server and network. `mminstruct run`
    writes it at its end.
    """
    from mminstruct.bench.folder import is_benchmark
    from mminstruct.web.report.writing import write_benchmark_page, write_run_report

    with _telling() as tell:
        if is_benchmark(folder):
            if benchmark is not None:
                raise click.UsageError(f"--bench is for a run's page, and {folder} is a benchmark itself.")
            written = write_benchmark_page(Path(folder), tell, out)
        else:
            written = write_run_report(folder, tell, out, benchmark)
    click.echo(f"Wrote {_shown(written)}.")
    if open_it:
        click.launch(written.path)


def report_at_the_end(run_dir: str) -> None:
    """Write the page of a run that got through, and say where it is; one that shows the run as it is stays.

    Whatever goes wrong is told in one line: the run itself is done.
    """
    from mminstruct.web.report.writing import is_up_to_date, write_run_report

    again = shlex.join(["mminstruct", "report", run_dir])
    try:
        if is_up_to_date(run_dir):
            return
        with _telling() as tell:
            written = write_run_report(run_dir, tell)
    except MissingExtraError as error:
        click.echo(f"No page about the run: {error}; then: {again}", err=True)
    except Exception as error:
        what = str(error) if isinstance(error, MMInstructError) else f"{type(error).__name__}: {error}"
        click.echo(f"The run is done, but no page about it was written ({what}). Try again with: {again}", err=True)
    else:
        click.echo(f"A page about the run: {_shown(written)}")


@contextmanager
def _telling() -> Iterator[Callable[[str], None]]:
    """Give a function that shows what is being worked on, where somebody watches."""
    from rich.console import Console

    with Console(stderr=True).status("report") as status:
        yield lambda what: status.update(f"report: {what}")


def _shown(written: Written) -> str:
    return f"{written.path} ({written.n_bytes / 1e6:.1f} MB)"
