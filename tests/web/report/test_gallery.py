"""Which rows the gallery shows, and what becomes of pictures that cannot be shown."""

from __future__ import annotations

import io
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image as Pictures

from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.tables import Folder
from mminstruct.rows import Image, Reason, Reject
from mminstruct.web.report.contents import RejectLine, RunReport
from mminstruct.web.report.gallery import N_SAMPLES, Gallery
from mminstruct.web.report.pictures import make_picture
from support.written_run import INSTRUCTIONS


def gallery_of(run: Path) -> Gallery:
    tables = Tables(Folder(str(run)))
    return Gallery(tables, {each.instruction_id: each.text for each in tables.instructions.rows()}, 10**6)


def test_samples_are_those_with_the_smallest_ids_in_turn_over_instructions(written_run: Path) -> None:
    exhibits = gallery_of(written_run).samples()
    assert len(exhibits) == 5
    assert {exhibit.instruction for exhibit in exhibits[:2]} == set(INSTRUCTIONS[:2])
    first = exhibits[0]
    assert first.row_id == min(exhibit.row_id for exhibit in exhibits)
    assert first.picture is not None and first.picture.data is not None
    assert (first.picture.width, first.picture.height) == (40, 30)
    assert Pictures.open(io.BytesIO(first.picture.data)).format == "WEBP"
    assert first.description.startswith("A boat") and first.text.startswith("boat")


def test_many_samples_are_cut_and_stay_spread(written_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(written_run, run)
    tables = Tables(Folder(str(run)))
    one = next(tables.samples.rows())
    rows = [replace(one, sample_id=f"{n:016x}", instruction_id=f"i{min(n, 900) // 100}") for n in range(1000)]
    tables.samples.write_part(0, rows)
    chosen = gallery_of(run).samples()
    assert len(chosen) == N_SAMPLES
    ids = {exhibit.row_id for exhibit in chosen}
    by_instruction = Counter(row.instruction_id for row in rows if row.sample_id in ids)
    assert max(by_instruction.values()) - min(by_instruction.values()) <= 1


def test_rejects_of_every_reason_with_what_they_speak_of(run_report: RunReport) -> None:
    found = {exhibit.reason: exhibit for exhibit in run_report.rejected}
    assert list(found) == [line.reason for line in run_report.rejects]
    refusal = found["refusal"]
    assert refusal.instruction == INSTRUCTIONS[1]
    assert refusal.picture is not None and refusal.picture.data
    assert (refusal.detail, refusal.text) == ("it says no", "boat boat boat boat boat")
    assert found["no_match"].picture is not None and found["no_match"].instruction == ""
    assert found["near_copy"].picture is None
    assert found["held_out_image"].n_of_reason == 1


def test_two_of_a_reason_and_no_more(written_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(written_run, run)
    tables = Tables(Folder(str(run)))
    rejects = [Reject(f"r{n}", "filter", Reason.TOO_SHORT, "", "no") for n in range(9)]
    tables.kept.write_part(0, tables.kept.read_part(0), rejects)
    shown = gallery_of(run).rejects([RejectLine("filter", "too_short", 9, 9)])
    assert [exhibit.row_id for exhibit in shown] == ["r0", "r1"]
    assert all(exhibit.picture is None for exhibit in shown)  # of rows that no match speaks of


class TestPictures:
    @pytest.fixture
    def image(self, written_run: Path) -> Image:
        return next(Tables(Folder(str(written_run))).images.rows())

    def test_missing(self, image: Image) -> None:
        assert self.problem(image, "/nowhere/1.png") == "The file is gone."

    @pytest.mark.parametrize("path", ["/dev/zero", "/", "a\0b", "x" * 5000])
    def test_paths_of_a_run_that_came_by_mail(self, image: Image, path: str) -> None:
        assert self.problem(image, path)

    def test_changed(self, image: Image, tmp_path: Path) -> None:
        other = tmp_path / "other.png"
        Pictures.new("RGB", (4, 4)).save(other)
        assert "no longer" in self.problem(image, str(other))

    def test_too_large(self, image: Image) -> None:
        picture = make_picture(image, 10)
        assert picture.data is None and "more pixels" in picture.problem

    def problem(self, image: Image, path: str) -> str:
        picture = make_picture(replace(image, path=path), 10**6)
        assert picture.data is None
        return picture.problem


def test_no_exhibit_is_of_another_reason(run_report: RunReport) -> None:
    shown = {(exhibit.stage, exhibit.reason) for exhibit in run_report.rejected}
    assert shown == {(line.stage, line.reason) for line in run_report.rejects}
