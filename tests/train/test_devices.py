"""Several processes, as several GPUs would be: on the CPU, by torch's own launcher."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.tiny_training import row, tiny_recipe

for package in ("transformers", "accelerate", "peft", "gguf", "tensorboardX", "matplotlib"):
    pytest.importorskip(package)


def trained(folder: Path, n_processes: int, stage: str) -> dict[str, Any]:
    """Train the recipe in so many processes and return what stage.json says of it."""
    rows = [row(number, image=None if number % 3 == 2 else "") for number in range(12)]
    settings = {"learning_rate": 1e-2, "epochs": 2, "template": "v1", "device_batch_size": 1, "held_out_share": 0.2}
    recipe = tiny_recipe(folder, rows, **{stage: settings})
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(n_processes), "--master-port", "29713"]
    run = subprocess.run(
        [sys.executable, *launcher, "-m", "mminstruct", "train", str(path)],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        timeout=150,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("The model:") == 1
    found: dict[str, Any] = json.loads((Path(recipe.out) / "training" / stage / "stage.json").read_text())["result"]
    return found


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_two_processes_learn_what_one_does(stage: str, tmp_path: Path) -> None:
    """A third of the rows is text: in their batches the projector has no part, and nobody waits for it for ever."""
    one, two = (trained(tmp_path / str(n), n, stage) for n in (1, 2))
    assert one["n_rows"] == two["n_rows"]
    assert one["n_steps"] == two["n_steps"]
    assert two["first_loss"] == pytest.approx(one["first_loss"], rel=1e-4)
    assert two["last_loss"] == pytest.approx(one["last_loss"], rel=0.05)
    assert two["held_out_after"] < two["held_out_before"]
