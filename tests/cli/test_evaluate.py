"""`evaluate` as a user runs it, with a package that ends as lmms-eval does."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.fake_lmms_eval import UNREACHABLE, fake_calls, save_model_files, write_fake_lmms_eval

PLANS: dict[str, dict[str, Any]] = {
    "gqa": {"says": UNREACHABLE},
    "pope": {"metrics": {"pope_f1_score": 0.8}},
    "mine": {"metrics": {"answers": 14, "words": 2.5}, "n_questions": 14},
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_fake_lmms_eval(tmp_path / "packages", PLANS)
    save_model_files(tmp_path / "model")
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "mine.yaml").write_text("task: mine\ndoc_to_text: !function task.text\n")
    return tmp_path


def evaluate(place: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("OPENAI_API_KEY", "API_TYPE")}
    command = [sys.executable, "-m", "mminstruct", "evaluate", "model", "--out", "out", "--device", "cpu", *options]
    environment = {**kept, "PYTHONPATH": str(place / "packages"), **variables}
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)


def test_scores_beside_the_published_and_what_is_missing_named(place: Path) -> None:
    done = evaluate(place, "--suite", "llava15", "--tasks", "gqa,pope", "--against", "13b")
    assert done.returncode == 0, done.stderr
    table = [line.split() for line in done.stdout.splitlines()]
    assert ["benchmark", "score", "LLaVA-1.5-13B", "difference", "note"] in table
    assert ["GQA", "–", "63.3", "–"] in table
    assert ["POPE", "80.0", "85.9", "-5.9", "1"] in table
    assert "no score: GQA (gqa): Its data set lmms-lab-encoder/GQA could not be loaded." in done.stdout
    assert "pope: done in" in done.stderr
    contents = json.loads((place / "out" / "results.json").read_text())
    assert (contents["lmms_eval"], contents["against"]) == ("0.7.3", "LLaVA-1.5-13B")


def test_a_later_call_shows_what_was_done_before(place: Path) -> None:
    evaluate(place, "--suite", "llava15", "--tasks", "pope")
    done = evaluate(place, "--suite", "llava15", "--task-folder", "tasks", "--tasks", "mine")
    assert done.returncode == 0, done.stderr
    assert "POPE" in done.stdout and "answers 14, words 2.5" in done.stdout
    assert [call["argv"][5] for call in fake_calls(place / "packages")] == ["pope", "mine"]
    assert "--include_path" in fake_calls(place / "packages")[1]["argv"]


def test_a_task_folder_alone_leaves_the_suite_out(place: Path) -> None:
    done = evaluate(place, "--task-folder", "tasks")
    assert done.returncode == 0, done.stderr
    assert [call["argv"][5] for call in fake_calls(place / "packages")] == ["mine"]


def test_nothing_measured_is_exit_status_1(place: Path) -> None:
    done = evaluate(place, "--suite", "llava15", "--tasks", "gqa,mmvet")
    assert done.returncode == 1
    assert "no score: MM-Vet (mmvet): Its answers are judged" in done.stdout


def test_a_dry_run_runs_nothing_and_says_what_is_missing(place: Path) -> None:
    done = evaluate(place, "--suite", "llava15", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "lmms-eval 0.7.3 of" in done.stdout
    assert "mmvet: data to be fetched from the hub" in done.stdout
    assert "cannot run: Its answers are judged by a model of a paid endpoint, and OPENAI_API_KEY" in done.stdout
    assert "paid judge" not in done.stdout
    assert fake_calls(place / "packages") == [] and not (place / "out").exists()


def test_a_judge_s_cost_is_named_before(place: Path) -> None:
    done = evaluate(place, "--suite", "llava15", "--dry-run", OPENAI_API_KEY="key", MODEL_VERSION="judge-2")
    assert "A paid judge, judge-2, is asked: mmbench up to 4,329 times" in done.stdout
    assert "llava-wild up to 60 times, mmvet up to 218 times" in done.stdout


def test_without_lmms_eval_the_command_to_install_it(place: Path) -> None:
    (place / "packages" / "lmms_eval" / "models" / "chat" / "llava_hf.py").unlink()
    done = evaluate(place, "--suite", "llava15")
    assert done.returncode == 2
    assert "pip install --no-deps lmms-eval==0.7.3" in done.stderr


def test_another_version_of_lmms_eval_is_warned_of(place: Path) -> None:
    write_fake_lmms_eval(place / "newer", PLANS, version="0.8.0")
    done = evaluate(place, "--suite", "llava15", "--dry-run", PYTHONPATH=str(place / "newer"))
    assert done.returncode == 0, done.stderr
    assert "lmms-eval is 0.8.0, and mminstruct knows the tasks and logs of 0.7.3" in done.stderr
