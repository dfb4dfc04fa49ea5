"""A run's held-out questions become a benchmark; those that training data give away do not, and it says why."""

from __future__ import annotations

import asyncio
import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mminstruct.bench.folder import Benchmark
from mminstruct.bench.questions.build import BuildOptions, build_benchmark
from mminstruct.config.file import load_config
from mminstruct.errors import BenchmarkError, RunError, SourceError
from mminstruct.imaging import image_hash, read_image_bytes
from mminstruct.pipeline.progress import Silent
from mminstruct.pipeline.run import run_steps
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.steps import STEPS
from mminstruct.pipeline.tables import Folder
from mminstruct.rows import Question, Reason, Sample, content_id
from support.collection import make_collection, write_config
from support.llm_server import LlmServer
from support.pictures import save_picture

N_IMAGES = 16
N_TWINS = 4  # the last images show the pictures of the first ones again, smaller


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished run in `run`, with three held-out instructions of two images each."""
    folder = tmp_path_factory.mktemp("finished")
    make_collection(folder, N_IMAGES)
    for number in range(N_IMAGES):
        twin = number + N_TWINS >= N_IMAGES
        shown, size = (number + N_TWINS - N_IMAGES, (90, 70)) if twin else (number, (160, 120))
        save_picture(folder / "images" / f"{number}.jpg", shown, size)
    with tarfile.open(folder / "images.tar", "w") as tar:
        for number in range(N_IMAGES):
            tar.add(folder / "images" / f"{number}.jpg", f"{number}.jpg")
    with LlmServer() as server:
        write_config(folder, server.base_url, split="{n_instructions: 3, images_per_instruction: 2}")
        asyncio.run(run_steps(load_config(folder / "config.yaml"), STEPS, Silent()))
    return folder


@pytest.fixture
def run_copy(finished: Path, tmp_path: Path) -> Path:
    """Return a copy of the folder that a test may spoil; its run still reads the images of the original."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def held_out(folder: Path) -> list[Question]:
    return list(Tables(Folder(str(folder / "run"))).benchmark.rows())


def samples(folder: Path) -> list[Sample]:
    return list(Tables(Folder(str(folder / "run"))).samples.rows())


def picture_of(image: str) -> int:
    return int(Path(image).stem) % (N_IMAGES - N_TWINS)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def rewrite(folder: Path, questions: list[Question]) -> None:
    Tables(Folder(str(folder / "run"))).benchmark.write_part(0, questions)


