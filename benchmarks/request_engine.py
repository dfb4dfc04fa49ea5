"""How fast the `answer` stage asks, beside a bare aiohttp loop and the tools that people use today.

    python benchmarks/request_engine.py                                     everything; writes the table
    python benchmarks/request_engine.py --only bare,ours --rounds 1         a quick look; writes nothing

One stub server in a process of its own answers everybody, one client after another in the same run, each in a process
of its own: every reply takes 50 ms, prompts have 1 kB, replies 0.6 kB. Bare loop and stage take turns. The peers have
virtual environments of their own, made on first use. Output: `benchmarks/results/request_engine.md`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from answer_stage import prompts
from harness import HERE, Stub, run_measured, stub_server

RESULTS = HERE / "results" / "request_engine.md"
PEERS = HERE / "peers"
PACKAGES = ("aiohttp", "pyarrow", "pydantic", "Jinja2")


@dataclass(frozen=True)
class Client:
    """One who is measured."""

    key: str  # for --only
    title: str
    note: str = ""  # its settings, for the table's notes
    package: str = ""  # of a peer


CLIENTS = (
    Client("bare", "bare aiohttp loop"),
    Client("ours", "mminstruct, `answer` stage"),
    Client("live", "mminstruct, with live bars on a terminal"),
    Client(
        "curator",
        "bespokelabs-curator",
        package="bespokelabs-curator",
    ),
    Client(
        "distilabel",
        "distilabel",
        package="distilabel",
    ),
    Client(
        "data_designer",
        "data-designer",
        package="data-designer",
    ),
)


@dataclass(frozen=True)
class Measure:
    """One run of one client. `stub_share` is the part of its seconds in which the stub was busy."""

    n_requests: int
    seconds: float
    cpu_seconds: float
    most_in_flight: int
    body_bytes: float  # of a request, as the stub received it
    stub_share: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.n_requests / self.seconds

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of processor time a request."""
        return 1000 * self.cpu_seconds / self.n_requests


class Bench:
    """The stub, the prompts and the settings that all clients share."""

    def __init__(self, stub: Stub, folder: Path, options: argparse.Namespace) -> None:
        self._stub = stub
        self._options = options
        self._prompts = folder / "prompts.json"
        self._prompts.write_text(json.dumps(list(prompts(options.requests))), encoding="utf-8")

    def measure(self, client: Client) -> Measure:
        """Run a client once and check that it has sent every request and got every reply."""
        self._stub.look("/stats")
        stub_cpu = self._stub.cpu_seconds()
        result = run_measured(self._command(client), self._options.timeout_s, on_terminal=client.key == "live")
        stub_cpu = self._stub.cpu_seconds() - stub_cpu
        counts = self._stub.look("/stats")
        n_requests = self._options.requests
        if result["n_replies"] != n_requests or counts["requests"] < n_requests or counts["refused"]:
            raise SystemExit(
                f"{client.title}: expected {n_requests:,} replies, found {result} and at the stub {counts}"
            )
        return Measure(
            n_requests,
            result["seconds"],
            result["cpu_seconds"],
            counts["most_in_flight"],
            counts["body_bytes"] / counts["requests"],
            stub_cpu / result["seconds"],
        )

    def _command(self, client: Client) -> list[str]:
        base_url, concurrency = self._stub.base_url, str(self._options.concurrency)
        if client.key in ("ours", "live"):
            script = [sys.executable, str(HERE / "answer_stage.py")]
            return [
                *script,
                "--base-url",
                base_url,
                "--requests",
                str(self._options.requests),
                "--concurrency",
                concurrency,
            ]
        if client.key == "bare":
            script = [sys.executable, str(PEERS / "aiohttp_loop.py")]
        else:
            script = [str(python_of(client, self._options.venvs)), str(PEERS / f"{client.key}.py")]
        return [*script, base_url, str(self._prompts), concurrency]


def python_of(client: Client, venvs: Path) -> Path:
    """Return the interpreter of a peer's own environment, which is made on first use."""
    folder = venvs / client.key
    python = folder / "bin" / "python"
    done = folder / "installed"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        requirements = PEERS / f"{client.key}.txt"
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements)], check=True)
        done.touch()
    return python


def main() -> None:
    """Measure, write the table and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help=f"some of {','.join(client.key for client in CLIENTS)}; nothing is written then")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--latency-s", type=float, default=0.05)
    parser.add_argument("--rounds", type=int, default=3, help="turns of bare loop and stage")
    parser.add_argument("--timeout-s", type=float, default=600, help="seconds that one run may take")
    parser.add_argument("--venvs", type=Path, default=HERE / ".peers", help="where the peers are installed")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the table is written")
    options = parser.parse_args()
    chosen = [client for client in CLIENTS if not options.only or client.key in options.only.split(",")]
    in_turns = [client for client in chosen if client.key in ("bare", "ours")]
    once = [client for client in chosen if client not in in_turns]
    measures: dict[str, list[Measure]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, stub_server("--latency-s", str(options.latency_s)) as stub:
        bench = Bench(stub, Path(folder), options)
        for client in [*in_turns * options.rounds, *once]:
            measure = bench.measure(client)
            measures[client.key].append(measure)
            print(
                f"{client.key:<14} {measure.rate:7,.0f} requests/s {measure.cpu_ms:6.3f} ms CPU "
                f"{measure.most_in_flight:4} in flight {measure.body_bytes:6.0f} B, stub busy {measure.stub_share:.0%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
