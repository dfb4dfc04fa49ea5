from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from mminstruct.bench.answers.checkpoint import Checkpoint
from mminstruct.config.recipe import ModelSection, Recipe
from mminstruct.errors import RunInterrupted, TrainingError
from mminstruct.train.progress import Silent, StageResult
from mminstruct.train.run import train
from support.tiny_training import row, tiny_recipe

for package in ("transformers", "accelerate", "peft", "gguf", "tensorboardX", "matplotlib"):
    pytest.importorskip(package)

pytestmark = pytest.mark.filterwarnings("ignore:.*pin_memory.*:UserWarning")
HIGH = {"learning_rate": 1e-2, "epochs": 8}


def weights(folder: Path | str) -> dict[str, Any]:
    """Return the weights of a LLaVA by their names."""
    from transformers import LlavaForConditionalGeneration

    loaded: Any = LlavaForConditionalGeneration.from_pretrained(folder)
    return dict(loaded.state_dict())


def changed_parts(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    import torch

    parts = {"vision_tower", "multi_modal_projector", "language_model", "lm_head"}
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    return {next(part for part in parts if part in name) for name in changed}


def metrics(recipe: Recipe, stage: str) -> list[dict[str, Any]]:
    path = Path(recipe.out) / "training" / stage / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


class TestWhatLearns:
    def test_one_step_of_the_first_stage_changes_the_projector_and_nothing_else(self, tmp_path: Path) -> None:
        recipe = tiny_recipe(tmp_path, [row(number) for number in range(4)], pretrain={"warmup_share": 0})
        (result,) = train(recipe)
        assert result.n_steps == 1
        assert recipe.model.start is not None
        assert changed_parts(weights(recipe.model.start), weights(result.folder)) == {"multi_modal_projector"}

    def test_the_second_stage_changes_the_language_model_too(self, tmp_path: Path) -> None:
        recipe = tiny_recipe(tmp_path, finetune={"warmup_share": 0})
        (result,) = train(recipe)
        assert recipe.model.start is not None
        found = changed_parts(weights(recipe.model.start), weights(result.folder))
        assert found == {"multi_modal_projector", "language_model", "lm_head"}

    def test_adapters_are_merged_into_a_plain_model(self, tmp_path: Path) -> None:
        lora = {"rank": 4, "alpha": 8}
        recipe = tiny_recipe(tmp_path, finetune={"lora": lora, "warmup_share": 0, "epochs": 2, "learning_rate": 1e-2})
        (result,) = train(recipe)
        before = weights(recipe.model.start or "")
        after = weights(result.folder)
        assert set(before) == set(after)
        assert changed_parts(before, after) == {"multi_modal_projector", "language_model"}
        assert result.last_loss < result.first_loss
        merged = ModelSection(start=str(result.folder), vision=None, language=None)
        (again,) = train(recipe.model_copy(update={"model": merged, "out": str(tmp_path / "again")}))
        assert again.first_loss == pytest.approx(result.last_loss, rel=1e-4)

    def test_the_projector_s_own_learning_rate(self, tmp_path: Path) -> None:
        """With a rate of nearly nothing it stays where it is, to a millionth, while the language model moves."""
        own = {"projector_learning_rate": 1e-12, "learning_rate": 1e-2, "warmup_share": 0}
        recipe = tiny_recipe(tmp_path, finetune=own)
        before, after = weights(recipe.model.start or ""), weights(train(recipe)[0].folder)
        for name in before:
            moved = float((before[name] - after[name]).abs().max())
            assert (moved > 1e-4) == (("language_model" in name and "bias" not in name) or "lm_head" in name), name


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, tuple[StageResult, ...]]:
    rows = [row(number, turns=1 + number % 2) for number in range(10)] + [row(10, image=None), row(11, image=None)]
    rows[0]["image"] = "images/nowhere.png"
    recipe = tiny_recipe(
        tmp_path_factory.mktemp("both"),
        rows,
        pretrain={**HIGH, "template": "v1", "max_bad_share": 0.1},
        finetune={**HIGH, "max_bad_share": 0.1, "held_out_share": 0.2},
    )
    return recipe, train(recipe)


