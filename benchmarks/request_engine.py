"""How fast the `answer` stage asks, beside a bare aiohttp loop and the tools that people use today.

    python benchmarks/request_engine.py                                     everything; writes the table
    python benchmarks/request_engine.py --only bare,ours --rounds 1         a quick look; writes nothing

One stub server in a process of its own answers everybody, one client after another in the same run, each in a process
of its own: every reply takes 50 ms, prompts have 1 kB, replies 0.6 kB. Bare loop and stage take turns. The peers have
virtual environments of their own, made on first use. Output: `benchmarks/results/request_engine.md`, whose part from
"## Profile" on is written by hand and kept.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from answer_stage import prompts
from harness import HERE, Stub, machine, run_measured, stub_server

RESULTS = HERE / "results" / "request_engine.md"
PEERS = HERE / "peers"
PACKAGES = ("aiohttp", "pyarrow", "pydantic", "Jinja2")
KEPT_FROM = "## Profile"


@dataclass(frozen=True)
class Client:
    """One who is measured; a peer has a `package`, and `settings` that the table's notes tell."""

    key: str  # for --only
    title: str
    package: str = ""
    settings: str = ""


CLIENTS = (
    Client("bare", "bare aiohttp loop"),
    Client("ours", "mminstruct, stage `answer`"),
    Client("live", "mminstruct, with live bars on a terminal"),
    Client(
        "curator",
        "bespokelabs-curator",
        "bespokelabs-curator",
        "`max_concurrent_requests` is the number in flight, limits on requests and tokens a minute lifted, response "
        "cache and telemetry off, its tokenizer's table taken from litellm in place of a download",
    ),
    Client(
        "distilabel",
        "distilabel",
        "distilabel",
        "`requests`, which it lacks, installed; one `TextGeneration` step with `input_batch_size` the number in flight "
        "(two replicas were no faster), raw input and output not kept, cache off, log level WARNING, for openai's "
        "client logs every request else; the seconds hold the start of its processes",
    ),
    Client(
        "data_designer",
        "data-designer",
        "data-designer",
        "`max_parallel_requests` is the number in flight, row groups of its default size (one for all was no faster), "
        "`native` Jinja, health check, telemetry and metrics off",
    ),
)


@dataclass(frozen=True)
class Measure:
    """One run of one client."""

    n_requests: int
    seconds: float
    cpu_seconds: float
    most_in_flight: int
    body_bytes: float  # of a request, as the stub received it
    stub_share: float  # of the seconds in which the stub was busy

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
        self._folder = folder
        self._options = options
        self._prompts = folder / "prompts.json"
        self._prompts.write_text(json.dumps(list(prompts(options.requests))), encoding="utf-8")

    def measure(self, client: Client) -> Measure:
        """Run a client once and check that it has sent every request and got every reply."""
        command, n_requests = self._command(client), self._options.requests
        self._stub.look("/stats")  # counts start anew
        busy_before = self._stub.cpu_seconds()
        result = run_measured(command, self._folder, self._options.timeout_s, on_terminal=client.key == "live")
        busy_s = self._stub.cpu_seconds() - busy_before
        counts = self._stub.look("/stats")
        if result["n_replies"] != n_requests or counts["requests"] < n_requests:
            raise SystemExit(f"{client.title}: expected {n_requests:,} replies, found {result}, at the stub {counts}")
        return Measure(
            n_requests,
            result["seconds"],
            result["cpu_seconds"],
            counts["most_in_flight"],
            counts["body_bytes"] / counts["requests"],
            busy_s / result["seconds"],
        )

    def _command(self, client: Client) -> list[str]:
        base_url, concurrency = self._stub.base_url, str(self._options.concurrency)
        if client.key in ("ours", "live"):
            options = ["--base-url", base_url, "--requests", str(self._options.requests), "--concurrency", concurrency]
            return [sys.executable, str(HERE / "answer_stage.py"), *options]
        if client.package:
            script = [str(python_of(client, self._options.venvs)), str(PEERS / f"{client.key}_client.py")]
        else:
            script = [sys.executable, str(PEERS / "aiohttp_loop.py")]
        return [*script, base_url, str(self._prompts), concurrency]