class TestOwnTrainingData:
    def test_exactly_the_questions_whose_picture_is_trained_on_fall(self, finished: Path, tmp_path: Path) -> None:
        report = build_benchmark(str(finished / "run"), tmp_path / "b", BuildOptions())
        trained = {picture_of(sample.image) for sample in samples(finished)}
        clean = [question for question in held_out(finished) if picture_of(question.image) not in trained]
        assert 0 < len(clean) < len(held_out(finished)) == report.n_held_out == 6
        assert report.kept == clean
        dropped = lines(tmp_path / "b" / "dropped.jsonl")
        assert {row["question_id"] for row in dropped} == {q.question_id for q in held_out(finished) if q not in clean}
        for row in dropped:
            assert row["reason"] == Reason.NEAR_DUPLICATE_IMAGE and "sample " in row["detail"]

    def test_a_question_has_all_that_the_run_knows_and_its_image(self, finished: Path, tmp_path: Path) -> None:
        report = build_benchmark(str(finished / "run"), tmp_path / "b", BuildOptions())
        benchmark = Benchmark(tmp_path / "b")
        written = benchmark.questions()
        assert len(written) == len(report.kept)
        for question, row in zip(report.kept, written, strict=True):
            assert (row.question_id, row.instruction, row.caption) == (
                question.question_id, question.instruction, question.caption,
            )  # fmt: skip
            assert (row.category, row.source, row.reference_answer) == (
                question.category, "small", question.reference_answer,
            )  # fmt: skip
            assert content_id(image_hash(benchmark.image_path(row).read_bytes())) == question.image_id
        assert len(list(benchmark.images.iterdir())) == len({row.image for row in written})

    def test_what_was_compared_is_written_down(self, finished: Path, tmp_path: Path) -> None:
        report = build_benchmark(str(finished / "run"), tmp_path / "b", BuildOptions(similarity=0.95))
        facts = json.loads((tmp_path / "b" / "build.json").read_text())
        assert facts["limits"] == {"similarity": 0.95, "different_bits": 8}
        assert facts["n_kept"] + sum(facts["dropped"].values()) == facts["n_held_out"] == 6
        (compared,) = facts["compared"]
        assert compared["name"] == str(finished / "run") and compared["n_rows"] == len(samples(finished))
        assert compared["n_images"] == len({sample.image for sample in samples(finished)})
        assert compared["given_away"] == len(report.dropped)

    def test_the_runs_own_similarity_is_the_default(self, run_copy: Path, tmp_path: Path) -> None:
        config = run_copy / "run" / "config.yaml"
        config.write_text(
            config.read_text().replace("near_duplicate_similarity: 0.9\n", "near_duplicate_similarity: 0.97\n")
        )
        report = build_benchmark(str(run_copy / "run"), tmp_path / "b", BuildOptions())
        assert report.limits.similarity == 0.97

    def test_images_in_a_tar_are_copied_out(self, run_copy: Path, tmp_path: Path) -> None:
        tar = f"{run_copy}/images.tar"
        rewrite(run_copy, [replace(each, image=f"{tar}::{Path(each.image).name}") for each in held_out(run_copy)])
        report = build_benchmark(str(run_copy / "run"), tmp_path / "b", BuildOptions())
        benchmark = Benchmark(tmp_path / "b")
        for question, row in zip(report.kept, benchmark.questions(), strict=True):
            assert row.image.endswith(".jpg")
            assert benchmark.image_path(row).read_bytes() == read_image_bytes(question.image)


class TestOtherData:
    def test_other_data_give_away_what_they_hold(self, finished: Path, tmp_path: Path) -> None:
        clean = build_benchmark(str(finished / "run"), tmp_path / "clean", BuildOptions()).kept
        shutil.copy(clean[0].image, tmp_path / "copy.jpg")
        rows = [
            {"image": "copy.jpg", "instruction": "Count the sheep.", "answer": "Three."},
            {"image": "elsewhere.jpg", "instruction": "Name the colours.", "answer": "Red."},
        ]
        (tmp_path / "mix.json").write_text(json.dumps(rows))
        told: list[tuple[str, int]] = []
        options = BuildOptions(against=[str(tmp_path / "mix.json")])
        report = build_benchmark(str(finished / "run"), tmp_path / "b", options, lambda *row: told.append(row))
        left = [each for each in clean if picture_of(each.image) != picture_of(clean[0].image)]
        assert report.kept == left != []
        assert report.reasons[Reason.DUPLICATE_IMAGE] == sum(each.image_id == clean[0].image_id for each in clean)
        assert report.comparisons[1].n_images_missing == 1
        assert told[-1] == (str(tmp_path / "mix.json"), 2)

    def test_an_instruction_elsewhere_takes_all_its_questions_away(self, finished: Path, tmp_path: Path) -> None:
        clean = build_benchmark(str(finished / "run"), tmp_path / "clean", BuildOptions()).kept
        row = {"instruction": clean[0].instruction, "answer": "Three."}
        (tmp_path / "mix.jsonl").write_text(json.dumps(row))
        report = build_benchmark(
            str(finished / "run"), tmp_path / "b", BuildOptions(against=[str(tmp_path / "mix.jsonl")])
        )
        assert report.kept == [each for each in clean if each.instruction != clean[0].instruction] != []

    def test_another_run_is_data_too(self, finished: Path, run_copy: Path, tmp_path: Path) -> None:
        clean = build_benchmark(str(finished / "run"), tmp_path / "clean", BuildOptions()).kept
        sample = replace(samples(run_copy)[0], image=clean[0].image)
        Tables(Folder(str(run_copy / "run"))).samples.write_part(0, [sample])
        report = build_benchmark(str(finished / "run"), tmp_path / "b", BuildOptions(against=[str(run_copy / "run")]))
        left = [each for each in clean if picture_of(each.image) != picture_of(clean[0].image)]
        assert report.kept == left != []


