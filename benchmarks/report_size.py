"""How long the report of a run takes, in how much memory, and how large it is, by the size of the run.

    python benchmarks/report_size.py                      ten minutes, and 3 GB in the temporary folder
    python benchmarks/report_size.py --images 20 1000     a quick look

The runs are those of `large_run.py` (two matches an image, a tenth of the answers rejected, 500 images a part), with
other texts: answers of 40 to 200 words, 2,000 raw instructions of different words for the map, and a JPEG of 640 × 480
for every image, one file under all names. Each report is a process of its own, timed from its start to its end. The
first also computes the vectors of the instructions, which a real run has kept. Output:
`benchmarks/results/report_size.md`.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from PIL import Image as Pictures

import large_run
from harness import HERE, machine
from mminstruct.imaging import image_hash
from mminstruct.pipeline.run import Run
from mminstruct.rows import Answer, Image, RawInstruction
from mminstruct.rows import content_id as hashed

RESULTS = HERE / "results" / "report_size.md"
_WORDS = """harbour bicycle window market lantern river quiet morning stone garden violin orange kettle mountain paper
    bridge winter glass copper island letter shadow tower velvet meadow engine pocket ribbon candle forest mirror"""
_FORMS = ("a poem", "an advert", "a plan", "a story", "a speech", "a recipe", "a letter", "a review", "a riddle")


def words(seed: int, n_words: int) -> str:
    """Return so many words, the same for the same seed."""
    return " ".join(random.Random(seed).choices(_WORDS.split(), k=n_words))


def picture(folder: Path) -> Path:
    """Write the picture that all images show, and return its path."""
    path = folder / "picture.jpg"
    dice = random.Random(0)
    small = Pictures.frombytes("RGB", (64, 48), dice.randbytes(3 * 64 * 48))
    small.resize((640, 480), Pictures.Resampling.BICUBIC).save(path, quality=88)
    return path


def make_run(folder: Path, n_images: int) -> None:
    """Write a run that has come to its end."""
    path = picture(folder)
    content_hash = image_hash(path.read_bytes())
    plain_image, plain_answer, plain_write = large_run.image, large_run.answer, large_run.write_all

    def image(number: int) -> Image:
        return replace(plain_image(number), path=str(path), content_hash=content_hash, description=words(number, 24))

    def answer(number: int, rank: int) -> Answer:
        return replace(
            plain_answer(number, rank), answer=words(number * 3 + rank, 40 + (number * 31 + rank * 17) % 160)
        )

    async def write_all(run: Run, n_images: int) -> None:
        if run.stage != "augment":
            await plain_write(run, n_images)
            return
        raws = [
            RawInstruction(
                hashed(f"r{number}"), f"Write {_FORMS[number % 9]} about {words(number, 4)}.",
                large_run.image_id(number % n_images), ["s"], "stub", "r",
            )
            for number in range(large_run.N_RAW)
        ]  # fmt: skip
        run.tables.raw_instructions.write_part(0, raws)

    large_run.image, large_run.answer, large_run.write_all = image, answer, write_all
    large_run.make_run(folder, n_images)


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
        make_run(Path(options.make[0]), int(options.make[1]))
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