def python_of(client: Client, venvs: Path) -> Path:
    """Return the interpreter of a peer's own environment, made from `peers/KEY.txt` when that is new."""
    folder = venvs.resolve() / client.key
    python, installed = folder / "bin" / "python", folder / "installed.txt"
    wanted = (PEERS / f"{client.key}.txt").read_text(encoding="utf-8")
    if not installed.exists() or installed.read_text(encoding="utf-8") != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        requirements = str(PEERS / f"{client.key}.txt")
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", requirements], check=True)
        installed.write_text(wanted, encoding="utf-8")
    return python


def packages_of(client: Client, venvs: Path) -> dict[str, str]:
    """Return the versions of all packages in a peer's environment, by name, without what every environment has."""
    script = (
        "import importlib.metadata, json;"
        "print(json.dumps({each.name: each.version for each in importlib.metadata.distributions()}))"
    )
    listed = subprocess.run([python_of(client, venvs), "-c", script], stdout=subprocess.PIPE, check=True).stdout
    versions: dict[str, str] = json.loads(listed)
    return {name: version for name, version in versions.items() if name not in ("pip", "setuptools")}


def report(measures: Mapping[str, Sequence[Measure]], options: argparse.Namespace) -> str:
    """Return the table with its ratios and notes as Markdown."""
    rates = {key: statistics.median(measure.rate for measure in some) for key, some in measures.items()}
    pairs = [ours.rate / bare.rate for bare, ours in zip(measures["bare"], measures["ours"], strict=True)]
    lines = [
        "# The request engine beside a bare loop and other tools",
        "",
        f"`python benchmarks/request_engine.py`: {machine(PACKAGES)}.",
        f"{options.requests:,} requests at {options.concurrency} in flight against one stub server that answers after "
        f"{1000 * options.latency_s:g} ms.",
        f"One client after another in one run: medians of {options.rounds} turns for the bare loop and the stage,",
        "single runs for the others.",
        "",
        "| client | requests/s | of the bare loop | stage is faster by | CPU ms a request | most in flight | "
        "bytes sent a request | stub busy |",
        "|---|" + "---:|" * 7,
    ]
    for client in CLIENTS:
        some = measures[client.key]
        cells = (
            client.title,
            f"{rates[client.key]:,.0f}",
            f"{rates[client.key] / rates['bare']:.0%}",
            f"{rates['ours'] / rates[client.key]:.1f} ×" if client.package else "",
            f"{statistics.median(measure.cpu_ms for measure in some):.3f}",
            f"{max(measure.most_in_flight for measure in some)}",
            f"{statistics.mean(measure.body_bytes for measure in some):,.0f}",
            f"{statistics.mean(measure.stub_share for measure in some):.0%}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    each = ", ".join(f"{pair:.0%}" for pair in pairs)
    lines += ["", f"Stage beside bare loop, turn by turn: {each}; median {statistics.median(pairs):.0%}.", ""]
    return "\n".join([*lines, *_notes(options)])


def _notes(options: argparse.Namespace) -> list[str]:
    lines = [
        "## What was measured",
        "",
        "- The bare loop: as many workers as requests in flight, each posts a prompt and reads the reply's JSON.",
        "- The stage: prompts rendered with an example, the reply store with its commits, Parquet out, manifest and",
        "  progress, on a real run folder; its seconds are those in the manifest, its CPU that of the whole call.",
        "- The peers: their own call that turns a table of prompts into a table of answers, without imports.",
        "- CPU is the client's, with its threads and child processes. Every client must have got every reply.",
    ]
    for client in CLIENTS:
        if client.package:
            versions = packages_of(client, options.venvs)
            name = f"{client.package} {versions[client.package]} ({len(versions)} packages)"
            lines.append(f"- {name}: {client.settings}.")
    return [*lines, ""]


def kept_part(path: Path) -> str:
    """Return what is written by hand in the report: from its profile on."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return "\n" + text[text.index(KEPT_FROM) :] if KEPT_FROM in text else ""


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
    for client in chosen:
        if client.package:
            python_of(client, options.venvs)  # before anything is timed
    measures: dict[str, list[Measure]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, stub_server("--latency-s", str(options.latency_s)) as stub:
        bench = Bench(stub, Path(folder), options)
        for client in [*in_turns * options.rounds, *once]:
            measure = bench.measure(client)
            measures[client.key].append(measure)
            print(f"{client.key:<14} {measure.rate:7,.0f} requests/s {measure.cpu_ms:6.3f} ms CPU", flush=True)
    if not options.only:
        options.out.write_text(report(measures, options) + kept_part(options.out), encoding="utf-8")
        print(options.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
