"""Whether slow replies hold up the others: the `answer` stage under a heavy-tailed latency, beside the ideal.

    python benchmarks/heavy_tail.py

One reply in a hundred takes a hundred times as long as the others, and a single one 30 s. The ideal is list scheduling
with the very same latencies: `--concurrency` places, never empty, each request starts as soon as a place is free and
ends after its latency, and nothing else takes time. Compared are the replies per second between the first tenth of the
replies and the last: by then all places have been filled, and they have not yet run empty. A bare aiohttp loop beside
it shows what the machine leaves of the ideal. Output: `benchmarks/results/heavy_tail.md`.
"""

from __future__ import annotations

import argparse
import heapq
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from answer_stage import prompts
from harness import HERE, machine, run_measured, stub_server
from stub_server import latencies

RESULTS = HERE / "results" / "heavy_tail.md"
LATENCY_S = 0.2
SLOW_SHARE, SLOW_S = 0.01, 20.0
STALL_S = 30.0  # of the one reply a tenth of the way in
PACKAGES = ("aiohttp", "pyarrow")


def ideal(durations: Sequence[float], n_places: int) -> list[float]:
    """Return the times of the replies, sorted, where `n_places` never wait.

    >>> ideal([3.0, 1.0, 1.0, 1.0], 2)
    [1.0, 2.0, 3.0, 3.0]
    """
    free = [0.0] * n_places
    return sorted(_end(free, seconds) for seconds in durations)


def _end(free: list[float], seconds: float) -> float:
    end = free[0] + seconds
    heapq.heapreplace(free, end)
    return end


def in_batches(durations: Sequence[float], batch_size: int) -> float:
    """Return the replies per second where each batch waits for its slowest reply."""
    batches = (durations[start : start + batch_size] for start in range(0, len(durations), batch_size))
    return len(durations) / sum(map(max, batches))


def steady_rate(times: Sequence[float]) -> float:
    """Return the replies per second between the first tenth of the replies and the last."""
    first, last = len(times) // 10, 9 * len(times) // 10
    return (last - first) / (times[last] - times[first])


def main() -> None:
    """Run the bare loop and the stage, compare, write the table and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=40_000)
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the table is written")
    options = parser.parse_args()
    n_requests, concurrency = options.requests, str(options.concurrency)
    stall = (n_requests // 10, STALL_S)
    durations = list(islice(latencies(LATENCY_S, (SLOW_SHARE, SLOW_S), stall), n_requests))
    stub_options = f"--latency-s {LATENCY_S} --heavy-tail {SLOW_SHARE} {SLOW_S} --stall {stall[0]} {STALL_S}".split()
    times = {"ideal": ideal(durations, options.concurrency)}
    with tempfile.TemporaryDirectory() as folder:
        prompts_file = Path(folder) / "prompts.json"
        prompts_file.write_text(json.dumps(list(prompts(n_requests))), encoding="utf-8")
        with stub_server(*stub_options) as stub:
            script = [sys.executable, str(HERE / "peers" / "aiohttp_loop.py")]
            run_measured([*script, stub.base_url, str(prompts_file), concurrency], Path(folder))
            times["bare aiohttp loop"] = stub.look("/times")
        with stub_server(*stub_options) as stub:
            script = [sys.executable, str(HERE / "answer_stage.py"), "--base-url", stub.base_url]
            run_measured([*script, "--requests", str(n_requests), "--concurrency", concurrency], Path(folder))
            times["stage"] = stub.look("/times")
    options.out.write_text(report(durations, times, options.concurrency), encoding="utf-8")
    print(options.out.read_text(encoding="utf-8"))


def report(durations: Sequence[float], times: Mapping[str, Sequence[float]], n_places: int) -> str:
    """Return the table as Markdown; `times` are those of the replies, of the ideal and of each client."""
    lines = [
        "# Slow replies hold up nobody else",
        "",
        f"`python benchmarks/heavy_tail.py`: {machine(PACKAGES)}.",
        f"{len(durations):,} requests at {n_places} in flight. A reply takes {LATENCY_S:g} s, one in "
        f"{1 / SLOW_SHARE:.0f}, drawn at random, {SLOW_S:g} s,",
        f"and a single one {STALL_S:g} s: {sum(durations) / len(durations):.3f} s on average.",
        f"The ideal is calculated: list scheduling on {n_places} places, with the same latencies in the same order.",
        "Steady: from the first tenth of the replies to the last.",
        "",
        "| | replies/s, steady | of the ideal | seconds from first to last reply | of the ideal |",
        "|---|" + "---:|" * 4,
    ]
    best_rate, best_span = steady_rate(times["ideal"]), times["ideal"][-1] - times["ideal"][0]
    for name, some in times.items():
        rate, span = steady_rate(some), some[-1] - some[0]
        lines.append(f"| {name} | {rate:,.0f} | {rate / best_rate:.1%} | {span:.1f} | {best_span / span:.1%} |")
    batches = in_batches(durations, n_places)
    lines += ["", f"In batches of {n_places} that wait for their slowest reply, the ideal is {batches:,.0f} replies/s."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
