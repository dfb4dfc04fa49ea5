"""A variant's training data from a real run: what is written, what is left out, what is not written again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mminstruct.ablate.base import open_folder, tables_of
from mminstruct.ablate.data import VariantData, write_data
from mminstruct.ablate.exam import prepare_exam
from mminstruct.ablate.held_out import Gate, open_gate
from mminstruct.ablate.telling import Telling
from mminstruct.bench.folder import Benchmark
from mminstruct.bench.rows import BenchmarkQuestion
from mminstruct.config.ablation import Variant
from mminstruct.encoders.text import load_text_encoder
from mminstruct.errors import RunError
from mminstruct.rows import Reason
from support.finished_run import FinishedRun


def make_gate(finished: FinishedRun, folder: Path) -> Gate:
    base = open_folder(str(finished.folder))
    exam = prepare_exam(base.tables, None, folder)
    encoder = load_text_encoder(base.config.embedder)
    instructions = list(base.tables.instructions.rows())
    held = base.tables.benchmark.rows()
    return open_gate(held, instructions, exam.benchmark, exam.questions, encoder, 0.9, 10**6)


@pytest.fixture
def gate(finished: FinishedRun, tmp_path: Path) -> Gate:
    return make_gate(finished, tmp_path / "exam")


def write(
    finished: FinishedRun, gate: Gate, out: Path, n_samples: int | None = None, seed: int = 0, **keys: Any
) -> VariantData:
    variant = Variant(name="v", **keys)
    tables = tables_of(variant, open_folder(str(finished.folder)), out, Telling())
    return write_data("v", tables, gate, out / "data", n_samples, seed)


def rows(data: VariantData) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((data.folder / "train.json").read_text())
    return found


def ids(data: VariantData) -> set[str]:
    return {row["id"] for row in rows(data)}


def test_the_runs_own_data_are_just_its_training_samples(finished: FinishedRun, gate: Gate, tmp_path: Path) -> None:
    data = write(finished, gate, tmp_path)
    tables = open_folder(str(finished.folder)).tables
    assert ids(data) == {sample.sample_id for sample in tables.samples.rows()}
    assert data.n_kept == tables.kept.count() == data.n_samples + data.n_left_out
    assert data.n_instructions == len({sample.instruction_id for sample in tables.samples.rows()})
    assert data.n_images == len({sample.image_id for sample in tables.samples.rows()})
    assert set(data.left_out) <= {Reason.HELD_OUT_IMAGE, Reason.HELD_OUT_INSTRUCTION} and data.n_left_out > 0


def test_images_stay_where_they_are(finished: FinishedRun, gate: Gate, tmp_path: Path) -> None:
    data = write(finished, gate, tmp_path)
    assert {path.name for path in data.folder.iterdir()} == {"train.json", "variant.json"}
    assert all(Path(row["image"]).is_absolute() and Path(row["image"]).is_file() for row in rows(data))


@pytest.mark.parametrize("kind", ["unfiltered", "random_match", "no_summary"])
def test_no_variant_has_what_is_tested(kind: str, finished: FinishedRun, gate: Gate, tmp_path: Path) -> None:
    data = write(finished, gate, tmp_path, kind=kind)
    questions = list(open_folder(str(finished.folder)).tables.benchmark.rows())
    shown = {row["image"] for row in rows(data)}
    asked = {row["conversations"][0]["value"].removeprefix("<image>\n") for row in rows(data)}
    assert shown and shown.isdisjoint(question.image for question in questions)
    assert asked.isdisjoint(question.instruction for question in questions)
    assert data.n_samples + data.n_left_out == data.n_kept


def test_raw_instructions_behind_those_that_are_tested_go_too(
    finished: FinishedRun, gate: Gate, tmp_path: Path
) -> None:
    base = open_folder(str(finished.folder))
    tested = {question.instruction_id for question in base.tables.benchmark.rows()}
    (held,) = (row for row in base.tables.instructions.rows() if row.instruction_id in tested)
    raws = {raw.raw_id: raw.text for raw in base.tables.raw_instructions.rows()}
    behind = {raws[raw_id] for raw_id in held.members}
    data = write(finished, gate, tmp_path, kind="no_summary")
    variant = tables_of(Variant(name="v", kind="no_summary"), base, tmp_path, Telling())
    assert behind & {row.text for row in variant.instructions.rows()}
    assert behind.isdisjoint(row["conversations"][0]["value"].removeprefix("<image>\n") for row in rows(data))


def test_only_what_a_variant_changes_is_asked_again(finished: FinishedRun, gate: Gate, tmp_path: Path) -> None:
    n_requests = len(finished.server.requests)
    write(finished, gate, tmp_path / "unfiltered", kind="unfiltered")
    assert len(finished.server.requests) == n_requests
    write(finished, gate, tmp_path / "shorter", overrides=("answer.max_tokens=99",))
    n_answers = open_folder(str(finished.folder)).tables.matches.count()
    assert len(finished.server.requests) == n_requests + n_answers


def test_without_the_reply_store_nothing_is_asked(finished: FinishedRun, gate: Gate, tmp_path: Path) -> None:
    base = open_folder(str(finished.folder))
    moved = replace(base, config=base.config.model_copy(update={"replies": str(tmp_path / "gone")}))
    n_requests = len(finished.server.requests)
    with pytest.raises(RunError, match=r"reply store .*gone of the run .* is not there"):
        tables_of(Variant(name="v", kind="random_match"), moved, tmp_path, Telling())
    assert len(finished.server.requests) == n_requests and not (tmp_path / "runs").exists()


class TestDraw:
    def test_a_larger_draw_holds_the_smaller(self, finished: FinishedRun, gate: Gate, tmp_path: Path) -> None:
        few, more = (write(finished, gate, tmp_path / str(n), n) for n in (5, 11))
        assert (few.n_samples, more.n_samples) == (5, 11) and ids(few) < ids(more)
        assert few.n_left_out == more.n_left_out and few.n_kept == more.n_kept

    def test_another_seed_draws_others(self, finished: FinishedRun, gate: Gate, tmp_path: Path) -> None:
        assert ids(write(finished, gate, tmp_path / "0", 5)) != ids(write(finished, gate, tmp_path / "1", 5, seed=1))

    def test_more_than_there_are_is_all(self, finished: FinishedRun, gate: Gate, tmp_path: Path) -> None:
        data = write(finished, gate, tmp_path, 10_000)
        assert data.n_samples == data.n_kept - data.n_left_out


class TestAgain:
    def test_the_same_is_not_written_again(self, finished: FinishedRun, gate: Gate, tmp_path: Path) -> None:
        first = write(finished, gate, tmp_path)
        before = (first.folder / "train.json").stat().st_mtime_ns
        assert write(finished, gate, tmp_path) == first
        assert (first.folder / "train.json").stat().st_mtime_ns == before

    def test_what_is_tested_besides_is_taken_out_again(self, finished: FinishedRun, gate: Gate, tmp_path: Path) -> None:
        row = rows(write(finished, gate, tmp_path))[0]
        text = row["conversations"][0]["value"].removeprefix("<image>\n")
        base = open_folder(str(finished.folder))
        asked = [BenchmarkQuestion("more", "", text, "", "")]
        held = base.tables.benchmark.rows()
        more = open_gate(held, [], Benchmark(tmp_path), asked, load_text_encoder(base.config.embedder), 0.9, 10**6)
        assert row["id"] not in ids(write(finished, more, tmp_path))

    def test_another_draw_is_written_in_its_place(self, finished: FinishedRun, gate: Gate, tmp_path: Path) -> None:
        assert write(finished, gate, tmp_path).n_samples > 5
        assert len(rows(write(finished, gate, tmp_path, 5))) == 5


def test_nothing_left_to_train_on_says_so(finished: FinishedRun, tmp_path: Path) -> None:
    base = open_folder(str(finished.folder))
    encoder = load_text_encoder(base.config.embedder)
    gate = open_gate(base.tables.benchmark.rows(), [], Benchmark(tmp_path), [], encoder, -1.0, 10**6)
    with pytest.raises(RunError, match=r"Variant v has nothing to train on: of its .* samples each has"):
        write(finished, gate, tmp_path)
