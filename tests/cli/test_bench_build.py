"""`bench build` and `bench import` as a user runs them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mminstruct.bench.folder import Benchmark, load_benchmark
from mminstruct.config.file import load_config
from mminstruct.pipeline.progress import Silent
from mminstruct.pipeline.run import run_steps
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.steps import STEPS
from mminstruct.pipeline.tables import Folder
from support.collection import make_collection, write_config
from support.llm_server import LlmServer
from support.pictures import save_picture

RELEASED = Path(__file__).parents[2].parent / "shared" / "data" / "mm-instruct-eval"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished run in `run`, whose pictures all differ."""
    folder = tmp_path_factory.mktemp("finished")
    make_collection(folder)
    for path in (folder / "images").iterdir():
        save_picture(path, int(path.stem))
    with LlmServer() as server:
        write_config(folder, server.base_url)
        asyncio.run(run_steps(load_config(folder / "config.yaml"), STEPS, Silent()))
    return folder


def bench(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mminstruct", "bench", *arguments]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def cells(told: subprocess.CompletedProcess[str], first: str) -> list[str]:
    """Return the cells of the line of a table that begins with that."""
    return next(line for line in told.stdout.splitlines() if line.startswith(first)).split()


class TestBuild:
    def test_a_clean_run_keeps_all_its_questions(self, finished: Path, tmp_path: Path) -> None:
        told = bench("build", "run", "--out", str(tmp_path / "b"), cwd=finished)
        assert told.returncode == 0, told.stderr
        assert "2 questions held out: 2 kept, with 1 instruction, 0 dropped" in told.stdout
        n_samples = Tables(Folder(str(finished / "run"))).samples.count()
        assert cells(told, "run")[1] == str(n_samples) and cells(told, "run")[-1] == "0"
        assert "not found" not in told.stdout  # a column of zeros is left out
        assert len(Benchmark(tmp_path / "b").questions()) == 2

    def test_other_data_are_compared_and_what_they_lack_is_told(self, finished: Path, tmp_path: Path) -> None:
        question = next(Tables(Folder(str(finished / "run"))).benchmark.rows())
        rows = [
            {"image": Path(question.image).name, "instruction": "Count the sheep.", "answer": "Three."},
            {"image": "elsewhere.jpg", "instruction": "Count the sheep.", "answer": "Three."},
            {"caption": "A row of another kind."},
        ]
        (finished / "mix.json").write_text(json.dumps(rows))
        arguments = ("build", "run", "--out", str(tmp_path / "b"), "--against", "mix.json")
        blind = bench(*arguments, cwd=finished)
        assert blind.returncode == 0 and "None of the images of" in blind.stdout and "--image-root" in blind.stdout
        told = bench(*arguments, "--image-root", "images", "--overwrite", cwd=finished)
        assert told.returncode == 0, told.stderr
        assert cells(told, "mix.json")[1:] == ["3", "1", "1", "1", "1", "1"]
        assert (
            "1 kept" in told.stdout and "duplicate_image  1" in told.stdout and "dropped.jsonl says why" in told.stdout
        )
        (dropped,) = map(json.loads, (tmp_path / "b" / "dropped.jsonl").read_text().splitlines())
        assert (dropped["question_id"], dropped["reason"]) == (question.question_id, "duplicate_image")

    def test_mistakes_are_one_paragraph_and_status_2(self, finished: Path, tmp_path: Path) -> None:
        for arguments, message in (
            (("build", "images", "--out", str(tmp_path / "b")), "not a run folder"),
            (("build", "run", "--out", str(tmp_path / "b"), "--against", "none.json"), "no such file"),
            (("build", "run", "--out", str(tmp_path / "b"), "--similarity", "0.01"), "No question is left"),
            (("build", "run", "--out", "images"), "no benchmark"),
        ):
            wrong = bench(*arguments, cwd=finished)
            assert wrong.returncode == 2 and message in wrong.stderr and "Traceback" not in wrong.stderr
        assert not (tmp_path / "b").exists()


class TestImport:
    @pytest.mark.skipif(not RELEASED.is_dir(), reason="needs the released files of MM-Instruct")
    def test_the_released_files_are_imported_as_they_are(self, tmp_path: Path) -> None:
        files = [part for file in sorted((RELEASED / "answers").iterdir()) for part in ("--answers", str(file))]
        told = bench("import", "--out", "mm", "--questions", str(RELEASED / "questions.json"), *files, cwd=tmp_path)
        assert told.returncode == 0, told.stderr
        assert "99 questions, 33 instructions" in told.stdout
        assert "only judges that read captions can be used" in told.stdout
        assert cells(told, "gpt4v") == ["gpt4v", "99", "0", "0", "0", "0", "61.0"]
        assert len(load_benchmark(tmp_path / "mm").answers) == 4

    def test_questions_answers_and_images_may_come_one_by_one(self, tmp_path: Path) -> None:
        common = {"text": "Write.", "caption": "A dog.", "category": "k"}
        questions = [{"question_id": number, "image": f"{number}.png", **common} for number in range(2)]
        (tmp_path / "q.json").write_text(json.dumps(questions))
        answer = {"question_id": 1, "prompt": "Plan a trip.", "text": "Now then."}
        (tmp_path / "my[model].json").write_text(json.dumps(answer))
        save_picture(tmp_path / "images" / "0.png", 0)
        told = bench("import", "--out", "b", "--questions", "q.json", cwd=tmp_path)
        assert told.returncode == 0 and "2 questions, 1 instruction" in told.stdout
        told = bench("import", "--out", "b", "--answers", "my[model].json", cwd=tmp_path)
        assert told.returncode == 0 and cells(told, "my[model] ") == ["my[model]", "1", "1", "0", "0", "0", "2.0"]
        assert "my[model]: 1 answer with another prompt than the question's" in told.stdout
        told = bench("import", "--out", "b", "--images", "images", cwd=tmp_path)
        assert told.returncode == 0 and "1 image not found: 1.png" in told.stdout
        assert "1 of the questions have their image, the others only a caption" in told.stdout

    def test_nothing_to_import_says_what_to_give(self, tmp_path: Path) -> None:
        wrong = bench("import", "--out", "b", cwd=tmp_path)
        assert wrong.returncode == 2 and "give --questions" in wrong.stderr


@pytest.mark.parametrize("command", ["build", "import"])
def test_every_command_has_help_with_examples(command: str, tmp_path: Path) -> None:
    told = bench(command, "--help", cwd=tmp_path)
    assert told.returncode == 0 and f"mminstruct bench {command} " in told.stdout.partition("Examples:")[2]
