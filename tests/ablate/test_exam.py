"""The benchmark that all variants share: from the run or from a folder, kept when made again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mminstruct.ablate.base import open_folder
from mminstruct.ablate.exam import prepare_exam
from mminstruct.bench.folder import Benchmark
from mminstruct.errors import BenchmarkError
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.tables import Folder
from support.finished_run import FinishedRun
from support.questions import make_questions


@pytest.fixture
def tables(finished: FinishedRun) -> Tables:
    return open_folder(str(finished.folder)).tables


class TestOfTheRun:
    def test_has_its_held_out_questions_with_their_images(self, tables: Tables, tmp_path: Path) -> None:
        exam = prepare_exam(tables, None, tmp_path)
        expected = {row.question_id: Path(row.image).read_bytes() for row in tables.benchmark.rows()}
        found = {row.question_id: exam.benchmark.image_path(row).read_bytes() for row in exam.benchmark.questions()}
        assert found == expected and exam.notes == []

    def test_reference_answers_are_rows_to_measure_on(self, tables: Tables, tmp_path: Path) -> None:
        exam = prepare_exam(tables, None, tmp_path)
        assert exam.held_out is not None and exam.n_held_out == 2
        rows = json.loads((exam.held_out / "train.json").read_text())
        answers = {row["id"]: row["conversations"][1]["value"] for row in rows}
        assert answers == {row.question_id: row.reference_answer for row in tables.benchmark.rows()}
        assert all(Path(row["image"]).is_file() for row in rows)

    def test_made_again_nothing_is_written_anew_and_answers_stay(self, tables: Tables, tmp_path: Path) -> None:
        exam = prepare_exam(tables, None, tmp_path)
        exam.benchmark.write_answers("m", [{"question_id": "q", "answer": "a"}])
        files = [tmp_path / "held_out" / "train.json", *exam.benchmark.images.iterdir()]
        times = [file.stat().st_mtime_ns for file in files]
        again = prepare_exam(tables, None, tmp_path)
        assert again.questions == exam.questions and again.benchmark.models() == ["m"]
        assert [file.stat().st_mtime_ns for file in files] == times

    def test_an_image_that_has_changed_costs_its_question(self, tables: Tables, tmp_path: Path) -> None:
        first, second = tables.benchmark.rows()
        other = tmp_path / "other.jpg"
        other.write_bytes(b"no longer that picture")
        changed = Tables(Folder(str(tmp_path / "run")))
        changed.benchmark.write_part(0, [replace(first, image=str(other)), second])
        exam = prepare_exam(changed, None, tmp_path)
        assert [question.question_id for question in exam.questions] == [second.question_id]
        assert exam.notes == [f"question {first.question_id} is left out: {other} has changed since the run"]

    def test_no_question_is_an_error_that_says_what_to_set(self, tmp_path: Path) -> None:
        with pytest.raises(BenchmarkError, match=r"no question to test.*split\.n_instructions"):
            prepare_exam(Tables(Folder(str(tmp_path / "run"))), None, tmp_path)


class TestOfAFolder:
    def test_is_copied_and_the_original_left_alone(self, tables: Tables, tmp_path: Path) -> None:
        bench = make_questions(tmp_path / "bench")
        exam = prepare_exam(tables, bench.path, tmp_path / "out")
        assert exam.benchmark.questions() == bench.questions() == exam.questions
        assert exam.benchmark.path == tmp_path / "out" / "benchmark"
        for question in exam.questions:
            assert exam.benchmark.image_path(question).read_bytes() == bench.image_path(question).read_bytes()

    def test_without_reference_answers_there_is_no_loss_and_a_note(self, tables: Tables, tmp_path: Path) -> None:
        exam = prepare_exam(tables, make_questions(tmp_path / "bench").path, tmp_path / "out")
        assert exam.held_out is None and exam.n_held_out == 0
        assert exam.notes == [
            "6 of 6 questions have no reference answer, or no image: the held-out loss is measured without them"
        ]

    def test_those_that_have_one_are_measured(self, tables: Tables, tmp_path: Path) -> None:
        bench = make_questions(tmp_path / "bench")
        first, *others = bench.questions()
        bench.write_questions([replace(first, reference_answer="Grey rain falls."), *others])
        exam = prepare_exam(tables, bench.path, tmp_path / "out")
        assert exam.n_held_out == 1 and "5 of 6 questions" in exam.notes[0]
        assert Benchmark(tmp_path / "bench").questions()[0].reference_answer == "Grey rain falls."
