from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from mminstruct.cli import cli
from mminstruct.cli import train as train_command  # noqa: F401 - joins `cli`
from mminstruct.errors import ConfigError, SourceError
from support.patience import PATIENCE_S, wait_for
from support.tiny_training import row, tiny_recipe

for package in ("transformers", "accelerate", "peft", "gguf", "tensorboardX", "matplotlib"):
    pytest.importorskip(package)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    rows = [row(number, image="images/nowhere.png" if number == 3 else "") for number in range(8)]
    settings = {"warmup_share": 0, "learning_rate": 1e-2, "max_bad_share": 0.2, "held_out_share": 0.2}
    loaded = tiny_recipe(tmp_path, rows, finetune=settings)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(loaded.model_dump(mode="json")))
    return path


def test_trains_and_tells_what_it_did(recipe: Path) -> None:
    result = CliRunner().invoke(cli, ["train", str(recipe), "-o", "finetune.epochs=4"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "finetune: 7 rows" in result.stderr
    assert "1 left out" in result.stderr
    assert (
        "on 6 training rows before training" in result.stderr or "on 5 training rows before training" in result.stderr
    )
    assert "note: finetune: 1 of 8 rows were left out: missing_image 1." in result.stdout
    out = recipe.parent / "out"
    assert f"The model:     {out / 'finetune'}" in result.stdout
    assert (out / "report.md").read_text().count("| finetune |") == 1
    again = CliRunner().invoke(cli, ["train", str(recipe), "-o", "finetune.epochs=4"], catch_exceptions=False)
    assert "finetune: unchanged, skipped" in again.stderr


def test_ctrl_c_keeps_a_checkpoint_and_says_how_to_go_on(recipe: Path) -> None:
    command = [sys.executable, "-m", "mminstruct", "train", str(recipe), "-o", "finetune.epochs=4000"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    work = recipe.parent / "out/training/finetune"
    wait_for((work / "metrics.jsonl").exists, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "note: stopping: this step ends" in errors
    assert f"Go on with: mminstruct train {recipe} -o finetune.epochs=4000" in errors
    assert "Traceback" not in errors
    assert len(list((work / "checkpoints").iterdir())) == 1


def test_data_that_is_not_there_is_named_before_anything_is_built(recipe: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.json does not exist"):
        CliRunner().invoke(
            cli, ["train", str(recipe), "-o", "finetune.data.0.path=/nowhere.json"], catch_exceptions=False
        )


def test_a_fault_of_the_recipe_is_named_with_its_place(recipe: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'finetune\.epocs'; did you mean 'epochs'"):
        CliRunner().invoke(cli, ["train", str(recipe), "-o", "finetune.epocs=2"], catch_exceptions=False)
