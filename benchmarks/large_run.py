"""How long status, show and the start of a finished run take, by the size of the run.

    python benchmarks/large_run.py                      some 6 minutes, and 3 GB in the folder for temporary files
    python benchmarks/large_run.py --images 10000       a quick look

A run of generated rows: every stage's own way through `run_steps`, with work that writes rows instead of asking for
them; 500 images in a part, two matches an image, every tenth row rejected. Every command is a process of its own, as on
the command line, and is timed from its start to its end; `--help` is there for the start of Python alone. Output:
`benchmarks/results/large_run.md`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from harness import HERE, machine
from mminstruct.config.file import load_config
from mminstruct.pipeline.progress import Silent
from mminstruct.pipeline.row_index import NAME
from mminstruct.pipeline.run import Run, run_steps
from mminstruct.pipeline.steps import STEPS
from mminstruct.pipeline.tables import part_rejects
from mminstruct.rows import Answer, Exemplar, Image, Instruction, Match, RawInstruction, Reason, Reject, Sample
from mminstruct.rows import content_id as hashed

RESULTS = HERE / "results" / "large_run.md"
SHARD_SIZE = 500
N_RAW = 2_000
N_INSTRUCTIONS = 300
PER_IMAGE = 2
ANSWER = "A red bicycle leans on the wall of an old harbour café where two people share bread and watch the rain. " * 5


def image_id(number: int) -> str:
    """Return the id of an image."""
    return hashed("image", str(number))


def instruction_id(number: int) -> str:
    """Return the id of an instruction."""
    return hashed("instruction", str(number % N_INSTRUCTIONS))


def match_id(number: int, rank: int) -> str:
    """Return the id of a match of an image, of its answer, and of its sample."""
    return hashed(image_id(number), instruction_id(number + rank))


def image(number: int) -> Image:
    """Return the row of an image."""
    path = f"/data/{number // 10_000:05d}/{number:09d}.jpg"
    text = f"Bicycle {number} leans on a wall."
    return Image(image_id(number), "coco", str(number), path, path, text, [text], 640, 480, "JPEG", hashed(path) * 2)


def match(number: int, rank: int) -> Match:
    """Return the row of a match."""
    return Match(match_id(number, rank), image_id(number), instruction_id(number + rank), 0.3, rank)


def answer(number: int, rank: int) -> Answer:
    """Return the row of an answer."""
    row_id = match_id(number, rank)
    text = f"{ANSWER}{row_id}."
    return Answer(row_id, image_id(number), instruction_id(number + rank), text, "stop", ["e"], "stub", row_id)


def sample(number: int, rank: int) -> Sample | Reject:
    """Return the row of a sample; every tenth is a reject of the filter."""
    given = answer(number, rank)
    if number % 10 == 0:
        detail = f"repeats the answer of {match_id(number + 1, rank)}"
        return Reject(given.answer_id, "filter", Reason.NEAR_DUPLICATE_ANSWER, detail, given.answer, given.request_id)
    shown = image(number)
    return Sample(
        sample_id=given.answer_id,
        image_id=shown.image_id,
        image=shown.path,
        instruction_id=given.instruction_id,
        instruction=f"Write a slogan, number {(number + rank) % N_INSTRUCTIONS}.",
        answer=given.answer,
        source="coco",
        category="marketing",
        description=shown.description,
        score=0.3,
        width=640,
        height=480,
        model="stub",
        request_id=given.request_id,
    )


async def write_all(run: Run, n_images: int) -> None:
    """Stand in for any stage: write all rows of its tables."""
    tables, stage = run.tables, run.stage
    if stage == "augment":
        raws = [
            RawInstruction(hashed(f"r{number}"), "Write a slogan.", image_id(number % n_images), ["s"], "stub", "r")
            for number in range(N_RAW)
        ]
        tables.raw_instructions.write_part(0, raws)
    elif stage == "summarize":
        shown = [hashed(f"r{number}") for number in range(5)]
        rows = [
            Instruction(instruction_id(number), f"Write slogan {number}.", "marketing", [1], shown, shown, "stub", "r")
            for number in range(N_INSTRUCTIONS)
        ]
        tables.instructions.write_part(0, rows)
    elif stage == "exemplars":
        text = ("A bicycle.", "Write a slogan.", "Ride on.", "stub", "r")
        tables.exemplars.write_part(0, [Exemplar("e", image_id(1), instruction_id(1), *text)])
    else:
        for part, first in enumerate(range(0, n_images, SHARD_SIZE)):
            write_part(run, part, range(first, min(n_images, first + SHARD_SIZE)))
        if stage == "split":
            tables.benchmark.write_part(0, [])


def write_part(run: Run, part: int, numbers: range) -> None:
    """Write one part of each table of a stage that works on all images."""
    pairs = [(number, rank) for number in numbers for rank in range(PER_IMAGE)]
    if run.stage == "images":
        bad = [Reject(f"broken-{part}", "images", Reason.NOT_AN_IMAGE, "coco: a text", "broken.jpg")]
        run.tables.images.write_part(part, [image(number) for number in numbers], bad)
    elif run.stage == "match":
        run.tables.matches.write_part(part, [match(*pair) for pair in pairs])
    elif run.stage == "answer":
        run.tables.answers.write_part(part, [answer(*pair) for pair in pairs])
    else:
        rows, rejects = part_rejects([sample(*pair) for pair in pairs])
        if run.stage == "filter":
            run.tables.kept.write_part(part, rows, rejects)
        else:
            run.tables.samples.write_part(part, rows)


def make_run(folder: Path, n_images: int, write: Callable[..., Awaitable[None]] = write_all) -> None:
    """Write a run that has come to its end; `write` stands in for every stage."""
    (folder / "captions.jsonl").write_text('{"image": "1.jpg", "caption": "A bicycle."}\n', encoding="utf-8")
    (folder / "config.yaml").write_text(
        "run_dir: run\nimages: [{format: jsonl, path: captions.jsonl}]\n"
        "llm: {base_url: 'http://127.0.0.1:9/v1', model: stub}\n",
        encoding="utf-8",
    )
    work: Callable[[Run], Awaitable[None]] = partial(write, n_images=n_images)
    steps = [replace(step, work=work) for step in STEPS]
    asyncio.run(run_steps(load_config(folder / "config.yaml"), steps, Silent()))


def timed(*arguments: str) -> tuple[float, float, str]:
    """Run the command line once; return seconds, peak MB and what it printed."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "mminstruct", *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"mminstruct {' '.join(arguments)}: exit status {process.returncode}")
    return seconds, usage.ru_maxrss / 1024, output


