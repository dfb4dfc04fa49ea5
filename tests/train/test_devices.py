"""Several processes, as several GPUs would be: on the CPU, by torch's own launcher."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.patience import wait_for
from support.tiny_training import row, tiny_recipe

for package in ("transformers", "accelerate", "peft", "gguf", "tensorboardX", "matplotlib"):
    pytest.importorskip(package)


pytestmark = pytest.mark.timeout(1200)  # on a busy machine; nothing here waits so long of itself


@contextmanager
def launched(
    folder: Path, n_processes: int, stage: str, **changes: Any
) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """Begin to train a recipe in so many processes; give its `out` too. Nothing of it runs on afterwards."""
    rows = [row(number, image=None if number % 3 == 2 else "") for number in range(12)]
    settings = {"learning_rate": 1e-2, "template": "v1", "device_batch_size": 1, "held_out_share": 0.2}
    recipe = tiny_recipe(folder, rows, **{stage: {**settings, "epochs": 2, **changes}})
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n_processes)]  # on a free port
    process = subprocess.Popen(
        [sys.executable, *launcher, "-m", "mminstruct", "train", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )
    try:
        yield Path(recipe.out), process
    finally:
        process.terminate()  # which ends the processes that it has launched
        process.communicate(timeout=120)


def trained(folder: Path, n_processes: int, stage: str) -> dict[str, Any]:
    """Train the recipe to its end and return what stage.json says of it."""
    with launched(folder, n_processes, stage) as (out, process):
        told, errors = process.communicate(timeout=500)
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
    with launched(tmp_path, 2, "finetune", epochs=2000) as (out, process):
        metrics = out / "training/finetune/metrics.jsonl"
        wait_for(lambda: metrics.exists() and metrics.read_text().count("\n") > 2, process)
        workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(workers[-1]), signal.SIGINT)
        _, errors = process.communicate(timeout=300)
    assert process.returncode != 0
    (step,) = re.findall(r"Stopped after step (\d+) of 6000", errors)  # one of them tells
    (checkpoint,) = (out / "training/finetune/checkpoints").iterdir()
    assert checkpoint.name == f"checkpoint-{step}"
    assert json.loads((checkpoint / "trainer_state.json").read_text())["global_step"] == int(step)


def test_rows_that_are_not_enough_are_told_by_all_and_traced_by_none(tmp_path: Path) -> None:
    """Each process reads the counts before one takes them away, so that the next call looks again."""
    with launched(tmp_path, 2, "pretrain", template="plain", max_bad_share=0.1) as (out, process):
        _, errors = process.communicate(timeout=500)
    assert process.returncode != 0
    assert "Of 12 rows 4 cannot be trained on (no_image 4)" in errors.replace("\n", " ")
    assert "FileNotFoundError" not in errors
    assert not (out / "training/pretrain/rows/rows.json").exists()
