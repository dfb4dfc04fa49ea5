"""What the command line offers is what the writers can do; what it says of reviewers' decisions."""

from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner

from mminstruct.cli import cli
from mminstruct.cli.export import FORMAT_NAMES, IMAGE_MODES, export
from mminstruct.pipeline.deciding import DecisionDesk, Draft, Shown
from mminstruct.pipeline.decisions import FOLDER
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.tables import Folder
from mminstruct.writers.export import FORMATS
from mminstruct.writers.format import ImageMode
from support.finished_run import finished_run


def test_every_format_is_offered() -> None:
    assert list(FORMAT_NAMES) == list(FORMATS)


def test_every_image_mode_is_offered() -> None:
    assert get_args(ImageMode) == IMAGE_MODES
    assert {mode for form in FORMATS.values() for mode in form.image_modes} == set(IMAGE_MODES)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with one row dropped, one kept, one line torn."""
    with finished_run(tmp_path_factory.mktemp("reviewed")) as finished:
        samples = list(Tables(Folder(str(finished.folder))).samples.rows())
    desk = DecisionDesk(str(finished.folder))
    for sample, choice, reviewer in ((samples[0], "drop", "Ada"), (samples[1], "keep", "Bo")):
        desk.decide(Draft(sample.sample_id, choice, reviewer), Shown(sample.instruction, sample.answer))
    desk.close()
    (finished.folder / FOLDER / "killed.jsonl").write_bytes(b'{"decision_id": "')
    return finished.folder


class TestReviewed:
    def test_without_it_a_note_says_that_there_are_decisions(self, run: Path, tmp_path: Path) -> None:
        told = CliRunner().invoke(export, [str(run), "--out", str(tmp_path / "out")])
        assert "note: this run has decisions by 2 reviewers (" in told.output
        assert "--reviewed honours them" in told.output and "Wrote 31 rows" in told.output

    def test_it_is_told_what_was_honoured(self, run: Path, tmp_path: Path) -> None:
        told = CliRunner().invoke(export, [str(run), "--reviewed", "--out", str(tmp_path / "out")])
        assert "Wrote 30 rows" in told.output
        assert "Reviewed by 2: 1 kept, 0 edited, 1 dropped, 0 kept although" in told.output
        assert "29 undecided, taken as they are" in told.output
        assert "hold no decision, passed over: 1." in told.output

    def test_only_what_was_decided(self, run: Path, tmp_path: Path) -> None:
        told = CliRunner().invoke(export, [str(run), "--reviewed-only", "--out", str(tmp_path / "out")])
        assert "Wrote 1 row" in told.output and "29 undecided, left out" in told.output


@pytest.mark.parametrize("option", ["--mix-ratio=0.5", "--mix-seed=1", "--mix-image-root=images"])
def test_what_is_said_of_a_mix_needs_one(option: str) -> None:
    result = CliRunner().invoke(cli, ["export", "run", "--out", "out", option])
    assert result.exit_code == 2
    assert "are for the rows of --mix FILE" in result.output
