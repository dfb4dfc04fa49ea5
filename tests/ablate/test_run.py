"""A whole ablation with real parts: a run by a real endpoint, a tiny LLaVA trained on each variant, a judge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mminstruct.ablate.models import open_recipe
from mminstruct.ablate.run import ablate, prepare
from mminstruct.ablate.table import Ablation
from mminstruct.ablate.telling import Telling
from mminstruct.config.ablation import load_ablation
from mminstruct.config.recipe import load_recipe
from mminstruct.errors import ConfigError, RunError
from mminstruct.train.progress import Silent, StageResult, TrainProgress
from mminstruct.train.run import train
from support.finished_run import FinishedRun
from support.llm_server import Body, LlmServer
from support.tiny_llava import save_tiny_llava

RECIPE = """
out: ignored
model: {{start: {model}}}
finetune:
  data: [{{path: replaced.json}}]
  learning_rate: 1.0e-3
  batch_size: 4
  device_batch_size: 4
  warmup_share: 0
  workers: 0
  gradient_checkpointing: false
"""
PRETRAIN = """
pretrain: {{data: [{{path: {data}}}], batch_size: 8, device_batch_size: 8, workers: 0, gradient_checkpointing: false}}
"""
ABLATION = """
run: {run}
out: out
recipe: recipe.yaml
variants:
  - {{name: full}}
  - {{name: half, n_samples: 8}}
  - {{name: chance, kind: random_match}}
max_answer_tokens: 4
answer_batch_size: 2
"""


@dataclass
class Done:
    """An ablation that has been done once; each test may do it again."""

    folder: Path
    ablation: Ablation
    trained: list[str]
    server: LlmServer  # of the run
    run_config: Path


@pytest.fixture(scope="module")
def done(finished: FinishedRun, tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("ablation")
    model = save_tiny_llava(folder / "tiny")
    (folder / "recipe.yaml").write_text(RECIPE.format(model=model))
    (folder / "ablation.yaml").write_text(ABLATION.format(run=finished.folder))
    return Done(folder, *run(folder), finished.server, finished.config_file)


@dataclass
class Stages(Silent):
    """A TrainProgress that remembers which stages were trained."""

    trained: list[Path] = field(default_factory=list)

    def stage_ended(self, result: StageResult, skipped: bool) -> None:
        if not skipped:
            self.trained.append(result.folder)


def run(folder: Path, *overrides: str) -> tuple[Ablation, list[str]]:
    """Return the ablation, and what was trained for it, below its models' folder."""
    stages = Stages()

    @contextmanager
    def training() -> Iterator[TrainProgress]:
        yield stages

    config = load_ablation(folder / "ablation.yaml", overrides)
    found = ablate(config, Telling(training=training))
    return found, [str(path.relative_to(config.out)) for path in stages.trained]


def first_is_better(body: Body) -> str:
    """Judge for whatever stands first."""
    return json.dumps({"reason": "-", "verdict": "A"})


class TestWhole:
    def test_each_variant_is_trained_tested_and_told(self, done: Done) -> None:
        full, half, chance = done.ablation.rows
        assert done.trained == [f"models/{name}/seed-0/finetune" for name in ("full", "half", "chance")]
        assert (full.n_samples, half.n_samples) == (full.n_kept - full.n_left_out, 8)
        assert list(chance.changes) == ["match.sampling=random"]
        for row in done.ablation.rows:
            (after,) = row.held_out_losses
            assert row.held_out_before == full.held_out_before and after < (row.held_out_before or 0)
        assert len({row.held_out_losses[0] for row in done.ablation.rows}) == 3

    def test_its_files(self, done: Done) -> None:
        out = done.folder / "out"
        values = json.loads((out / "ablation.json").read_text())
        assert [row["variant"] for row in values["rows"]] == ["full", "half", "chance"]
        assert "| half | 8 |" in (out / "ablation.md").read_text()
        assert {path.stem for path in (out / "benchmark/answers").glob("*.jsonl")} == {"full", "half", "chance"}

    def test_a_stage_that_all_share_is_trained_once(self, done: Done) -> None:
        recipe = done.folder / "both.yaml"
        pretrain = PRETRAIN.format(data=done.folder / "out/data/half")
        recipe.write_text((done.folder / "recipe.yaml").read_text() + pretrain)
        few = "variants=[{name: a, n_samples: 4}, {name: b, n_samples: 5}]"
        _, trained = run(done.folder, f"recipe={recipe}", f"out={done.folder}/both", few)
        assert trained == ["pretrain/pretrain", "models/a/seed-0/finetune", "models/b/seed-0/finetune"]


