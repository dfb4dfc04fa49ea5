"""How long the report of a run takes, in how much memory, and how large it is, by the size of the run.

    python benchmarks/report_size.py                      ten minutes, and 3 GB in the temporary folder
    python benchmarks/report_size.py --images 20 1000     a quick look

The runs are those of `explore_run.py`: two matches an image, a tenth of the answers rejected, 500 images a part, real
photographs under many names, answers of 40 to 199 words, 2,000 raw instructions for the map. Each report is a process
of its own, timed from its start to its end. The first also computes the vectors of the instructions, which a real run
has kept. Output: `benchmarks/results/report_size.md`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import explore_run
import large_run
from harness import HERE, machine

RESULTS = HERE / "results" / "report_size.md"


def measure(n_images: int) -> str:
    """Make a run of this size and return its row of the table."""
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, str(Path(__file__).resolve()), "--make", name, str(n_images)]
        subprocess.run(command, check=True)
        run = Path(name) / "run"
        first_s, _, _ = large_run.timed("report", str(run))
        before = os.times()
        again_s, peak_mb, _ = large_run.timed("report", str(run))
        after = os.times()
        used_s = after.children_user + after.children_system - before.children_user - before.children_system
        size_mb = (run / "report.html").stat().st_size / 1e6
    n_samples = 2 * (n_images - -(-n_images // 10))
    seconds = f"{first_s:.1f} | {again_s:.1f} | {used_s:.1f}"
    row = f"| {n_images:,} | {n_samples:,} | {seconds} | {peak_mb:,.0f} | {size_mb:.1f} |"
    print(row, file=sys.stderr, flush=True)
    return row


def main() -> None:
    """Measure all sizes, write the table and print it; with `--make` make one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[20, 10_000, 130_000])
    parser.add_argument("--make", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the table is written")
    options = parser.parse_args()
    if options.make:
        explore_run.make(Path(options.make[0]), int(options.make[1]))
        return
    rows = [measure(n_images) for n_images in options.images]
    options.out.write_text(table(rows), encoding="utf-8")
    print(options.out.read_text(encoding="utf-8"))


def table(rows: list[str]) -> str:
    """Return the table as Markdown."""
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    lines = [
        "# The report of a run, by its size",
        "",
        f"`python benchmarks/report_size.py`: {machine(('plotly', 'pyarrow'))}; load at the end {load}.",
        "",
        f"Generated runs in parts of {large_run.SHARD_SIZE} images, two pairs an image, {large_run.N_RAW:,} raw and",
        f"{large_run.N_INSTRUCTIONS} general instructions, on a local disk; whole processes. The first time vectors",
        "of the instructions and the map are computed, which are then kept. Processor seconds are of the second time,",
        "over all cores.",
        "",
        "| images | samples | seconds, first | seconds, again | processor seconds | peak MB | page, MB |",
        "|---:|---:|---:|---:|---:|---:|---:|",
        *rows,
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
