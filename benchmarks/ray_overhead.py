"""What a Ray cluster of one machine costs beside the local engine: the same run of 200 parts on the same cores.

    python benchmarks/ray_overhead.py                  a quarter of an hour
    python benchmarks/ray_overhead.py --parts 20       a quick look

Images, match, answer and filter are real (see flat_memory.py); the endpoint is a stub whose replies take `--latency-s`.
Both engines run in turn, `--rounds` times. Output: `benchmarks/results/ray_overhead.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from captioned_images import make_collection
from flat_memory import CONFIG, save_tiny_encoder
from harness import HERE, machine, run_measured, stub_server

RESULTS = HERE / "results" / "ray_overhead.md"
STAGES = ("images", "match", "answer", "filter")
PACKAGES = ("ray", "pyarrow", "aiohttp")
ENGINES = {"local": "{kind: local}", "ray": "{kind: ray, address: auto, workers: %d}"}


def main() -> None:
    """Run both engines in turn, write the table and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=int, default=200)
    parser.add_argument("--images-a-part", type=int, default=100)
    parser.add_argument("--latency-s", type=float, default=0.5)
    parser.add_argument("--concurrency", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the table is written")
    options = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ENGINES}
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}  # runs have a home without Ray's token
    with (
        tempfile.TemporaryDirectory() as name,
        stub_server("--latency-s", str(options.latency_s), "--varied", "6") as stub,
    ):
        folder = Path(name)
        make_collection(folder, options.parts * options.images_a_part)
        save_tiny_encoder(folder / "tiny-encoder")
        config = CONFIG.format(base_url=stub.base_url, cap=options.parts * options.images_a_part)
        config = config.replace("concurrency: 256", f"concurrency: {options.concurrency}")
        (folder / "config.yaml").write_text(f"{config}shard_size: {options.images_a_part}\n")
        ray = str(Path(sys.executable).with_name("ray"))
        subprocess.run([ray, "start", "--head", "--include-dashboard=false"], check=True, capture_output=True)
        try:
            for number in range(options.rounds):
                for engine in ENGINES:
                    found[engine].append(run_once(folder, f"{engine}-{number}", engine, options.workers))
        finally:
            subprocess.run([ray, "stop", "--force"], check=True, capture_output=True)
    options.out.write_text(report(found, options), encoding="utf-8")
    sys.stdout.write(options.out.read_text(encoding="utf-8"))


def run_once(folder: Path, name: str, engine: str, workers: int) -> dict[str, float]:
    """Run with folders of its own and return the seconds of each stage, from the manifest, and of the whole command."""
    section = ENGINES[engine] % workers if "%" in ENGINES[engine] else ENGINES[engine]
    command = [sys.executable, str(Path(__file__)), "--once", name, section]
    result: dict[str, Any] = run_measured(command, folder)
    return result


def once(name: str, section: str) -> dict[str, float]:
    """Run the pipeline in the working folder."""
    import asyncio
    import time

    from flat_memory import steps
    from mminstruct.config.file import load_config
    from mminstruct.pipeline.progress import Silent
    from mminstruct.pipeline.run import run_steps

    overrides = [f"run_dir={name}", f"replies=replies-{name}", f"engine={section}"]
    config = load_config(Path("config.yaml"), overrides)
    started = time.perf_counter()
    manifest = asyncio.run(run_steps(config, steps(), Silent()))
    seconds = {stage: manifest.stages[stage].seconds for stage in STAGES}
    return {**seconds, "all": time.perf_counter() - started}


def report(found: dict[str, list[dict[str, float]]], options: argparse.Namespace) -> str:
    """Return the table as Markdown; times are medians over the rounds."""
    columns = [*STAGES, "all"]
    times = {engine: {name: median(run[name] for run in runs) for name in columns} for engine, runs in found.items()}
    lines = [
        "# Ray on one machine beside the local engine",
        "",
        f"`python {' '.join(['benchmarks/ray_overhead.py', *sys.argv[1:]])}`: {machine(PACKAGES)}.",
        f"{options.parts} parts of {options.images_a_part} images of 96 pixels, an answer each; a stub endpoint on the",
        f"same cores ({options.latency_s:g} s), {options.concurrency} in flight; {options.workers} workers; medians of",
        f"{options.rounds} runs, in seconds. `all` is the whole run, in which Ray's workers begin.",
        "",
        "| engine | " + " | ".join(columns) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    for engine, seconds in times.items():
        lines.append(f"| {engine} | " + " | ".join(f"{seconds[name]:,.1f}" for name in columns) + " |")
    ratios = [f"{times['ray'][name] / times['local'][name]:.2f}×" for name in columns]
    lines.append("| ray to local | " + " | ".join(ratios) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--once"]:
        sys.stdout.write(json.dumps(once(*sys.argv[2:4])) + "\n")
    else:
        main()