class TestBothStages:
    def test_the_loss_falls(self, trained: tuple[Recipe, tuple[StageResult, ...]]) -> None:
        _, (pretrain, finetune) = trained
        assert pretrain.last_loss < pretrain.first_loss
        assert finetune.last_loss < finetune.first_loss / 2
        assert finetune.held_out_before is not None
        assert finetune.held_out_after is not None
        assert finetune.held_out_after < finetune.held_out_before

    def test_rows_are_accounted_for(self, trained: tuple[Recipe, tuple[StageResult, ...]]) -> None:
        recipe, (pretrain, finetune) = trained
        assert finetune.n_rows + finetune.n_held_out + finetune.counts.n_left_out == 12
        assert pretrain.counts.left_out == {"missing_image": 1}
        report = (Path(recipe.out) / "report.md").read_text()
        assert "1 of 12 rows were left out: missing_image 1." in report

    def test_metrics_plot_and_tensorboard(self, trained: tuple[Recipe, tuple[StageResult, ...]]) -> None:
        recipe, (_, finetune) = trained
        lines = metrics(recipe, "finetune")
        assert [line["step"] for line in lines] == list(range(1, finetune.n_steps + 1))
        assert set(lines[0]) == {"step", "epoch", "loss", "learning_rate", "gradient_norm", "seconds"}
        assert max(line["learning_rate"] for line in lines) == pytest.approx(1e-2, rel=0.05)
        work = Path(recipe.out) / "training/finetune"
        with PIL.Image.open(work / "loss.png") as plot:
            assert plot.size[0] > 500
        assert [path for path in (work / "tensorboard").iterdir() if path.stat().st_size > 1000]

    def test_the_result_is_a_plain_folder_that_answers(self, trained: tuple[Recipe, tuple[StageResult, ...]]) -> None:
        folder = trained[1][-1].folder
        assert {"config.json", "model.safetensors", "processor_config.json", "tokenizer.json"} <= {
            path.name for path in folder.iterdir()
        }
        answer = Checkpoint(str(folder), "cpu").answer([("Hi", PIL.Image.new("RGB", (9, 30), "red"))], 5)
        assert len(answer) == 1

    def test_again_skips_what_is_done(self, trained: tuple[Recipe, tuple[StageResult, ...]]) -> None:
        recipe, results = trained
        before = results[-1].folder.stat().st_mtime_ns
        assert train(recipe) == results
        assert results[-1].folder.stat().st_mtime_ns == before

    def test_other_settings_need_overwrite(self, trained: tuple[Recipe, tuple[StageResult, ...]]) -> None:
        recipe, _ = trained
        assert recipe.finetune is not None
        other = recipe.model_copy(update={"finetune": recipe.finetune.model_copy(update={"epochs": 1.0})})
        with pytest.raises(TrainingError, match=r"other settings \(epochs: found 8.0, now 1.0\)"):
            train(other)


def test_a_projector_learns_nothing_from_text(tmp_path: Path) -> None:
    rows = [row(number, image=None) for number in range(4)]
    recipe = tiny_recipe(tmp_path, rows, pretrain={"template": "v1", "warmup_share": 0})
    (result,) = train(recipe)
    assert changed_parts(weights(recipe.model.start or ""), weights(result.folder)) == set()
    assert result.counts.n_text_only == 4


class _StopAfter(Silent):
    """Presses Ctrl-C in a step."""

    def __init__(self, step: int) -> None:
        self._step = step

    def stepped(self, n_done: int, loss: float, learning_rate: float) -> None:
        if n_done == self._step:
            os.kill(os.getpid(), signal.SIGINT)


class TestStops:
    @pytest.mark.parametrize("lora", [None, {"rank": 4, "alpha": 8, "dropout": 0.1}], ids=["whole", "adapters"])
    def test_what_was_stopped_goes_on_as_if_it_had_not_been(self, lora: dict[str, Any] | None, tmp_path: Path) -> None:
        settings: dict[str, Any] = {"epochs": 3, "learning_rate": 1e-2, "lora": lora}
        whole = tiny_recipe(tmp_path / "whole", finetune=settings)
        (undisturbed,) = train(whole)
        stopped = tiny_recipe(tmp_path / "stopped", finetune=settings)
        with pytest.raises(RunInterrupted, match="after step 6 of 9"):
            train(stopped, _StopAfter(5))  # its log comes after the step
        (resumed,) = train(stopped)
        losses = [[line["loss"] for line in metrics(recipe, "finetune")] for recipe in (whole, stopped)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
        assert resumed.last_loss == pytest.approx(undisturbed.last_loss, rel=1e-5)
        assert resumed.first_loss == pytest.approx(undisturbed.first_loss, rel=1e-5)

    def test_ctrl_c_in_the_last_step_stops_too(self, tmp_path: Path) -> None:
        recipe = tiny_recipe(tmp_path, finetune={"epochs": 1, "learning_rate": 1e-2, "warmup_share": 0})
        (undisturbed,) = train(recipe.model_copy(update={"out": str(tmp_path / "undisturbed")}))
        with pytest.raises(RunInterrupted, match="after step 3 of 3 of finetune"):
            train(recipe, _StopAfter(3))
        assert not (tmp_path / "out/finetune").exists()
        (resumed,) = train(recipe)
        assert resumed.last_loss == pytest.approx(undisturbed.last_loss, rel=1e-5)
        assert len(metrics(recipe, "finetune")) == 3

    def test_a_checkpoint_that_was_cut_off_is_not_used(self, tmp_path: Path) -> None:
        recipe = tiny_recipe(tmp_path, finetune={"epochs": 3, "learning_rate": 1e-3})
        with pytest.raises(RunInterrupted):
            train(recipe, _StopAfter(4))
        broken = tmp_path / "out/training/finetune/checkpoints/checkpoint-7"
        broken.mkdir()
        (broken / "model.safetensors").write_bytes(b"half")
        (result,) = train(recipe)
        assert result.n_steps == 9

    def test_a_loss_that_is_no_number_names_the_rows(self, tmp_path: Path) -> None:
        recipe = tiny_recipe(
            tmp_path, finetune={"learning_rate": 1e30, "epochs": 5, "max_gradient_norm": 0, "warmup_share": 0}
        )
        with pytest.raises(TrainingError, match=r"The loss is (nan|inf) in step \d+, in a batch of the rows 'row-\d+'"):
            train(recipe)

    def test_too_many_bad_rows_stop_it_before_it_begins(self, tmp_path: Path) -> None:
        rows = [row(number, image=f"images/no{number}.png" if number < 3 else "") for number in range(12)]
        recipe = tiny_recipe(tmp_path, rows, finetune={"max_bad_share": 0.2})
        with pytest.raises(TrainingError, match=r"(?s)Of 12 rows 3 cannot be trained on \(missing_image 3\).*row-0"):
            train(recipe)
        assert not (tmp_path / "out/finetune").exists()
