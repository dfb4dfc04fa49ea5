"""A run's rows as they are on disk: while it goes on, where parts are broken, and where nothing may be written."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")

from mminstruct.errors import RunError
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.tables import Folder, Table
from mminstruct.rows import Reason, Reject
from mminstruct.web.explore.filters import read_filters
from mminstruct.web.explore.items import items_of
from mminstruct.web.explore.library import RunExplorer
from mminstruct.web.explore.replies import Refused
from mminstruct.web.own_folder import OwnFolder
from support.explored_run import N_IMAGES, ROWS


@pytest.fixture
def explorer(run: Path) -> Iterator[RunExplorer]:
    with closing(RunExplorer(str(run))) as opened:
        yield opened


def statuses(explorer: RunExplorer) -> dict[str, int]:
    explorer.refresh_now()
    return dict(explorer.select("SELECT status, count(*) FROM rows GROUP BY status"))


def tables_of(run: Path) -> Tables:
    return Tables(Folder(str(run)))


class TestRefresh:
    def test_rows_follow_the_stages_back_and_forth(self, run: Path, explorer: RunExplorer) -> None:
        tables, n_rows = tables_of(run), 2 * N_IMAGES
        n_filtered = sum(row.rank == 1 and row.number % 5 == 0 for row in ROWS)
        samples, kept = tables.samples.read_part(0), tables.kept.read_part(0)
        filtered, held_out = tables.kept.read_rejects(0), tables.samples.read_rejects(0)
        tables.samples.clear()
        assert statuses(explorer) == {"waiting": n_rows - n_filtered - 2, "rejected": n_filtered + 1, "benchmark": 2}
        tables.benchmark.clear()
        tables.kept.clear()
        assert statuses(explorer) == {"waiting": n_rows, "rejected": 1}
        tables.answers.clear()
        assert statuses(explorer) == {"rejected": 1}
        answers = tables_of(run).answers
        assert answers.parts() == []
        tables.kept.write_part(0, kept, filtered)
        assert statuses(explorer) == {"rejected": 1}  # what was never answered is no row
        tables.samples.write_part(0, samples, held_out)

    def test_only_what_changed_is_loaded(
        self, run: Path, explorer: RunExplorer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        loaded: list[int] = []
        change = RunExplorer._change

        def noted(self: RunExplorer, changed: set, gone: set, whole: bool) -> None:  # type: ignore[type-arg]
            loaded.append(len(changed))
            change(self, changed, gone, whole)

        monkeypatch.setattr(RunExplorer, "_change", noted)
        version = explorer.version
        explorer.refresh_now()
        assert loaded == [] and explorer.version == version
        tables_of(run).matches.write_part(1, [], [Reject("i", "match", Reason.NO_MATCH, "", "")])
        explorer.refresh_now()
        assert loaded == [2] and explorer.version == version + 1  # the part, and its rejects

    def test_the_numbers_of_rows_stay(self, run: Path, explorer: RunExplorer) -> None:
        before = dict(explorer.select("SELECT id, n FROM rows"))
        tables_of(run).samples.clear()
        explorer.refresh_now()
        assert dict(explorer.select("SELECT id, n FROM rows")) == before


class TestEarlyRejects:
    def test_each_early_stages_rejects_are_rows(self, run: Path, explorer: RunExplorer) -> None:
        tables = tables_of(run)
        image = next(iter(tables.images.rows()))
        given: dict[str, tuple[Table[Any], str]] = {
            "augment": (tables.raw_instructions, "raw-1"),
            "summarize": (tables.instructions, "draft-1"),
            "match": (tables.matches, image.image_id),
            "exemplars": (tables.exemplars, "exemplar-1"),
        }
        for stage, (table, row_id) in given.items():
            reject = Reject(row_id, stage, Reason.NEAR_COPY, f"of {stage}", f"text of {stage}")
            table.write_part(0, table.read_part(0), [*table.read_rejects(0), reject])
        explorer.refresh_now()
        found = explorer.query.page_of(read_filters([("reason", "near_copy")]), "order", 0, 50)[1]
        items = {item["stage"]: item for item in items_of(explorer, found)}
        assert {stage: (item["id"], item["detail"], item["answer"]) for stage, item in items.items()} == {
            stage: (row_id, f"of {stage}", f"text of {stage}") for stage, (_, row_id) in given.items()
        }
        assert items["match"]["image_id"] == image.image_id and items["match"]["width"] == image.width
        assert items["match"]["source"] == image.source and items["augment"]["image_id"] is None

    def test_a_failed_request_is_a_row_without_answer(self, run: Path, explorer: RunExplorer) -> None:
        tables = tables_of(run)
        failed = Reject(ROWS[5].row_id, "answer", Reason.REQUEST_FAILED, "no luck", "")
        answers = [answer for answer in tables.answers.rows() if answer.answer_id != ROWS[5].row_id]
        tables.answers.write_part(0, answers, [failed])
        for table in (tables.kept, tables.samples):
            table.clear()
        explorer.refresh_now()
        (number,) = explorer.query.page_of(read_filters([("stage", "answer")]), "order", 0, 9)[1]
        (item,) = items_of(explorer, [number])
        assert item["answer"] == "" and item["reason"] == "request_failed" and item["n_words"] is None
        assert item["instruction"] == ROWS[5].instruction and item["score"] == ROWS[5].score


class TestFaults:
    def test_no_run_is_said_so(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="is not a run folder"):
            RunExplorer(str(tmp_path))

    def test_a_broken_part_is_told_of_and_the_others_are_shown(self, run: Path) -> None:
        tables = tables_of(run)
        tables.matches.write_part(1, [])
        (run / "04_matches" / "part-00001.parquet").write_bytes(b"PAR1 and no more")
        (run / "06_answers" / "part-00001.parquet").write_bytes(b"PAR1 and no more")
        with closing(RunExplorer(str(run))) as explorer:
            assert explorer.about()["n_items"] == 2 * N_IMAGES + 1
            (problem,) = explorer.about()["problems"]
            assert "Part 1" in problem and "left out" in problem

    def test_a_part_that_goes_while_it_is_read_is_a_sentence(self, run: Path, explorer: RunExplorer) -> None:
        shutil.rmtree(run / "06_answers")
        numbers = explorer.query.page_of(read_filters([]), "order", 0, 9)[1]
        with pytest.raises(Refused, match="changed while"):
            items_of(explorer, numbers)

    def test_a_run_that_was_just_begun_is_empty(self, run: Path) -> None:
        for folder in run.glob("0*"):
            shutil.rmtree(folder)
        with closing(RunExplorer(str(run))) as explorer:
            assert explorer.about()["n_items"] == 0
            facets = explorer.query.facets_of(read_filters([("q", "boat"), ("score_min", "0")]))
            assert facets["status"] == [] and facets["score"]["min"] is None
            assert explorer.search.status()["ready"]

    def test_where_nothing_can_be_written_a_temporary_folder_is_used(self, tmp_path: Path) -> None:
        (tmp_path / "explore").write_text("a file in the way")
        own = OwnFolder(str(tmp_path))
        assert not own.is_kept and own.path.is_dir() and tmp_path not in own.path.parents
        own.write("a/b.txt", b"text")
        assert (own.path / "a" / "b.txt").read_bytes() == b"text"
        own.close()
        assert not own.path.exists()
        with closing(OwnFolder("s3://bucket/run")) as far:
            assert not far.is_kept

    def test_a_folder_may_be_called_anything(self, run: Path) -> None:
        odd = run.rename(run.parent / "run [1] it's *?")
        with closing(RunExplorer(str(odd))) as explorer:
            total, numbers = explorer.query.page_of(read_filters([("q", "zeppelin")]), "order", 0, 9)
            assert total == 1 and "zeppelin" in items_of(explorer, numbers)[0]["answer"]

    def test_two_rejects_of_one_id_are_two_rows(self, run: Path, explorer: RunExplorer) -> None:
        tables = tables_of(run)
        twice = [Reject("7", "images", Reason.DUPLICATE_ID, f"time {n}", "") for n in range(2)]
        tables.images.write_part(0, tables.images.read_part(0), twice)
        explorer.refresh_now()
        numbers = explorer.query.page_of(read_filters([("reason", "duplicate_id")]), "order", 0, 9)[1]
        assert Counter(item["detail"] for item in items_of(explorer, numbers)) == {"time 0": 1, "time 1": 1}
