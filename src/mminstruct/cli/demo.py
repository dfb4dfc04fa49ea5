"""The demo's config and its last words."""

from __future__ import annotations

from importlib.resources import files
from itertools import islice
from pathlib import Path

from mminstruct.cli.display import print_sample, wide_console
from mminstruct.config.file import parse_config
from mminstruct.config.run import RunConfig
from mminstruct.demo import write_demo_inputs
from mminstruct.pipeline.export import export_run
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.tables import Folder
from mminstruct.web.report.writing import NAME
from mminstruct.writers.export import ExportOptions

_SHORT = ("augment.n_instructions=24", "summarize.n_clusters=8", "match.per_image=1")
_N_SHOWN = 3


def demo_config(run_dir: Path, short: bool) -> RunConfig:
    """Write the demo's input into the run folder and return its config."""
    write_demo_inputs(run_dir / "inputs")
    text = (files("mminstruct") / "data" / "demo.yaml").read_text(encoding="utf-8")
    overrides = ("run_dir=" + str(run_dir.resolve()), *(_SHORT if short else ()))
    return parse_config(text, "the demo's config", run_dir, overrides)


def print_demo_results(run_dir: str) -> None:
    """Export the training data, print three samples of different instructions in full, and say where all is."""
    out = Path(run_dir) / "export" / "llava"
    report = export_run(run_dir, out, options=ExportOptions(overwrite=True)).report
    samples = {sample.instruction_id: sample for sample in Tables(Folder(run_dir)).samples.rows()}
    console = wide_console()
    console.print("\nThree samples in full (by a very small language model: they show the way, not the quality):")
    for sample in islice(samples.values(), _N_SHOWN):
        print_sample(console, sample)
    first_id = next(iter(samples.values())).sample_id
    page = Path(run_dir) / NAME
    console.print(
        f"\nThe run:            {run_dir}\n"
        + (f"A page about it:    {page} (opens in any browser)\n" if page.exists() else "")
        + f"For LLaVA:          {out / 'train.json'} ({report.n_samples} rows, {report.n_images} images)\n"
        f"A row's story:      mminstruct show {run_dir} {first_id}\n"
        f"The run's figures:  mminstruct status {run_dir}",
        highlight=False,
        soft_wrap=True,
    )