class TestFaults:
    def test_an_image_that_is_gone_or_changed_costs_its_question(self, run_copy: Path, tmp_path: Path) -> None:
        questions = build_benchmark(str(run_copy / "run"), tmp_path / "clean", BuildOptions()).kept
        gone = replace(questions[0], image=str(tmp_path / "gone.jpg"))
        changed = replace(questions[1], image=str(save_picture(tmp_path / "other.jpg", 99)))
        rewrite(run_copy, [gone, changed, *questions[2:]])
        report = build_benchmark(str(run_copy / "run"), tmp_path / "b", BuildOptions())
        assert report.reasons == {Reason.MISSING_IMAGE: 1, Reason.CHANGED_IMAGE: 1}
        assert len(report.kept) == len(questions) - 2 and "other bytes" in report.dropped[1].detail

    def test_no_question_left_says_why_and_writes_nothing(self, finished: Path, tmp_path: Path) -> None:
        with pytest.raises(
            BenchmarkError, match=r"No question is left of the 6 .*near_duplicate_\w+ \d.* The first is"
        ):
            build_benchmark(str(finished / "run"), tmp_path / "b", BuildOptions(similarity=0.01))
        assert not (tmp_path / "b").exists()

    def test_every_image_gone_leaves_no_question(self, run_copy: Path, tmp_path: Path) -> None:
        rewrite(run_copy, [replace(question, image="/none.jpg") for question in held_out(run_copy)])
        with pytest.raises(BenchmarkError, match="missing_image 6"):
            build_benchmark(str(run_copy / "run"), tmp_path / "b", BuildOptions())

    def test_a_run_without_questions_says_what_to_set(self, run_copy: Path, tmp_path: Path) -> None:
        rewrite(run_copy, [])
        with pytest.raises(BenchmarkError, match=r"has held out no question. Set `split.n_instructions`"):
            build_benchmark(str(run_copy / "run"), tmp_path / "b", BuildOptions())

    def test_a_run_that_is_not_finished_is_refused(self, run_copy: Path, tmp_path: Path) -> None:
        manifest = run_copy / "run" / "manifest.json"
        content = json.loads(manifest.read_text())
        content["stages"]["split"]["status"] = "stale"
        manifest.write_text(json.dumps(content))
        with pytest.raises(RunError, match="not finished"):
            build_benchmark(str(run_copy / "run"), tmp_path / "b", BuildOptions())

    def test_data_that_cannot_be_read_stop_it_before_anything_is_written(self, finished: Path, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="no such file"):
            build_benchmark(str(finished / "run"), tmp_path / "b", BuildOptions(against=["/none.json"]))
        assert not (tmp_path / "b").exists()

    def test_a_benchmark_is_replaced_only_where_nothing_is_lost(self, finished: Path, tmp_path: Path) -> None:
        build_benchmark(str(finished / "run"), tmp_path / "b", BuildOptions())
        with pytest.raises(BenchmarkError, match="--overwrite"):
            build_benchmark(str(finished / "run"), tmp_path / "b", BuildOptions())
        build_benchmark(str(finished / "run"), tmp_path / "b", BuildOptions(overwrite=True))
        Benchmark(tmp_path / "b").write_answers("m", [{"question_id": "q", "answer": "a"}])
        with pytest.raises(BenchmarkError, match=r"answers/m\.jsonl"):
            build_benchmark(str(finished / "run"), tmp_path / "b", BuildOptions(overwrite=True))
