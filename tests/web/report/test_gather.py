"""What the report says of a run, beside figures counted by hand, and beside the manifest of a real one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mminstruct.errors import RunError
from mminstruct.pipeline.manifest import read_manifest
from mminstruct.pipeline.tables import Folder
from mminstruct.web.report.contents import RunReport
from mminstruct.web.report.gather import gather
from support.finished_run import finished_run
from support.written_run import INSTRUCTIONS, write_run


class TestByHand:
    def test_counts(self, run_report: RunReport) -> None:
        found = (run_report.n_images, run_report.n_instructions, run_report.n_samples, run_report.n_questions)
        assert found == (6, 3, 5, 1)
        assert [(source.name, source.format, source.n_images) for source in run_report.sources] == [
            ("small", "jsonl", 6)
        ]
        assert run_report.unfinished == []

    def test_stages(self, run_report: RunReport) -> None:
        assert [(line.stage, line.n_in, line.n_out, line.n_rejected) for line in run_report.stages] == [
            ("images", 7, 6, 1),
            ("augment", 6, 5, 1),
            ("summarize", 5, 3, 1),
            ("match", 6, 10, 1),
            ("exemplars", 1, 1, 0),
            ("answer", 10, 9, 1),
            ("filter", 9, 8, 1),
            ("split", 8, 6, 2),
        ]
        (spent,) = run_report.spent
        assert (spent.requests, spent.prompt_tokens, spent.completion_tokens, spent.cost) == (20, 2000, 200, 2.0)

    def test_flow_of_images(self, run_report: RunReport) -> None:
        steps = [(s.stage, s.unit, s.n_in, s.n_on, s.n_aside, s.rejects, s.n_waiting) for s in run_report.image_flow]
        assert steps == [
            ("images", "images", 7, 6, 0, {"not_an_image": 1}, 0),
            ("match", "images", 6, 5, 0, {"no_match": 1}, 0),
            ("answer", "pairs", 10, 9, 0, {"request_failed": 1}, 0),
            ("filter", "pairs", 9, 8, 0, {"refusal": 1}, 0),
            ("split", "pairs", 8, 5, 1, {"held_out_image": 1, "held_out_instruction": 1}, 0),
        ]

    def test_flow_of_instructions(self, run_report: RunReport) -> None:
        steps = [(s.stage, s.n_in, s.n_on, s.rejects) for s in run_report.instruction_flow]
        assert steps == [("augment", 6, 5, {"near_copy": 1}), ("summarize", 4, 3, {"merged": 1})]

    def test_rejects_stand_beside_what_came_in(self, run_report: RunReport) -> None:
        assert [(line.stage, line.reason, line.n, line.n_in) for line in run_report.rejects] == [
            ("images", "not_an_image", 1, 7),
            ("augment", "near_copy", 1, 6),
            ("summarize", "merged", 1, 4),
            ("match", "no_match", 1, 6),
            ("answer", "request_failed", 1, 10),
            ("filter", "refusal", 1, 9),
            ("split", "held_out_image", 1, 8),
            ("split", "held_out_instruction", 1, 8),
        ]

    def test_match(self, run_report: RunReport) -> None:
        match = run_report.match
        assert match is not None
        assert (match.n_images, match.n_without, match.per_image) == (6, 1, {0: 1, 2: 5})
        matches, samples = match.balances
        assert (matches.n, matches.fewest, matches.most, matches.median, matches.n_unused) == (10, 0, 5, 5.0, 1)
        assert (matches.n_top, matches.top_share) == (1, 0.5)
        assert matches.n_effective == pytest.approx(2.0)
        assert (samples.n, samples.most, samples.top_share) == (5, 3, 0.6)
        uses = {line.text: (line.n_raw, line.n_matches, line.n_kept, line.n_samples) for line in match.instructions}
        assert uses == {INSTRUCTIONS[0]: (2, 5, 4, 2), INSTRUCTIONS[1]: (2, 5, 4, 3), INSTRUCTIONS[2]: (1, 0, 0, 0)}
        assert match.instructions[0].text == INSTRUCTIONS[1]
        scores = {spread.name: (spread.n, spread.least, spread.most) for spread in match.scores}
        assert scores == {"matches": (10, 0.3, 0.4), "samples": (5, 0.3, 0.4)}

    def test_lengths(self, run_report: RunReport) -> None:
        spreads = {spread.name: spread for spread in run_report.lengths}
        assert (spreads["raw instructions"].n, spreads["general instructions"].n) == (5, 3)
        kept, rejected = spreads["answers kept"], spreads["answers rejected"]
        assert (kept.n, kept.least, kept.median, kept.mean, kept.most) == (8, 15, 25, 30.0, 45)
        assert (rejected.n, rejected.median) == (1, 5)
        assert kept.histogram is not None and sum(kept.histogram.counts) == 8

    def test_kinds(self, run_report: RunReport) -> None:
        kinds = [
            (line.category, line.n_instructions, line.n_samples, line.n_questions) for line in run_report.categories
        ]
        assert kinds == [("travel", 1, 3, 0), ("poetry", 1, 2, 1), ("how-to", 1, 0, 0)]
        verbs = [(line.verb, line.object, line.n_instructions, line.n_samples) for line in run_report.verbs]
        assert verbs == [("plan", "trip", 1, 3), ("write", "poem", 1, 2), ("explain", "", 1, 0)]


def test_flow_and_stages_are_those_of_a_real_runs_manifest(without_map: None, tmp_path: Path) -> None:
    with finished_run(tmp_path) as run:
        report = gather(str(run.folder))
        manifest = read_manifest(Folder(str(run.folder)))
    for line in report.stages:
        record = manifest.stages[line.stage]
        assert (line.n_in, line.n_out, line.n_rejected) == (record.n_in, record.n_out, record.n_rejected), line.stage
        assert (line.requests, line.prompt_tokens, line.seconds) == (
            record.requests,
            record.prompt_tokens,
            record.seconds,
        )
    for step in [*report.image_flow, *report.instruction_flow]:
        record = manifest.stages[step.stage]
        assert step.rejects == record.rejects
        assert step.n_in == step.n_on + step.n_aside + sum(step.rejects.values()) + step.n_waiting
        assert step.n_waiting == 0
        if step.stage not in ("match", "summarize"):  # which count another thing than comes in
            assert (step.n_in, step.n_on + step.n_aside) == (record.n_in, record.n_out)
    assert report.n_samples == manifest.stages["split"].tables["07_samples"]
    assert report.n_questions == manifest.stages["split"].tables["08_benchmark"]


@pytest.mark.parametrize("until", ["images", "augment", "summarize", "match", "answer", "filter"])
def test_a_run_that_is_not_finished_is_told_as_far_as_it_is(without_map: None, tmp_path: Path, until: str) -> None:
    report = gather(str(write_run(tmp_path, until=until)))
    assert report.n_samples == 0 and not report.samples
    assert report.n_images == 6
    waiting = [line.stage for line in report.unfinished]
    assert "split" in waiting and until not in waiting
    assert (report.match is not None) == (until in ("match", "answer", "filter"))
    assert all(step.n_in == step.n_on + sum(step.rejects.values()) + step.n_waiting for step in report.image_flow)


def test_a_stage_that_is_half_done_has_rows_that_wait(without_map: None, tmp_path: Path) -> None:
    run = write_run(tmp_path, until="answer")
    (run / "06_answers" / "part-00001.parquet").unlink()
    step = next(step for step in gather(str(run)).image_flow if step.stage == "answer")
    assert (step.n_in, step.n_on, step.n_waiting) == (10, 5, 4)


def test_rejects_alone(without_map: None, tmp_path: Path) -> None:
    run = write_run(tmp_path, until="images")
    for part in (run / "01_images").glob("*.parquet"):
        part.unlink()
    (run / "01_images" / "rejects").rename(run / "kept-aside")
    report = gather(str(run))
    assert (report.n_images, report.rejects, report.samples) == (0, [], [])


def test_a_folder_with_a_config_alone(without_map: None, tmp_path: Path) -> None:
    run = write_run(tmp_path, until="images")
    shutil.rmtree(run / "01_images")
    (run / "manifest.json").unlink()
    report = gather(str(run))
    assert {line.status for line in report.stages} == {"not begun"}
    assert (report.image_flow, report.instruction_flow, report.match, report.map) == ([], [], None, None)


def test_no_run_at_all(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run folder"):
        gather(str(tmp_path))


def test_a_part_that_cannot_be_read_is_named(without_map: None, written_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(written_run, run)
    (run / "07_samples" / "part-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(RunError, match="cannot be read as a part of table 07_samples"):
        gather(str(run))
