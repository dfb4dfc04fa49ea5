"""Whether a run's cost grows as its images do, and its memory does not: 10,000, 100,000 and 1,000,000 images.

    python benchmarks/flat_memory.py                                two hours, and 12 GB of disk
    python benchmarks/flat_memory.py --images 1000 10000            a quick look

Real are: images (decoded and hashed), match (by the captions), answer (against a stub endpoint whose replies all
differ), filter and split, each with its tables on disk; instructions and exemplars are made up. Every stage is a
process of its own (`run --until`), whose largest resident memory and processor seconds are noted at its end: other work
on the machine lengthens the seconds of the clock, and those of the processor far less. Then `status`, `show` of a
sample and a run in which all is done are timed. Output: `benchmarks/results/flat_memory.md` and
`docs/pictures/flat-memory.png`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from answer_stage import exemplar_of, instructions, peak_mb
from captioned_images import make_collection
from harness import HERE, machine, run_measured, stub_server
from mminstruct.cli.progress import PlainProgress
from mminstruct.config.file import load_config
from mminstruct.encoders.text import embedded_folder
from mminstruct.pipeline.manifest import StageRecord
from mminstruct.pipeline.run import Run, Step, run_steps
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.steps import STEPS
from mminstruct.pipeline.tables import Folder

RESULTS = HERE / "results" / "flat_memory.md"
PICTURE = HERE.parent / "docs" / "pictures" / "flat-memory.png"
MEASURED = ("images", "match", "answer", "filter", "split")
DONE = "done"
ONCE = (sys.executable, str(HERE / "flat_memory.py"), "--once")
PACKAGES = ("pyarrow", "Pillow", "numpy")
# The sentence encoder is a tiny one, for a real one would take most of the time, and that in proportion to the images.
CONFIG = """\
run_dir: run
embedder: {{kind: transformers, model: tiny-encoder, device: cpu}}
images: [{{format: jsonl, path: captions.jsonl, image_root: images, id_column: id}}]
llm: {{base_url: "{base_url}", model: stub, concurrency: 256}}
match: {{per_image: 1, sampling: softmax, max_per_instruction: {cap}}}
answer: {{shots: 1}}
filter: {{skip: [off_topic]}}
split: {{n_instructions: 3, images_per_instruction: 3, near_duplicate_similarity: 1.0}}
"""


class Noted(PlainProgress):
    """Notes the processor time between a stage's begin, when its models are loaded, and its end."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.processor: dict[str, float] = {}  # seconds, user and system, of this process and its children
        self._used = 0.0

    def stage_started(self, stage: str, n_rows: int | None, n_done: int) -> None:
        """Begin to count."""
        self._used = processor_s()
        super().stage_started(stage, n_rows, n_done)

    def stage_ended(self, stage: str, record: StageRecord, skipped: bool) -> None:
        """Note what was used."""
        if not skipped:
            self.processor[stage] = processor_s() - self._used
        super().stage_ended(stage, record, skipped)


def processor_s() -> float:
    """Return the processor seconds of this process so far, user and system, with those of children that have ended."""
    return sum(os.times()[:4])


def steps() -> tuple[Step, ...]:
    """Return the pipeline with made-up instructions and exemplars."""
    known = instructions()

    async def write_raw_instructions(run: Run) -> None:
        run.tables.raw_instructions.write_part(0, [])

    async def write_instructions(run: Run) -> None:
        run.tables.instructions.write_part(0, known)

    async def write_exemplars(run: Run) -> None:
        run.tables.exemplars.write_part(0, list(map(exemplar_of, known)))

    made_up: dict[str, Callable[[Run], Awaitable[None]]] = {
        "augment": write_raw_instructions,
        "summarize": write_instructions,
        "exemplars": write_exemplars,
    }
    return tuple(
        replace(step, settings=lambda run: 0, work=made_up[step.stage]) if step.stage in made_up else step
        for step in STEPS
    )


def save_tiny_encoder(folder: Path) -> None:
    """Write a BERT of one layer with random weights, and the embedded encoder's tokenizer."""
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    BertModel(BertConfig(vocab_size=30_522, **sizes)).save_pretrained(folder)
    kind: Any = PreTrainedTokenizerFast
    kind(tokenizer_file=str(embedded_folder() / "tokenizer.json"), pad_token="[PAD]").save_pretrained(folder)


def run_stage(stage: str) -> dict[str, Any]:
    """Run a stage, all before which are done, in the working folder, in which the config is."""
    import torch

    torch.set_num_threads(1)  # two would mostly wait for each other over so small an encoder
    progress = Noted(Console(stderr=True))
    record = asyncio.run(run_steps(load_config(Path("config.yaml")), steps(), progress, last=stage)).stages[stage]
    return {
        "seconds": record.seconds,
        "processor": progress.processor[stage],
        "peak_mb": peak_mb(),
        "n_out": record.n_out,
        "rejects": record.rejects,
    }


def seconds_of_done_run() -> float:
    """Return what a run takes in which all is done."""
    config, progress = load_config(Path("config.yaml")), PlainProgress(Console(stderr=True))
    started = time.perf_counter()
    asyncio.run(run_steps(config, steps(), progress))
    return time.perf_counter() - started


