"""How fast a finished run is exported to each format, read back and checked, and in how much memory.

    python benchmarks/export_formats.py                  some minutes, and 4 GB of disk
    python benchmarks/export_formats.py --rows 100000    a quick look at LLaVA's format

LLaVA's JSON has `--rows` rows with an image of its own each, linked; a tenth of them shows whether memory grows. The
other formats have `--rows-others`. The images are files of 10,000 a folder, hard links to 1,000 JPEGs: all names
differ, and the disk's cache holds the contents. The run has its tables in parts of 500 rows, as `mminstruct run` writes
them. Every export runs in a process of its own. The check looks whether each image is a file that is not empty;
decoding every image is a row of its own. Output: `benchmarks/results/export_formats.md`.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from PIL import Image

from harness import HERE, machine, run_measured
from mminstruct.config.file import dump_config
from mminstruct.config.run import RunConfig
from mminstruct.pipeline.export import export_run, open_finished_run
from mminstruct.pipeline.manifest import Manifest, StageRecord, write_manifest
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.tables import Folder
from mminstruct.rows import Sample
from mminstruct.writers.conversations import Conversation
from mminstruct.writers.export import FORMATS, ExportOptions
from mminstruct.writers.format import ImageMode, PlaceImage

RESULTS = HERE / "results" / "export_formats.md"
N_CONTENTS = 1_000
PER_FOLDER = 10_000
PACKAGES = ("pyarrow", "Pillow")
OTHERS = (
    ("llava", "none"),
    ("sharegpt", "link"),
    ("messages", "link"),
    ("openai", "embed"),
    ("trl", "embed"),
    ("trl", "none"),
    ("hf", "embed"),
    ("webdataset", "embed"),
)
SENTENCE = "a bicycle leans on the red wall of an old harbour café where two people share bread and watch the rain"


def make_images(folder: Path, n_images: int) -> None:
    """Write image files, JPEGs of noise of about 10 kB."""
    numbers = random.Random(0)
    for number in range(n_images):
        path = image_path(folder, number)
        if number % PER_FOLDER == 0:
            path.parent.mkdir(parents=True)
        if number >= N_CONTENTS:
            os.link(image_path(folder, number % N_CONTENTS), path)
            continue
        buffer = io.BytesIO()
        Image.frombytes("RGB", (96, 96), numbers.randbytes(96 * 96 * 3)).save(buffer, "JPEG", quality=75)
        path.write_bytes(buffer.getvalue())


def image_path(folder: Path, number: int) -> Path:
    """Return where the image of this number is."""
    return folder / f"{number // PER_FOLDER:05d}" / f"{number:09d}.jpg"


def samples(n_rows: int, photos: Path) -> Iterator[Sample]:
    """Yield rows with an image each: instructions of 12 words, answers of 100."""
    words = random.Random(0)
    answers = [" ".join(words.choices(SENTENCE.split(), k=100)) for _ in range(1_000)]
    for number in range(n_rows):
        yield Sample(
            sample_id=f"{number:016x}",
            image_id=f"{number:016x}",
            image=str(image_path(photos, number)),
            instruction_id=f"{number % 300:016x}",
            instruction=f"Write slogan number {number} for the café that the picture shows.",
            answer=answers[number % 1_000] + f" {number}.",
            source="coco",
            category="marketing",
            description="A red bicycle leans on the wall of an old harbour café.",
            score=0.5,
            width=96,
            height=96,
            model="generated",
            request_id=f"{number:016x}",
        )


def make_run(folder: Path, n_rows: int, photos: Path) -> None:
    """Write the folder of a run that has come to its end with these samples."""
    config = RunConfig.model_validate(
        {"run_dir": str(folder), "images": [{"name": "coco", "format": "folder", "path": str(photos)}]}
    )
    run = Folder(str(folder))
    tables = Tables(run)
    rows = samples(n_rows, photos)
    for part in range(-(-n_rows // config.shard_size)):
        tables.samples.write_part(part, list(islice(rows, config.shard_size)))
    tables.benchmark.write_part(0, [])
    run.write("config.yaml", dump_config(config).encode())
    manifest = Manifest({stage: StageRecord("", "done") for stage in config.stages})
    manifest.stages["split"].tables = {tables.samples.name: n_rows}
    write_manifest(run, manifest)


def export_once(run: str, name: str, mode: str, open_images: bool) -> dict[str, float]:
    """Export into the working folder; return seconds by step, peak MB and the size in MB."""
    form = FORMATS[name]
    write_s = 0.0

    def timed(rows: Iterable[Sample], folder: Path, place: PlaceImage, mix: Iterable[Conversation]) -> int:
        nonlocal write_s
        started = time.perf_counter()
        n_signs = form.write_rows(rows, folder, place, mix)
        write_s = time.perf_counter() - started
        return n_signs

    modes: dict[str, ImageMode] = {known: known for known in get_args(ImageMode)}
    FORMATS[name] = replace(form, write_rows=timed)
    before_mb = peak_mb()
    started, cpu_started = time.perf_counter(), time.process_time()
    export_run(run, Path("out"), name, ExportOptions(modes[mode], open_images=open_images))
    total_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu_started
    after_mb = peak_mb()
    started = time.perf_counter()
    assert sum(1 for _ in open_finished_run(run)[2].samples.rows())
    return {
        "read_s": time.perf_counter() - started,
        "write_s": write_s,
        "total_s": total_s,
        "cpu_s": cpu_s,
        "before_mb": before_mb,
        "peak_mb": after_mb,
        "size_mb": sum(path.stat().st_size for path in Path("out").rglob("*") if path.is_file()) / 1e6,
    }


def peak_mb() -> float:
    """Return the largest resident memory of this process so far."""
    # Not getrusage: a process that was forked from a larger one begins with that one's peak.
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) / 1024


class Bench:
    """The images and runs that exports are made of, in one folder."""

    def __init__(self, folder: Path, n_images: int) -> None:
        self._folder = folder
        make_images(folder / "photos", n_images)

    def measure(self, name: str, mode: str, n_rows: int, open_images: bool = False) -> str:
        """Run one export in a process of its own and return its row of the table."""
        run = self._folder / f"run-{n_rows}"
        if not run.exists():
            make_run(run, n_rows, self._folder / "photos")
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            case = [str(run), name, mode, *(["open"] if open_images else [])]
            command = [sys.executable, str(Path(__file__).resolve()), "--case", *case]
            found: dict[str, Any] = run_measured(command, Path(folder))
        write_s, total_s = found["write_s"], found["total_s"]
        label = f"{name}, images {mode}" + (", decoded in the check" if open_images else "")
        figures = [n_rows / write_s, n_rows / (total_s - write_s), n_rows / total_s, n_rows / found["cpu_s"]]
        rates = " | ".join(f"{figure:,.0f}" for figure in figures)
        peaks = f"{found['before_mb']:,.0f} | {found['peak_mb']:,.0f}"
        row = (
            f"| {label} | {n_rows:,} | {rates} | {peaks} | {found['size_mb']:,.0f} | {n_rows / found['read_s']:,.0f} |"
        )
        print(row, file=sys.stderr, flush=True)
        return row


def main() -> None:
    """Run all exports, write the table and print it; with `--case` run one and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rows-others", type=int, default=100_000)
    parser.add_argument("--case", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the table is written")
    options = parser.parse_args()
    if options.case:
        run, name, mode, *rest = options.case
        print(json.dumps(export_once(run, name, mode, bool(rest))))
        return
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), max(options.rows, options.rows_others))
        rows = [bench.measure("llava", "link", options.rows), bench.measure("llava", "link", options.rows // 10)]
        rows.append(bench.measure("llava", "link", options.rows // 50, open_images=True))
        rows += [bench.measure(name, mode, options.rows_others) for name, mode in OTHERS]
    options.out.write_text(report(rows), encoding="utf-8")
    print(options.out.read_text(encoding="utf-8"))


def report(rows: list[str]) -> str:
    """Return the table as Markdown."""
    lines = [
        "# Speed and memory of the exports",
        "",
        f"`python benchmarks/export_formats.py`: {machine(PACKAGES)}.",
        "",
        "Instructions of 12 words, answers of 100, an image of its own for each row, of 10 kB, 10,000 in a folder.",
        "Images are linked, embedded or left in place (none). Writing begins with the run's tables; how fast these",
        "alone are read is the last column. Reading back is the check of every row, and that each image is a file that",
        "is not empty, and the data card. Memory is the largest resident, before the export and until its end. One",
        "process works on one core; on a machine that is shared with other work, rows a second of processor time (CPU",
        "rows/s) come nearer to what it does alone.",
        "",
        "| export | rows | written, rows/s | read back, rows/s | both, rows/s | both, CPU rows/s | MB before "
        "| MB after | size, MB | tables read, rows/s |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        *rows,
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
