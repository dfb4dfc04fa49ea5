"""Whole runs against a real HTTP server: what is made, what is skipped, what is made anew."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from mminstruct import STAGES
from mminstruct.config.file import load_config
from mminstruct.errors import ConfigError, EndpointError, ModelError, RunError
from mminstruct.pipeline.lock import locked
from mminstruct.pipeline.manifest import Manifest, StageRecord
from mminstruct.pipeline.plan import make_plan
from mminstruct.pipeline.progress import Silent
from mminstruct.pipeline.run import run_steps
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.steps import STEPS
from mminstruct.pipeline.tables import Folder
from mminstruct.rows import Reason
from support.collection import make_collection, write_config
from support.llm_server import LlmServer, status
from support.tiny_clip import save_tiny_clip


@pytest.fixture
def server() -> Iterator[LlmServer]:
    with LlmServer() as server:
        yield server


@pytest.fixture
def config_file(tmp_path: Path, server: LlmServer) -> Path:
    make_collection(tmp_path)
    return write_config(tmp_path, server.base_url)


WITHOUT_DESCRIBE = tuple(stage for stage in STAGES if stage != "describe")


class Recorder(Silent):
    """A Progress that remembers which stages did something."""

    def __init__(self) -> None:
        self.worked: list[str] = []

    def stage_ended(self, stage: str, record: StageRecord, skipped: bool) -> None:
        if not skipped:
            self.worked.append(stage)


def run(
    config_file: Path, *overrides: str, first: str | None = None, last: str | None = None
) -> tuple[Manifest, list[str]]:
    recorder = Recorder()
    manifest = asyncio.run(run_steps(load_config(config_file, overrides), STEPS, recorder, first, last))
    return manifest, recorder.worked


def tables(config_file: Path) -> Tables:
    return Tables(Folder(str(config_file.parent / "run")))


def all_rows(config_file: Path) -> list[object]:
    return [row for table in tables(config_file).all() for row in (*table.rows(), *table.rejects())]


class TestWholeRun:
    def test_the_stages_are_those_of_the_package(self) -> None:
        assert tuple(step.stage for step in STEPS) == STAGES

    def test_every_row_in_is_accounted_for(self, config_file: Path) -> None:
        manifest, worked = run(config_file)
        assert tuple(worked) == tuple(manifest.stages) == WITHOUT_DESCRIBE
        for stage in ("images", "augment", "exemplars", "answer", "filter", "split"):
            record = manifest.stages[stage]
            assert record.n_in == record.n_out + record.n_rejected, stage
            assert record.n_rejected == sum(record.rejects.values()), stage
        assert manifest.stages["match"].tables["04_matches"] <= 3 * manifest.stages["match"].n_in
        split = manifest.stages["split"]
        assert split.tables["08_benchmark"] == 2 and split.tables["07_samples"] > 10

    def test_a_samples_row_holds_what_a_trainer_needs(self, config_file: Path) -> None:
        run(config_file)
        found = tables(config_file)
        images = {image.image_id: image for image in found.images.rows()}
        instructions = {row.instruction_id: row for row in found.instructions.rows()}
        for sample in found.samples.rows():
            assert Path(sample.image).is_file()
            assert sample.instruction == instructions[sample.instruction_id].text
            assert sample.description == images[sample.image_id].description
            assert (sample.source, sample.model) == ("small", "m")
            assert sample.answer and sample.category
        held = {question.image_id for question in found.benchmark.rows()}
        assert held.isdisjoint(sample.image_id for sample in found.samples.rows())

    def test_parts_speak_of_the_same_images_throughout(self, config_file: Path) -> None:
        run(config_file)
        found = tables(config_file)
        assert found.images.parts() == found.answers.parts() == found.kept.parts() == [0, 1, 2, 3]
        for index in found.images.parts():
            of_part = {image.image_id for image in found.images.read_part(index)}
            assert {answer.image_id for answer in found.answers.read_part(index)} <= of_part

    def test_the_resolved_config_runs_to_the_same_rows(self, config_file: Path, server: LlmServer) -> None:
        run(config_file)
        rows, n_requests = all_rows(config_file), len(server.requests)
        _, worked = run(config_file.parent / "run" / "config.yaml")
        assert worked == [] and all_rows(config_file) == rows and len(server.requests) == n_requests

    def test_raw_instructions_are_written_as_they_are_and_nobody_is_asked(
        self, config_file: Path, server: LlmServer
    ) -> None:
        config = load_config(config_file, ["summarize.method=raw"])
        (planned,) = (stage for stage in make_plan(config) if stage.stage == "summarize")
        assert planned.n_rows > 0 and planned.n_requests == 0
        manifest, _ = run(config_file, "summarize.method=raw", last="summarize")
        assert manifest.stages["summarize"].requests == 0
        assert len(server.requests) == manifest.stages["augment"].requests
        raws = {raw.raw_id: raw.text for raw in tables(config_file).raw_instructions.rows()}
        rows = list(tables(config_file).instructions.rows())
        assert rows and all(row.text == raws[row.shown[0]] for row in rows)
        assert sorted(member for row in rows for member in row.members) == sorted(raws)

    def test_a_clip_matches_with_the_images_themselves(self, config_file: Path) -> None:
        clip = save_tiny_clip(config_file.parent / "clip")
        manifest, _ = run(config_file, f"match.encoder={{kind: clip, model: {clip}}}", last="match")
        record = manifest.stages["match"]
        assert record.n_out > 16 and str(clip) in record.model
        assert not any("descriptions" in note for note in record.notes)


class TestAgain:
    def test_an_unchanged_run_does_nothing(self, config_file: Path, server: LlmServer) -> None:
        run(config_file)
        n_requests = len(server.requests)
        _, worked = run(config_file)
        assert worked == [] and len(server.requests) == n_requests

    @pytest.mark.parametrize(
        ("override", "redone"),
        [
            ("filter.min_words=20", ("filter", "split")),
            ("split.n_instructions=2", ("split",)),
            ("answer.max_tokens=77", ("answer", "filter", "split")),
            ("match.per_image=2", ("match", "exemplars", "answer", "filter", "split")),
            ("llm.concurrency=3", ()),
            ("llm.price={prompt_per_million: 1, completion_per_million: 2}", ()),
        ],
    )
    def test_a_change_redoes_its_stage_and_what_hangs_on_it(
        self, override: str, redone: tuple[str, ...], config_file: Path
    ) -> None:
        run(config_file)
        _, worked = run(config_file, override)
        # A stage whose new result equals the old one ends the chain early, so less may be redone, never more.
        assert set(worked) <= set(redone) and tuple(worked[:1]) == redone[:1]

    def test_a_new_filter_asks_nothing(self, config_file: Path, server: LlmServer) -> None:
        run(config_file)
        n_requests = len(server.requests)
        run(config_file, "filter.min_words=60")
        assert len(server.requests) == n_requests

    def test_a_prompt_of_ones_own_redoes_its_stage_alone_with_the_replies_before_it(
        self, config_file: Path, server: LlmServer
    ) -> None:
        manifest, _ = run(config_file)
        n_answers, n_requests = manifest.stages["answer"].n_in, len(server.requests)
        mine = config_file.parent / "mine.j2"
        mine.write_text("{{ user }}\n{{ description }}\n\n{{ instruction }} Be brief.\n")
        _, worked = run(config_file, f"answer.prompt={mine}")
        assert worked[0] == "answer" and len(server.requests) == n_requests + n_answers

    def test_from_redoes_without_asking_again(self, config_file: Path, server: LlmServer) -> None:
        run(config_file)
        rows, n_requests = all_rows(config_file), len(server.requests)
        _, worked = run(config_file, first="exemplars")
        assert worked == ["exemplars", "answer", "filter", "split"]
        assert all_rows(config_file) == rows and len(server.requests) == n_requests

    def test_until_stops_and_the_next_run_goes_on(self, config_file: Path) -> None:
        _, worked = run(config_file, last="match")
        assert worked == list(WITHOUT_DESCRIBE[:4])
        _, worked = run(config_file)
        assert worked == list(WITHOUT_DESCRIBE[4:])

    def test_what_rests_on_a_stage_made_anew_is_stale_until_its_turn(self, config_file: Path) -> None:
        run(config_file)
        manifest, _ = run(config_file, "answer.max_tokens=77", last="answer")
        assert [manifest.stages[stage].status for stage in ("answer", "filter", "split")] == ["done", "stale", "stale"]
        manifest, _ = run(config_file)  # back to the first config: the filter sees the same answers as before
        assert {record.status for record in manifest.stages.values()} == {"done"}

    def test_a_table_that_was_removed_is_made_again(self, config_file: Path, server: LlmServer) -> None:
        run(config_file)
        rows, n_requests = all_rows(config_file), len(server.requests)
        tables(config_file).answers.clear()
        _, worked = run(config_file)
        assert worked == ["answer"] and all_rows(config_file) == rows and len(server.requests) == n_requests

    def test_another_run_folder_over_the_same_replies_has_the_same_rows(
        self, config_file: Path, server: LlmServer
    ) -> None:
        run(config_file)
        rows, n_requests = all_rows(config_file), len(server.requests)
        other = config_file.parent / "other"
        run(config_file, f"run_dir={other}")
        again = [row for table in Tables(Folder(str(other))).all() for row in (*table.rows(), *table.rejects())]
        assert again == rows and len(server.requests) == n_requests

    @pytest.mark.parametrize(
        ("first", "last", "message"),
        [("answr", None, "--from answr: there is no such stage"), ("split", "match", "split comes after match")],
    )
    def test_stages_that_make_no_sense_are_refused(
        self, first: str | None, last: str | None, message: str, config_file: Path
    ) -> None:
        with pytest.raises(RunError, match=message):
            run(config_file, first=first, last=last)


class TestFaults:
    def test_a_refused_row_is_a_reject_and_the_run_goes_on(self, config_file: Path, server: LlmServer) -> None:
        server.always = lambda body: status(400, "too long") if "lighthouse" in str(body["messages"][-1]) else None
        manifest, _ = run(config_file)
        assert manifest.stages["augment"].rejects[Reason.REQUEST_REFUSED] >= 1
        assert manifest.stages["split"].status == "done"
        rejects = [reject for reject in tables(config_file).answers.rejects() if reject.stage == "answer"]
        assert rejects and all("HTTP 400: too long" in reject.detail for reject in rejects)

    def test_a_stage_that_rejects_every_row_stops_the_run_and_is_done_again(
        self, config_file: Path, server: LlmServer
    ) -> None:
        server.always = lambda body: status(400, "unknown field")
        with pytest.raises(RunError, match=r"Stage augment has rejected all of its 12 rows \(request_refused 12\)"):
            run(config_file, "augment.n_instructions=12")
        assert sum(1 for _ in tables(config_file).raw_instructions.rejects()) == 12
        server.always = lambda body: None
        manifest, _ = run(config_file, "augment.n_instructions=12")
        assert manifest.stages["split"].status == "done"

    def test_a_dead_endpoint_stops_the_run_and_the_next_one_goes_on(self, config_file: Path, server: LlmServer) -> None:
        whole = config_file.parent / "whole"
        run(config_file, f"run_dir={whole}", f"replies={whole}")
        expected = [row for table in Tables(Folder(str(whole))).all() for row in table.rows()]
        answered = 0

        def fail_later(body: object) -> object:
            nonlocal answered
            answered += 1
            return status(401, "key expired") if answered > 60 else None

        n_requests = len(server.requests)
        server.always = fail_later  # type: ignore[assignment]
        with pytest.raises(EndpointError, match="HTTP 401: key expired"):
            run(config_file)
        server.always = lambda body: None
        run(config_file)
        assert [row for table in tables(config_file).all() for row in table.rows()] == expected
        assert len(server.requests) == 2 * n_requests  # nothing was asked twice

    @pytest.mark.parametrize(
        ("override", "error"),
        [
            ("match.encoder={kind: clip, model: .}", ModelError),
            ("embedder={kind: transformers, model: .}", ModelError),
            ("answer.prompt=none.j2", ConfigError),
        ],
    )
    def test_what_is_missing_stops_the_run_before_it_asks_anything(
        self, override: str, error: type[Exception], config_file: Path, server: LlmServer
    ) -> None:
        with pytest.raises(error):
            run(config_file, override)
        assert server.n_received == 0

    def test_two_processes_on_one_run_are_refused(self, config_file: Path) -> None:
        with locked(str(config_file.parent / "run")), pytest.raises(RunError, match="in use by another"):
            run(config_file)
