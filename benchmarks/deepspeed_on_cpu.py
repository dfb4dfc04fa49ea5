"""`mminstruct train` with DeepSpeed's ZeRO-3 in two processes, beside the same recipe without it in one.

    pip install --no-build-isolation deepspeed==0.19.8     DeepSpeed compiles a part of itself at its first start
    python benchmarks/deepspeed_on_cpu.py                  a few minutes; writes the report

The config is that of recipes/llava-1.5-7b, the model a tiny LLaVA with random weights, and there is no GPU: accelerate
does not pair DeepSpeed with the CPU, so the workers tell it that it may (`_take_the_cpu_for_devices`). Rows of text are
among the rows, and the last step has both kinds, one on each device. Both ways have to learn the same.
Output: `benchmarks/results/deepspeed_on_cpu.md`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL.Image
import yaml

from harness import HERE, machine
from mminstruct.config.recipe import Recipe

RESULTS = HERE / "results" / "deepspeed_on_cpu.md"
ZERO3 = HERE.parent / "recipes" / "llava-1.5-7b" / "zero3.json"
TINY_LLAVA = HERE / "peers" / "tiny_llava.py"
N_ROWS, N_PROCESSES = 20, 2  # every third row is text: with steps of 4 rows one step has both kinds


@dataclass(frozen=True)
class Case:
    """What is trained."""

    name: str
    stage: str


CASES = (
    Case("the projector", "pretrain"),
    Case("the language model and the projector", "finetune"),
)


def make_rows(folder: Path) -> Path:
    """Write the rows in LLaVA's form, with their pictures."""
    rows = []
    for number in range(N_ROWS):
        row: dict[str, Any] = {"id": str(number)}
        mark = ""
        if number % 3 != 2:
            PIL.Image.new("RGB", (40, 24), (number * 12, 90, 160)).save(folder / f"{number}.png")
            row["image"], mark = f"{number}.png", "<image>\n"
        said = [("human", f"{mark}What is number {number}?"), ("gpt", f"It is {'very ' * (number % 4)}plain.")]
        rows.append(row | {"conversations": [{"from": who, "value": text} for who, text in said]})
    path = folder / "rows.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def make_recipe(case: Case, folder: Path, out: Path, deepspeed: bool) -> Path:
    """Write the case's recipe."""
    settings = {"template": "v1", "batch_size": 4, "device_batch_size": 1, "epochs": 2, "learning_rate": 1e-2}
    settings |= {
        "workers": 0,
        "deepspeed": str(ZERO3) if deepspeed else None,
        "data": [{"path": str(make_rows(folder))}],
    }
    model = {"start": str(folder / "tiny-llava")}
    path = folder / "recipe.yaml"
    recipe = {"out": str(out), "device": "cpu", "model": model, case.stage: settings}
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return path


def trained(case: Case, folder: Path, deepspeed: bool) -> Path:
    """Train the case and return the recipe's `out`."""
    out = folder / ("zero3" if deepspeed else "plain")
    recipe = make_recipe(case, folder, out, deepspeed)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(N_PROCESSES if deepspeed else 1)]
    command = [sys.executable, *launcher, __file__, "--worker", str(recipe)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{case.name}: exit status {done.returncode}\n{done.stderr[-5000:]}")
    return out


def work(recipe: Path) -> None:
    """Train as one of the processes."""
    from mminstruct.train.run import train

    loaded = Recipe.model_validate(yaml.safe_load(recipe.read_text(encoding="utf-8")))
    if any(section.deepspeed for section in loaded.stages.values()):
        _take_the_cpu_for_devices()
    train(loaded)


def _take_the_cpu_for_devices() -> None:
    """Have accelerate begin DeepSpeed on the CPU as it does on GPUs, with gloo in the place of NCCL."""
    from accelerate import PartialState
    from accelerate.utils import DistributedType

    from mminstruct.train import arguments, stage

    def gloo(state: Any, cpu: bool = False, sagemaker_dp: bool = False, backend: str | None = None) -> tuple[str, Any]:
        return "gloo", DistributedType.MULTI_CPU

    def on_devices(section: Any, folder: Path, seed: int, dtype: str, on_cpu: bool) -> Any:
        return arguments.training_arguments(section, folder, seed, dtype, on_cpu=False)

    PartialState._prepare_backend = gloo
    vars(stage)["training_arguments"] = on_devices


def compared(case: Case, folder: Path) -> str:
    """Train the case in both ways and return its line of the table."""
    import torch
    from transformers import LlavaForConditionalGeneration

    outs = [trained(case, folder, deepspeed) for deepspeed in (False, True)]
    losses, weights = [], []
    for out in outs:
        lines = (out / "training" / case.stage / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        losses.append([json.loads(line)["loss"] for line in lines])
        model: Any = LlavaForConditionalGeneration.from_pretrained(out / case.stage, dtype=torch.float32)
        weights.append(model.state_dict())
    assert len(losses[0]) == len(losses[1]), losses
    by_loss = max(abs(one - other) for one, other in zip(*losses, strict=True))
    by_weight = max(float((weight - weights[1][name]).abs().max()) for name, weight in weights[0].items())
    fell = f"{losses[0][0]:.3f} → {losses[0][-1]:.3f}"
    return f"| {case.name} | {len(losses[0])} | {fell} | {by_loss:.1e} | {by_weight:.1e} |"


def report(lines: list[str]) -> str:
    """Return the report as Markdown."""
    return "\n".join(
        [
            "# Training with DeepSpeed",
            "",
            f"`python benchmarks/deepspeed_on_cpu.py`: "
            f"{machine(['torch', 'transformers', 'accelerate', 'peft', 'deepspeed'])}, no GPU.",
            "",
            f"A tiny LLaVA in float32 on {N_ROWS} rows, a third of them text, 4 a step: with the ZeRO-3 config of "
            f"recipes/llava-1.5-7b in {N_PROCESSES}",
            "processes, and without DeepSpeed in one. One step has rows of both kinds, one on each device.",
            "",
            "| what learns | steps | loss of the first and the last step | largest difference in a step's loss | "
            "largest difference in a weight |",
            "|---|---:|---:|---:|---:|",
            *lines,
            "",
            "It shows that both learn the same, and says nothing of GPUs, bfloat16, NCCL or speed.",
            "",
        ]
    )


def main() -> None:
    """Train all cases, write the report and print it; or be one of the processes that train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the report is written")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker)
        return
    if importlib.util.find_spec("deepspeed") is None:
        raise SystemExit("deepspeed is missing: pip install --no-build-isolation deepspeed==0.19.8")
    lines = []
    for case in CASES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            subprocess.run([sys.executable, str(TINY_LLAVA), "save", str(folder / "tiny-llava")], check=True)
            lines.append(compared(case, folder))
            print(lines[-1], flush=True)
    options.out.write_text(report(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
