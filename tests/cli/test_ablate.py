"""`mminstruct ablate` as a user runs it: the plan, the table, mistakes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.finished_run import FinishedRun, finished_run
from support.patience import PATIENCE_S
from support.tiny_llava import save_tiny_llava

RECIPE = """
out: ignored
model: {{start: {model}}}
finetune: {{data: [{{path: replaced.json}}], batch_size: 4, device_batch_size: 4, workers: 0}}
"""
ABLATION = """
run: run
out: out
recipe: recipe.yaml
variants:
  - {name: full}
  - {name: tenth, n_samples: 10}
  - {name: chance, kind: random_match}
max_answer_tokens: 4
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FinishedRun]:
    folder = tmp_path_factory.mktemp("finished")
    with finished_run(folder) as run:
        model = save_tiny_llava(folder / "tiny")
        (folder / "recipe.yaml").write_text(RECIPE.format(model=model))
        (folder / "ablation.yaml").write_text(ABLATION)
        yield run


def ablate(finished: FinishedRun, *options: str, code: int = 0) -> tuple[str, str]:
    command = [sys.executable, "-m", "mminstruct", "ablate", "ablation.yaml", *options]
    environment = {**os.environ, "COLUMNS": "200"}
    folder: Path = finished.folder.parent
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, env=environment, cwd=folder)
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


class TestDryRun:
    def test_says_what_each_variant_takes_and_does_nothing(self, finished: FinishedRun) -> None:
        n_requests = len(finished.server.requests)
        out, _ = ablate(finished, "--dry-run", "-o", "out=dry", "-o", "seeds=[0, 1]", "--json")
        full, tenth, chance = json.loads(out)
        assert (full["first_stage"], full["n_requests"], full["n_comparisons"]) == (None, 0, 0)
        assert full["n_samples"] > 30 and tenth["n_samples"] == 10
        assert chance["first_stage"] == "match" and chance["n_requests"] > 40
        assert (chance["n_trainings"], chance["n_answers"]) == (2, 2)
        assert len(finished.server.requests) == n_requests and not (finished.folder.parent / "dry").exists()

    def test_the_table_names_the_changes_and_that_costs_are_unknown(self, finished: FinishedRun) -> None:
        out, _ = ablate(finished, "--dry-run", "-o", "out=dry")
        row = next(line.split() for line in out.splitlines() if line.startswith("chance "))
        assert row[1] == "match" and "unknown" in row
        assert "chance: match.sampling=random" in out and "upper limits" in out

    def test_a_run_that_is_not_there_yet_is_planned_from_its_config(self, finished: FinishedRun) -> None:
        config = finished.config_file.with_name("other.yaml")
        config.write_text(finished.config_file.read_text().replace("run_dir: run", "run_dir: later"))
        out, _ = ablate(finished, "--dry-run", "-o", f"run={config}", "-o", "out=dry", "--json")
        full, _, chance = json.loads(out)
        assert full["first_stage"] == "images" and full["n_requests"] > chance["n_requests"] > 0

    def test_a_config_that_has_changed_since_is_planned_from_there(self, finished: FinishedRun) -> None:
        config = finished.config_file.with_name("changed.yaml")
        config.write_text(finished.config_file.read_text() + "answer: {max_tokens: 77}\n")
        out, _ = ablate(finished, "--dry-run", "-o", f"run={config}", "-o", "out=dry", "--json")
        assert [plan["first_stage"] for plan in json.loads(out)] == ["answer", None, "match"]


def test_prepare_says_how_to_train_what_it_wrote(finished: FinishedRun) -> None:
    out, _ = ablate(finished, "--prepare", "-o", "out=prepared", "-o", "variants.2.kind=all")
    folder = finished.folder.parent / "prepared"
    files = [folder / "models" / name / "seed-0" / "recipe.yaml" for name in ("full", "tenth", "chance")]
    assert out.splitlines() == [f"mminstruct train {file} --overwrite" for file in files]
    assert all(file.is_file() for file in files) and not (folder / "ablation.md").exists()


class TestMistakes:
    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ("variants.1.kind=al", "-o variants.1.kind=al: variants.1.kind: found 'al'"),
            ("run=nowhere", "nowhere is not a run folder"),
            ("variants.1.overrides=['match.per_imag=1']", "Variant tenth has 1 fault"),
        ],
    )
    def test_are_told_in_a_paragraph(self, override: str, message: str, finished: FinishedRun) -> None:
        for options in (("--dry-run",), ()):
            _, told = ablate(finished, "-o", override, "-o", "out=wrong", *options, code=2)
            assert message in told and "Traceback" not in told


def test_the_table_stands_at_the_end(finished: FinishedRun) -> None:
    out, told = ablate(finished)
    assert "tenth" in out and "held-out loss" in out and "Wrote out" not in told
    assert "chance: training with seed 0" in told
    folder = finished.folder.parent / "out"
    assert f"Wrote {folder / 'ablation.md'}" in out
    again, _ = ablate(finished, "--json")
    assert json.loads(again) == json.loads((folder / "ablation.json").read_text())
