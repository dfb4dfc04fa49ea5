"""How fast the explorer's server answers, with 234,000 samples: every kind of request, start-up, memory.

    python benchmarks/explore_latency.py                    makes the run first, some minutes and 0.5 GB
    python benchmarks/explore_latency.py --images 5000      a quick look
    python benchmarks/explore_latency.py --folder DIR       makes the run in DIR, or takes the one that is there

The command itself, `mminstruct explore`, as a process of its own, asked over HTTP by one client, one request at a time;
no request is sent twice, so that nothing is answered from memory that a person would wait for. Beside the time that the
client waited stands the processor's time that the server took, which a busy machine does not change much. Output:
`benchmarks/results/explore_latency.md`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import explore_run
import large_run
from generated_texts import text
from harness import HERE, machine

RESULTS = HERE / "results" / "explore_latency.md"
N_REQUESTS = 30  # of each kind
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Server:
    """The explorer's process and a connection to it."""

    process: subprocess.Popen[str]
    connection: http.client.HTTPConnection
    start_s: float  # from the command to the answer of the first page

    def get(self, path: str, **query: Any) -> bytes:
        """Ask once. Raises SystemExit where the answer is an error."""
        target = f"{path}?{urlencode(query, doseq=True)}" if query else path
        self.connection.request("GET", target)
        response = self.connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise SystemExit(f"{target}: {response.status} {body[:200]!r}")
        return body

    def json(self, path: str, **query: Any) -> Any:
        """Ask once and read the JSON."""
        return json.loads(self.get(path, **query))

    def processor_s(self) -> float:
        """Return the processor's seconds that the process has taken."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory_mb(self, name: str) -> int:
        """Return `VmRSS` or `VmHWM`."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        found = re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)
        return int(found[1]) // 1024 if found else 0


@contextmanager
def started(run: Path) -> Iterator[Server]:
    """Start the command, and stop it at the end."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "mminstruct", "explore", str(run), "--no-browser", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = re.search(r"http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
        assert port is not None
        server = Server(process, http.client.HTTPConnection("127.0.0.1", int(port[1]), timeout=600), 0.0)
        server.get("/api/items")
        server.start_s = time.perf_counter() - begun
        yield server
    finally:
        process.terminate()
        process.wait()


@dataclass(frozen=True)
class Kind:
    """Requests of one kind: the rows of the table are these."""

    name: str
    path: str
    queries: Sequence[dict[str, Any]]

    def measure(self, server: Server) -> str:
        """Send them all and return the table's row."""
        waited, before = [], server.processor_s()
        for query in self.queries:
            begun = time.perf_counter()
            server.get(query["path"]) if "path" in query else server.get(self.path, **query)
            waited.append(1000 * (time.perf_counter() - begun))
        processor = 1000 * (server.processor_s() - before) / len(waited)
        slow = statistics.quantiles(waited, n=20)[-1]
        row = f"| {self.name} | {len(waited)} | {statistics.median(waited):,.0f} | {slow:,.0f} | {processor:,.0f} |"
        print(row, file=sys.stderr, flush=True)
        return row


def paged(**query: Any) -> list[dict[str, Any]]:
    """Return one query for each of some pages."""
    return [{**query, "page": page} for page in range(N_REQUESTS)]


def narrowed(**query: Any) -> list[dict[str, Any]]:
    """Return queries that no two have the same rows, so that nobody has counted them yet."""
    return [{**query, "score_min": 0.1 + step / 1000} for step in range(N_REQUESTS)]


def drawn_words(first: int, last: int) -> list[str]:
    """Return words by their place in the order of frequency."""
    return [f"w{number:x}" for number in range(first, last)]


def kinds(server: Server) -> Iterator[Kind]:
    """Yield what is measured, in the table's order."""
    facets = server.json("/api/facets")
    instruction = facets["instruction"][0]["value"]
    yield Kind("a page, as stored", "/api/items", paged())
    deep = server.json("/api/items")["total"] // 60 - N_REQUESTS
    yield Kind("a page far down", "/api/items", [{"page": deep + step} for step in range(N_REQUESTS)])
    for sort in ("score", "-score", "words", "-words", "random"):
        yield Kind(f"a page, sorted by {sort}", "/api/items", paged(sort=sort))
    filters = {
        "status": "rejected", "category": "poetry", "source": "own", "reason": "too_short", "instruction": instruction,
    }  # fmt: skip
    for name, value in filters.items():
        yield Kind(f"a page, {name} chosen", "/api/items", paged(**{name: value}))
    yield Kind("the rows of a rare reason", "/api/items", [{"reason": explore_run.RARE.value}] * N_REQUESTS)
    yield Kind("a page, by score and words", "/api/items", narrowed(words_min=60, words_max=120))
    yield Kind("facets under a range", "/api/facets", narrowed())
    yield Kind("facets, five filters", "/api/facets", narrowed(**{**filters, "status": "rejected", "words_min": 50}))