def timed(*command: str, cwd: Path) -> tuple[float, float]:
    """Return the seconds of a command of ours, by the clock and of the processor."""
    started, used = time.perf_counter(), processor_s()
    subprocess.run([sys.executable, "-m", "mminstruct", *command], cwd=cwd, check=True, capture_output=True)
    return time.perf_counter() - started, processor_s() - used


def measure(n_images: int, scratch: Path) -> dict[str, Any]:
    """Make a collection, run it stage by stage, look at it, and remove it."""
    with tempfile.TemporaryDirectory(dir=scratch) as name, stub_server("--latency-s", "0.02", "--varied", "3") as stub:
        folder = Path(name)
        make_collection(folder, n_images)
        save_tiny_encoder(folder / "tiny-encoder")
        (folder / "config.yaml").write_text(CONFIG.format(base_url=stub.base_url, cap=max(1, n_images // 20)))
        stages = {stage: run_measured([*ONCE, stage], folder, timeout_s=7200) for stage in MEASURED}
        sample_id = next(Tables(Folder(str(folder / "run"))).samples.rows()).sample_id
        return {
            "n_images": n_images,
            "stages": stages,
            "status": timed("status", "run", cwd=folder),
            "show": timed("show", "run", sample_id, cwd=folder),
            "resume_s": run_measured([*ONCE, DONE], folder)["seconds"],
        }


def main() -> None:
    """Measure all sizes, write the table and the plot, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()), help="where the runs are made")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the table is written")
    parser.add_argument("--picture", type=Path, default=PICTURE, help="where the plot is written")
    parser.add_argument("--once", choices=(*MEASURED, DONE), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        found = {"seconds": seconds_of_done_run()} if options.once == DONE else run_stage(options.once)
        sys.stdout.write(json.dumps(found) + "\n")
        return
    sizes = []
    for n_images in options.images:
        sizes.append(measure(n_images, options.scratch))
        options.out.write_text(report(sizes), encoding="utf-8")
        plot(sizes, options.picture)
    sys.stdout.write(options.out.read_text(encoding="utf-8"))


def report(found: Sequence[dict[str, Any]]) -> str:
    """Return the tables as Markdown."""
    lines = [
        "# A run's time and memory as its images grow",
        "",
        f"`python benchmarks/flat_memory.py`: {machine(PACKAGES)}.",
        "Images of 96 pixels, an answer of 60 words to each, a stub endpoint (20 ms) on the same cores, 256 in flight.",
        "",
        *_costs(found),
        "",
        "Each stage is a process of its own. Processor seconds are its own, user and system, from when its models",
        "are loaded, and without the stub's. Seconds of the clock hold what else the machine had to do, which for each",
        "size may have been something else.",
        "",
        "Largest resident memory of each stage, MB, and what looking takes: seconds of the clock, of the processor:",
        "",
        "| images | " + " | ".join(MEASURED) + " | `status` | `show` | run with all done |",
        "|---:|" + "---:|" * (len(MEASURED) + 3),
    ]
    for row in found:
        cells = [f"{row['stages'][stage]['peak_mb']:,.0f}" for stage in MEASURED]
        cells += ["{:.2f}, {:.2f}".format(*row[name]) for name in ("status", "show")]
        lines.append(f"| {row['n_images']:,} | {' | '.join(cells)} | {row['resume_s']:.2f} |")
    return "\n".join(lines) + "\n"


def _costs(found: Sequence[dict[str, Any]]) -> list[str]:
    """Return the table of seconds: two rows a size, by the clock and of the processor."""
    lines = [
        "| images | seconds | "
        + " | ".join(MEASURED)
        + " | all | images/s | to the size before | largest MB | answers kept |",
        "|---:|---|" + "---:|" * (len(MEASURED) + 5),
    ]
    for before, row in zip([None, *found], found, strict=False):
        for kind, name in (("clock", "seconds"), ("processor", "processor")):
            total = _total(row, name)
            growth = f"{total / _total(before, name):.2f}×" if before else ""
            cells = [f"{row['n_images']:,}", kind, *(f"{row['stages'][stage][name]:,.1f}" for stage in MEASURED)]
            cells += [f"{total:,.1f}", f"{row['n_images'] / total:,.0f}", growth]
            peak = max(stage["peak_mb"] for stage in row["stages"].values())
            cells += [f"{peak:,.0f}", f"{row['stages']['filter']['n_out']:,}"] if kind == "clock" else ["", ""]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def _total(row: dict[str, Any], name: str) -> float:
    return float(sum(stage[name] for stage in row["stages"].values()))


def plot(found: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the largest resident memory over the number of images."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    sizes = [row["n_images"] for row in found]
    for stage in MEASURED:
        axes.plot(sizes, [row["stages"][stage]["peak_mb"] for row in found], "o-", label=stage)
    axes.axhline(1_500, color="#888888", linestyle=":", label="1.5 GB")
    axes.set(xscale="log", xlabel="images", ylabel="largest resident memory, MB", ylim=(0, None))
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, 0.95), ncols=3)
    figure.savefig(path)


if __name__ == "__main__":
    main()
