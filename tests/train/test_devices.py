"""Several processes, as several GPUs would be: on the CPU, by torch's own launcher."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.tiny_training import row, tiny_recipe

for package in ("transformers", "accelerate", "peft", "gguf", "tensorboardX", "matplotlib"):
    pytest.importorskip(package)


def launched(folder: Path, n_processes: int, stage: str, epochs: int = 2) -> tuple[Path, subprocess.Popen[str]]:
    """Begin to train a recipe in so many processes; return its `out` too."""
    rows = [row(number, image=None if number % 3 == 2 else "") for number in range(12)]
    settings = {"learning_rate": 1e-2, "template": "v1", "device_batch_size": 1, "held_out_share": 0.2}
    recipe = tiny_recipe(folder, rows, **{stage: {**settings, "epochs": epochs}})
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(n_processes), "--master-port", "29713"]
    process = subprocess.Popen(
        [sys.executable, *launcher, "-m", "mminstruct", "train", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )
    return Path(recipe.out), process


def trained(folder: Path, n_processes: int, stage: str) -> dict[str, Any]:
    """Train the recipe to its end and return what stage.json says of it."""
    out, process = launched(folder, n_processes, stage)
    told, errors = process.communicate(timeout=150)
    assert process.returncode == 0, errors
    assert told.count("The model:") == 1
    found: dict[str, Any] = json.loads((out / "training" / stage / "stage.json").read_text())["result"]
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


@pytest.mark.skipif(sys.platform != "linux", reason="finds a process's children under /proc")
def test_a_stop_that_one_process_hears_stops_all_after_one_step(tmp_path: Path) -> None:
    out, process = launched(tmp_path, 2, "finetune", epochs=2000)
    metrics = out / "training/finetune/metrics.jsonl"
    deadline = time.monotonic() + 120
    while not (metrics.exists() and metrics.read_text().count("\n") > 2):
        assert time.monotonic() < deadline, "training has not begun"
        time.sleep(0.2)
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(workers[-1]), signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    (step,) = re.findall(r"Stopped after step (\d+) of 6000", errors.replace("\n", " "))[:1]
    (checkpoint,) = (out / "training/finetune/checkpoints").iterdir()
    assert checkpoint.name == f"checkpoint-{step}"
    assert json.loads((checkpoint / "trainer_state.json").read_text())["global_step"] == int(step)
