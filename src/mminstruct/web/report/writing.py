"""Writes the pages: RUN/report.html of a run; report.json and report.html of a benchmark."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from mminstruct import __version__
from mminstruct.bench.folder import load_benchmark, write_text
from mminstruct.bench.report.contents import Report
from mminstruct.bench.report.summary import summarize
from mminstruct.bench.report.thumbnails import make_thumbnails
from mminstruct.bench.report.writing import write_report
from mminstruct.pipeline.manifest import Manifest, read_manifest
from mminstruct.pipeline.tables import Folder
from mminstruct.web.report.gather import gather
from mminstruct.web.report.page import render_benchmark, render_run, require_plotly

NAME = "report.html"
_STATE = re.compile(rb'<meta name="mminstruct-run" content="([0-9a-f]*)">')
_HEAD_BYTES = 4096  # in which the page's state stands

Tell = Callable[[str], None]
"""Hears what is being worked on, in a few words."""


@dataclass(frozen=True)
class Written:
    """Where a page is, and how large."""

    path: str
    n_bytes: int


def write_run_report(run_dir: str, tell: Tell, out: Path | None = None, benchmark: Path | None = None) -> Written:
    """Write a run's page into its folder, or to `out`; with a benchmark's figures where one is given.

    Raises RunError, BenchmarkError, MissingExtraError, OSError.
    """
    require_plotly()
    folder = Folder(run_dir)
    state = state_of(read_manifest(folder)) if benchmark is None else ""
    report: Report | None = None
    if benchmark is not None:
        tell("the benchmark")
        report = summarize(load_benchmark(benchmark))
    run = gather(run_dir, report, tell)
    tell("drawing")
    data = render_run(run, state).encode("utf-8", "replace")
    if out is None:
        folder.write(NAME, data)
        return Written(folder.path(NAME), len(data))
    write_text(out, data.decode())
    return Written(str(out), len(data))


def write_benchmark_page(benchmark: Path, tell: Tell, out: Path | None = None) -> Written:
    """Write what `bench report` writes, and its page with figures. Raises BenchmarkError, MissingExtraError."""
    require_plotly()
    tell("the benchmark")
    data = load_benchmark(benchmark)
    report = write_report(data)
    tell("drawing")
    page = render_benchmark(
        report, make_thumbnails([*report.most_different, *report.disagreements], data.folder.images)
    )
    file = out or benchmark / NAME
    write_text(file, page)
    return Written(str(file), len(page.encode()))


def is_up_to_date(run_dir: str) -> bool:
    """Tell whether the page in the run's folder shows the run as it is; one with a benchmark never does."""
    folder = Folder(run_dir)
    if not folder.exists(NAME):
        return False
    with folder.open(NAME) as file:
        found = _STATE.search(file.read(_HEAD_BYTES))
    return bool(found and found[1].decode() == state_of(read_manifest(folder)))


def state_of(manifest: Manifest) -> str:
    """Return a hash of what a run's page depends on: its stages' records, and this version."""
    stages = {stage: asdict(record) for stage, record in manifest.stages.items()}
    return hashlib.blake2b(json.dumps([__version__, stages]).encode(), digest_size=16).hexdigest()