def searches() -> Iterator[Kind]:
    """Yield the searches, each word once."""
    common = drawn_words(0, N_REQUESTS)
    usual = drawn_words(300, 300 + N_REQUESTS)
    rare = drawn_words(19_000, 19_000 + N_REQUESTS)
    yield Kind("search, a rare word", "/api/items", [{"q": word} for word in rare])
    yield Kind("search, a usual word", "/api/items", [{"q": word} for word in usual])
    yield Kind("search, one of the 30 most common words", "/api/items", [{"q": word} for word in common])
    yield Kind("search, two common words", "/api/items", [{"q": f"{word} {word}0"} for word in common])
    yield Kind("search, a phrase", "/api/items", [{"q": f'"{text(7 * n, 40)[:12]}"'} for n in range(N_REQUESTS)])
    yield Kind("search, the beginning of a word", "/api/items", [{"q": f"{word}1*"} for word in usual])
    yield Kind("facets of a search just made", "/api/facets", [{"q": word} for word in usual])


def rows_and_pictures(server: Server) -> Iterator[Kind]:
    """Yield stories and pictures of rows all over the run."""
    shown = [item for page in range(2) for item in server.json("/api/items", sort="random", page=page)["items"]]
    ids = [item["id"] for item in shown][:N_REQUESTS]
    images = list(dict.fromkeys(item["image_id"] for item in shown))[:N_REQUESTS]
    yield Kind("a row's whole story", "", [{"path": f"/api/items/{row_id}"} for row_id in ids])
    yield Kind("a thumbnail, the first time", "", [{"path": f"/thumb/{image_id}"} for image_id in images])
    yield Kind("a thumbnail, kept", "", [{"path": f"/thumb/{image_id}"} for image_id in images])
    yield Kind("a whole picture, 640 × 480", "", [{"path": f"/picture/{image_id}"} for image_id in images])


def measure(run: Path) -> tuple[list[str], list[str]]:
    """Return the table's rows, and the sentences beside it."""
    shutil.rmtree(run / "explore", ignore_errors=True)
    with started(run) as server:
        n_items, start_s = server.json("/api/about")["n_items"], server.start_s
        begun = time.perf_counter()
        unindexed = Kind(
            "search while the index is being made", "/api/items", [{"q": word} for word in drawn_words(900, 905)]
        ).measure(server)
        while not server.json("/api/search/status")["ready"]:
            time.sleep(0.5)
        index_s, index_cpu_s = time.perf_counter() - begun, server.processor_s()
        index_mb = (run / "explore" / "search.sqlite").stat().st_size / 1e6
    with started(run) as server:
        rows = [kind.measure(server) for kind in kinds(server)]
        rows += [kind.measure(server) for kind in searches()]
        rows += [kind.measure(server) for kind in rows_and_pictures(server)]
        now, most = server.memory_mb("VmRSS"), server.memory_mb("VmHWM")
        again_s = server.start_s
    notes = [
        f"{n_items:,} rows. From the command to its first page: {start_s:.1f} s the first time, {again_s:.1f} s with",
        f"the search index there. The index: {index_s:.0f} s in the background ({index_cpu_s:.0f} s of the processor",
        f"with the start and five searches), {index_mb:,.0f} MB. Memory of the server after all requests: {now:,} MB,",
        f"{most:,} MB at most.",
    ]
    return [*rows, unindexed], notes


def report(rows: list[str], notes: list[str], told: str) -> str:
    """Return the table as Markdown."""
    load = " ".join(f"{load:.1f}" for load in os.getloadavg())
    lines = [
        "# The explorer's server, asked",
        "",
        f"`python benchmarks/explore_latency.py`: {machine(('duckdb', 'starlette', 'uvicorn'))}; load {load}.",
        "",
        f"A finished run in parts of {large_run.SHARD_SIZE} images, two answers an image of 40 to 199 words, a tenth",
        "of the answers rejected, on a local disk. Pages have 60 items. Milliseconds over HTTP at one client, no",
        "request twice; “processor” is what the server itself took for one, on all its threads.",
        "",
        "| request | requests | median ms | 95th percentile ms | processor ms |",
        "|---|---:|---:|---:|---:|",
        *rows,
        "",
        *notes,
        *(["", told] if told else []),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Make the run where it is missing, measure, write the table and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=explore_run.N_IMAGES)
    parser.add_argument("--folder", type=Path, help="where the run is made, or is already; default: a temporary folder")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the table is written")
    parser.add_argument("--note", default="", help="a sentence under the table, about the machine")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        if not (folder / "run" / "manifest.json").exists():
            explore_run.make(folder, options.images)
        options.out.write_text(report(*measure(folder / "run"), options.note), encoding="utf-8")
    print(options.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
