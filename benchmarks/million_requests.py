"""Whether memory stays flat: the `answer` stage over a million matches, its resident memory written down as it goes.

    python benchmarks/million_requests.py                          some minutes, and 2 GB of disk
    python benchmarks/million_requests.py --requests 100000        a quick look

The tables before the stage are made part by part, so that they leave no trace in the memory. The stub answers after
`--latency-s`. Output: `benchmarks/results/million_requests.md`.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from rich.console import Console

from answer_stage import Result, peak_mb, run_answer_stage
from harness import HERE, machine, stub_server
from mminstruct.cli.progress import PlainProgress
from mminstruct.llm.usage import Usage
from mminstruct.pipeline.manifest import StageRecord

RESULTS = HERE / "results" / "million_requests.md"
N_SAMPLES = 10
PACKAGES = ("aiohttp", "pyarrow")


class MemoryLog:
    """A Progress that hands on to a real one and notes the memory a few times on the way.

    `samples` are rows through, seconds since the stage began, resident MB now, largest resident MB so far.
    """

    def __init__(self, shown: PlainProgress, every_rows: int) -> None:
        self.samples: list[tuple[int, float, float, float]] = []
        self._shown = shown
        self._every_rows = every_rows
        self._n_rows = 0

    def stage_started(self, stage: str, n_rows: int | None, n_done: int) -> None:
        """Note what is there before the first row."""
        self._started = time.monotonic()
        self._note()
        self._shown.stage_started(stage, n_rows, n_done)

    def advanced(self, n_rows: int, n_rejected: int, usage: Usage | None) -> None:
        """Note the memory when its turn has come."""
        self._n_rows += n_rows
        if self._n_rows % self._every_rows == 0:
            self._note()
        self._shown.advanced(n_rows, n_rejected, usage)

    def stage_ended(self, stage: str, record: StageRecord, skipped: bool) -> None:
        """Hand on."""
        self._shown.stage_ended(stage, record, skipped)

    def note(self, text: str) -> None:
        """Hand on."""
        self._shown.note(text)

    def _note(self) -> None:
        self.samples.append((self._n_rows, time.monotonic() - self._started, resident_mb(), peak_mb()))


def resident_mb() -> float:
    """Return the resident memory of this process."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


def main() -> None:
    """Run the stage, write the table and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--latency-s", type=float, default=0.02)
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the table is written")
    options = parser.parse_args()
    log = MemoryLog(PlainProgress(Console(stderr=True)), max(1, options.requests // N_SAMPLES))
    with tempfile.TemporaryDirectory() as folder, stub_server("--latency-s", str(options.latency_s)) as stub:
        work = run_answer_stage(Path(folder), stub.base_url, options.requests, options.concurrency, log)
        result = asyncio.run(work)
        n_bytes = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    options.out.write_text(report(log, result, n_bytes, options), encoding="utf-8")
    print(options.out.read_text(encoding="utf-8"))


def report(log: MemoryLog, result: Result, n_bytes: int, options: argparse.Namespace) -> str:
    """Return the table as Markdown; `n_bytes` is the size of run folder and reply store."""
    latency_ms, cpu_ms = 1000 * options.latency_s, 1000 * result.cpu_seconds / options.requests
    lines = [
        f"# The `answer` stage over {options.requests:,} requests",
        "",
        f"`python benchmarks/million_requests.py`: {machine(PACKAGES)}.",
        f"{options.concurrency} in flight, {latency_ms:g} ms latency, prompts of 1 kB, replies of 0.6 kB: "
        f"{options.requests / result.seconds:,.0f} requests/s,",
        f"{cpu_ms:.3f} ms CPU a request, largest resident memory {result.peak_mb:,.0f} MB, run folder and reply store "
        f"{n_bytes / 1e9:.1f} GB.",
        "",
        "| rows through | seconds | resident MB | largest so far, MB |",
        "|---:|---:|---:|---:|",
    ]
    lines += [f"| {rows:,} | {seconds:,.0f} | {now:,.0f} | {peak:,.0f} |" for rows, seconds, now, peak in log.samples]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