class TestPrepare:
    def test_what_is_trained_elsewhere_by_the_recipes_is_not_trained_again(self, done: Done) -> None:
        recipe = done.folder / "shared.yaml"
        pretrain = PRETRAIN.format(data=done.folder / "out/data/half")
        recipe.write_text((done.folder / "recipe.yaml").read_text() + pretrain)
        few = "variants=[{name: a, n_samples: 4}, {name: b, n_samples: 5}]"
        overrides = (f"recipe={recipe}", f"out={done.folder}/elsewhere", few)
        files = prepare(load_ablation(done.folder / "ablation.yaml", overrides))
        folders = [file.parent.relative_to(done.folder / "elsewhere") for file in files]
        assert [str(folder) for folder in folders] == ["pretrain", "models/a/seed-0", "models/b/seed-0"]
        for file in files:
            train(load_recipe(file), overwrite=True)
        found, trained = run(done.folder, *overrides)
        assert trained == [] and [row.n_samples for row in found.rows] == [4, 5]


class TestAgain:
    def test_nothing_is_done_again(self, done: Done) -> None:
        n_requests = len(done.server.requests)
        again, trained = run(done.folder)
        assert again == done.ablation and trained == [] and len(done.server.requests) == n_requests

    def test_the_run_may_be_named_by_its_config(self, done: Done) -> None:
        again, trained = run(done.folder, f"run={done.run_config}")
        assert again == done.ablation and trained == []

    def test_another_size_trains_that_variant_alone(self, done: Done) -> None:
        found, trained = run(done.folder, "variants.1.n_samples=12")
        assert trained == ["models/half/seed-0/finetune"] and found.rows[1].n_samples == 12
        assert (found.rows[0], found.rows[2]) == (done.ablation.rows[0], done.ablation.rows[2])
        back, trained = run(done.folder)
        assert trained == ["models/half/seed-0/finetune"]
        assert back.rows[1].held_out_losses == done.ablation.rows[1].held_out_losses

    def test_more_seeds_give_the_losses_a_range(self, done: Done) -> None:
        found, trained = run(done.folder, "seeds=[0, 1]")
        assert trained == [f"models/{name}/seed-1/finetune" for name in ("full", "half", "chance")]
        for row, first in zip(found.rows, done.ablation.rows, strict=True):
            assert row.held_out_losses[0] == first.held_out_losses[0] != row.held_out_losses[1]

    def test_a_judge_is_asked_about_the_answers_that_stand(self, done: Done) -> None:
        with LlmServer(reply=first_is_better) as server:
            judge = f"judge={{base_url: '{server.base_url}', model: wise}}"
            found, trained = run(done.folder, judge, "n_traps=1")
        assert trained == [] and found.judge == "wise" and found.rows[0].win_rate is None
        rates = [row.win_rate for row in found.rows[1:]]
        assert all(rate is not None and rate.wins + rate.losses + rate.ties + rate.undecided == 2 for rate in rates)
        assert any("Do not trust the judge wise" in note for note in found.notes)


class TestMistakes:
    def test_a_folder_that_is_no_run_is_refused(self, done: Done, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="is not a run folder"):
            run(done.folder, f"run={tmp_path}", f"out={tmp_path}/out")

    def test_a_wrong_override_is_found_before_anything_is_done(self, done: Done, tmp_path: Path) -> None:
        wrong = "variants.2.overrides=['match.per_imag=1']"
        with pytest.raises(ConfigError, match="Variant chance has 1 fault"):
            run(done.folder, wrong, f"out={tmp_path}/out")
        assert not (tmp_path / "out/data").exists()

    def test_a_recipe_without_the_stage_is_refused(self, tmp_path: Path) -> None:
        recipe = tmp_path / "recipe.yaml"
        recipe.write_text(f"out: o\nmodel: {{start: m}}\n{PRETRAIN.format(data='d')}")
        with pytest.raises(ConfigError, match="has no stage `finetune`"):
            open_recipe(recipe)
