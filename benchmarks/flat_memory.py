"""Whether a run's cost grows as its images do, and its memory does not: 10,000, 100,000 and 1,000,000 images.

    python benchmarks/flat_memory.py                                about an hour, and 12 GB of disk
    python benchmarks/flat_memory.py --images 1000 10000            a quick look

Real are: images (decoded and hashed), match (by the captions), answer (against a stub endpoint whose replies all
differ), filter and split, each with its tables on disk; instructions and exemplars are made up. Every size is a process
of its own, whose largest resident memory and processor seconds are noted at each stage's end: other work on the machine
lengthens the seconds of the clock, and those of the processor hardly. Then `status`, `show` of a sample and a run in
which all is done are timed. Output: `benchmarks/results/flat_memory.md` and `docs/pictures/flat-memory.png`.
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
N_SENTENCES = 3  # of an answer, each of twenty words
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


class NotesAtEnds(PlainProgress):
    """Notes, when a stage ends, the largest resident memory and the processor time since the stage before."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.peaks: dict[str, float] = {}
        self.processor: dict[str, float] = {}  # seconds, user and system, of this process and its children
        self._used = processor_s()

    def stage_ended(self, stage: str, record: StageRecord, skipped: bool) -> None:
        """Note them."""
        if not skipped:
            used = processor_s()
            self.peaks[stage], self.processor[stage], self._used = peak_mb(), used - self._used, used
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


def run_once(n_images: int) -> dict[str, Any]:
    """Run in the working folder, in which the config is, and return seconds and memory by stage."""
    import torch

    torch.set_num_threads(1)  # two would mostly wait for each other over so small an encoder
    progress = NotesAtEnds(Console(stderr=True))
    config = load_config(Path("config.yaml"))
    manifest = asyncio.run(run_steps(config, steps(), progress))
    started = time.perf_counter()
    asyncio.run(run_steps(config, steps(), progress))
    return {
        "n_images": n_images,
        "seconds": {stage: manifest.stages[stage].seconds for stage in MEASURED},
        "processor": {stage: progress.processor[stage] for stage in MEASURED},
        "n_kept": manifest.stages["filter"].n_out,
        "rejects": manifest.stages["filter"].rejects,
        "peaks": progress.peaks,
        "resume_s": time.perf_counter() - started,
    }


def timed(*command: str, cwd: Path) -> float:
    """Return the seconds of a command of ours."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "mminstruct", *command], cwd=cwd, check=True, capture_output=True)
    return time.perf_counter() - started


def measure(n_images: int, scratch: Path) -> dict[str, Any]:
    """Make a collection, run it in a process of its own, look at it, and remove it."""
    with (
        tempfile.TemporaryDirectory(dir=scratch) as name,
        stub_server("--latency-s", "0.02", "--varied", str(N_SENTENCES)) as stub,
    ):
        folder = Path(name)
        make_collection(folder, n_images)
        save_tiny_encoder(folder / "tiny-encoder")
        (folder / "config.yaml").write_text(CONFIG.format(base_url=stub.base_url, cap=max(1, n_images // 20)))
        found = run_measured(
            [sys.executable, str(HERE / "flat_memory.py"), "--once", str(n_images)], folder, timeout_s=7200
        )
        sample_id = next(Tables(Folder(str(folder / "run"))).samples.rows()).sample_id
        found["status_s"] = timed("status", "run", cwd=folder)
        found["show_s"] = timed("show", "run", sample_id, cwd=folder)
        return found


def main() -> None:
    """Measure all sizes, write the table and the plot, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()), help="where the runs are made")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the table is written")
    parser.add_argument("--picture", type=Path, default=PICTURE, help="where the plot is written")
    parser.add_argument("--once", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        sys.stdout.write(json.dumps(run_once(options.once)) + "\n")
        return
    found = []
    for n_images in options.images:
        found.append(measure(n_images, options.scratch))
        options.out.write_text(report(found), encoding="utf-8")
        plot(found, options.picture)
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
        "Processor seconds are those of the run's own process, user and system, without the stub's. Seconds of",
        "the clock hold what else the machine had to do, which for each size may have been something else.",
        "",
        "Largest resident memory at the end of each stage, MB, and what looking takes:",
        "",
        "| images | " + " | ".join(MEASURED) + " | `status`, s | `show`, s | run with all done, s |",
        "|---:|" + "---:|" * (len(MEASURED) + 3),
    ]
    for row in found:
        cells = [f"{row['peaks'][stage]:,.0f}" for stage in MEASURED]
        cells += [f"{row[name]:.2f}" for name in ("status_s", "show_s", "resume_s")]
        lines.append(f"| {row['n_images']:,} | {' | '.join(cells)} |")
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
            total = sum(row[name].values())
            growth = f"{total / sum(before[name].values()):.2f}×" if before else ""
            cells = [f"{row['n_images']:,}", kind, *(f"{row[name][stage]:,.1f}" for stage in MEASURED)]
            cells += [f"{total:,.1f}", f"{row['n_images'] / total:,.0f}", growth]
            cells += [f"{max(row['peaks'].values()):,.0f}", f"{row['n_kept']:,}"] if kind == "clock" else ["", ""]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def plot(found: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the largest resident memory over the number of images."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    sizes = [row["n_images"] for row in found]
    for stage in MEASURED:
        axes.plot(sizes, [row["peaks"][stage] for row in found], "o-", label=f"by the end of {stage}")
    axes.axhline(1_500, color="#888888", linestyle=":", label="1.5 GB")
    axes.set(xscale="log", xlabel="images", ylabel="largest resident memory, MB", ylim=(0, None))
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    figure.savefig(path)


if __name__ == "__main__":
    main()