def measure(n_images: int) -> list[str]:
    """Make a run of this size and return its rows of the table."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, str(Path(__file__).resolve()), "--make", str(folder), str(n_images)]
        subprocess.run(command, check=True)
        run, config = str(folder / "run"), str(folder / "config.yaml")
        wanted = match_id(n_images // 2 + 1, 1)
        cases = {
            "--help": ["--help"],
            "status": ["status", run],
            "run, all skipped": ["run", config],
            "show, a sample": ["show", run, wanted],
            "show, a sample by 10 digits": ["show", run, wanted[:10]],
            "show, an image": ["show", run, image_id(n_images - 1)],
            "show, a rejected answer": ["show", run, match_id(n_images // 20 * 10, 0)],
            "show, a rejected record": ["show", run, "broken-1"],
            "show, an instruction": ["show", run, instruction_id(7)],
        }
        for label, arguments in cases.items():
            seconds, peak_mb, output = min(timed(*arguments) for _ in range(3))
            assert arguments[0] != "run" or "done" in output or "stage" in output
            rows.append(f"| {label} | {n_images:,} | {seconds:.2f} | {peak_mb:,.0f} |")
            print(rows[-1], file=sys.stderr, flush=True)
        for index in Path(run).rglob(NAME):
            index.unlink()
        seconds, peak_mb, _ = timed("show", run, wanted)
        rows.append(f"| show, a sample, the indexes removed before | {n_images:,} | {seconds:.2f} | {peak_mb:,.0f} |")
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def main() -> None:
    """Measure all sizes, write the table and print it; with `--make` make one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--make", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the table is written")
    options = parser.parse_args()
    if options.make:
        make_run(Path(options.make[0]), int(options.make[1]))
        return
    rows = [row for n_images in options.images for row in measure(n_images)]
    options.out.write_text(report(rows), encoding="utf-8")
    print(options.out.read_text(encoding="utf-8"))


def report(rows: list[str]) -> str:
    """Return the table as Markdown."""
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    lines = [
        "# Looking into a large run",
        "",
        f"`python benchmarks/large_run.py`: {machine(('pyarrow',))}; load at the end {load}.",
        "",
        f"A finished run in parts of {SHARD_SIZE} images, {PER_IMAGE} matches an image, a tenth of the answers",
        "rejected, on a local disk. Seconds are the best of three whole processes; each size's last row is of one.",
        "",
        "| command | images | seconds | peak MB |",
        "|---|---:|---:|---:|",
        *rows,
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
