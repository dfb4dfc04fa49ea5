"""`mminstruct explore`: a run or a benchmark in the browser."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mminstruct.cli import cli
from mminstruct.counts import count_of

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from mminstruct.web.explore.safety import Guard

_EXAMPLES = """
\b
Examples:
  mminstruct explore runs/my                        gallery, map, review, and the run as it goes
  mminstruct explore bench/my                       leaderboard, questions, arena
  mminstruct explore runs/my --no-browser --port 9000
  mminstruct explore runs/my --host 0.0.0.0         for others too; the address that it prints holds a token
  mminstruct explore runs/my --export-atlas map.parquet     the map of samples, as embedding-atlas reads it
\b
From another machine without --host:
  ssh -L 8765:localhost:8765 you@machine            then open http://localhost:8765 here
"""


@cli.command(epilog=_EXAMPLES)
@click.argument("folder", metavar="RUN_OR_BENCH", type=click.Path(file_okay=False))
@click.option("--port", type=click.IntRange(0, 65535), help="0: any free one. Default: the first free one from 8765.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen at; any but loopback needs a token."
)
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@click.option(
    "--export-atlas",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a run's map of samples as Parquet for embedding-atlas, and end.",
)
def explore(folder: str, port: int | None, host: str, no_browser: bool, export_atlas: Path | None) -> None:
    """Look at a run or a benchmark in the browser, on this machine.

    What is computed (thumbnails, the search index, maps) goes to RUN/explore, what reviewers decide to RUN/decisions.
    Ctrl-C ends it.
    """
    from mminstruct.web.explore.server import address_of, listen, require_packages, serve

    require_packages()
    if export_atlas:
        from mminstruct.web.explore.map_samples import write_atlas

        n = write_atlas(folder, export_atlas)
        click.echo(
            f"{count_of(n, 'row')}. Show them with: embedding-atlas {export_atlas} --x x --y y --text instruction"
        )
        return
    from mminstruct.web.explore.safety import Guard

    guard = Guard(host)
    bound = listen(host, port)
    app = _app(folder, guard)
    address = address_of(bound, host, guard.token)
    click.echo(f"{folder} is shown at {address}\nCtrl-C ends it.")
    if not no_browser and _has_screen():
        import webbrowser

        webbrowser.open(address)
    serve(app, bound)


def _app(folder: str, guard: Guard) -> Starlette:
    from mminstruct.bench.folder import is_benchmark
    from mminstruct.web.explore.app import bench_app, run_app
    from mminstruct.web.explore.bench.explorer import BenchExplorer
    from mminstruct.web.explore.library import RunExplorer

    if is_benchmark(folder):
        return bench_app(BenchExplorer(Path(folder)), guard)
    return run_app(RunExplorer(folder), guard)


def _has_screen() -> bool:
    """Tell whether a browser can open here; over SSH one would open in the terminal, in the way of all else."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
