"""The search: the index and the look into the texts find the same, whatever of both is there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.tables import Folder
from mminstruct.rows import Reason, Reject
from mminstruct.web.explore.library import RunExplorer
from mminstruct.web.explore.search import Search
from mminstruct.web.explore.search_words import read_terms
from support.explored_run import N_IMAGES, ROWS
from support.patience import wait_for

TYPED = [
    "zeppelin", "ZEPPELIN", "zep*", '"zeppelin hums"', '"hums zeppelin"', "boat quay", '"boat 7"', "boat*",
    "gulls nothere", "script", "alert xss", ROWS[9].row_id, ROWS[9].row_id[:6] + "*", "picture", "poem", "notes", "jpg",
]  # fmt: skip


@contextmanager
def explored(run: Path, indexed: bool = True) -> Iterator[RunExplorer]:
    with closing(RunExplorer(str(run))) as explorer:
        if indexed:
            wait_for_index(explorer)
        yield explorer


def wait_for_index(explorer: RunExplorer) -> None:
    wait_for(lambda: explorer.search.status()["ready"])


def found(explorer: RunExplorer, typed: str) -> set[int]:
    return set(explorer.search.find(typed).tolist())


def scanned(explorer: RunExplorer, typed: str) -> set[int]:
    return set(explorer.search._scan(read_terms(typed), set(explorer.units())).tolist())


class TestFind:
    def test_index_and_texts_agree_and_find_what_is_there(self, run: Path) -> None:
        with explored(run) as explorer:
            for typed in TYPED:
                assert found(explorer, typed) == scanned(explorer, typed), typed
            assert len(found(explorer, "zeppelin")) == len(found(explorer, ROWS[9].row_id)) == 1
            assert found(explorer, '"hums zeppelin"') == set() == found(explorer, "gulls nothere")
            assert len(found(explorer, "quay")) == 2 * N_IMAGES - 1  # in all answers but the hostile one
            assert len(found(explorer, "notes")) == 1  # an early reject's raw text

    def test_nothing_is_missing_before_the_index_is_there(self, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Search, "_build_until_closed", lambda self: None)
        with explored(run, indexed=False) as explorer:
            assert explorer.search.status() == {"ready": False, "progress": 0.0, "indexed": True}
            assert len(found(explorer, "zeppelin")) == 1 and len(found(explorer, "boat*")) == 2 * N_IMAGES - 1

    def test_accents_and_case_do_not_matter(self, run: Path) -> None:
        tables = Tables(Folder(str(run)))
        texts = ["Ein Café über dem Fluß", "cafe\u0301 decomposed"]
        rejects = [Reject(f"r{n}", "augment", Reason.NOT_AN_INSTRUCTION, "", text) for n, text in enumerate(texts)]
        tables.raw_instructions.write_part(0, list(tables.raw_instructions.rows()), rejects)
        with explored(run) as explorer:
            for typed, n in (("cafe", 2), ("CAFÉ", 2), ("uber", 1), ("über", 1), ("cafes", 0)):
                assert len(found(explorer, typed)) == n, typed
                assert found(explorer, typed) == scanned(explorer, typed), typed

    def test_what_has_no_word_finds_nothing(self, run: Path) -> None:
        with explored(run) as explorer:
            for typed in ('"', "!!!", "*", "🙂"):
                assert not found(explorer, typed)


class TestIndex:
    def test_it_is_kept_and_not_made_again(self, run: Path) -> None:
        with explored(run) as explorer:
            before = _n_places(explorer)
        with explored(run, indexed=False) as explorer:
            assert explorer.search.status()["ready"]
            wait_for_index(explorer)
            assert _n_places(explorer) == before

    def test_a_later_stage_changes_no_text_and_a_changed_part_is_indexed_anew(self, run: Path) -> None:
        tables = Tables(Folder(str(run)))
        with explored(run) as explorer:
            before = _n_places(explorer)
            tables.samples.write_part(0, list(tables.samples.rows()))  # the same rows, without rejects: another file
            explorer.refresh_now()
            assert explorer.search.status()["ready"] and _n_places(explorer) == before
            answers = list(tables.answers.rows())
            tables.answers.write_part(0, answers[:-1])
            explorer.refresh_now()
            assert not explorer.search.status()["ready"]
            assert len(found(explorer, "zeppelin")) == 1  # from the text itself
            wait_for_index(explorer)
            assert found(explorer, "boat*") == scanned(explorer, "boat*")

    def test_parts_that_go_are_forgotten(self, run: Path) -> None:
        with explored(run) as explorer:
            tables = Tables(Folder(str(run)))
            for table in (tables.captioned, tables.matches, tables.answers, tables.kept, tables.samples):
                table.clear()
            explorer.refresh_now()
            assert not found(explorer, "quay")

    @pytest.mark.parametrize("content", [b"", b"no database at all" * 300])
    def test_a_damaged_file_is_made_anew(self, run: Path, content: bytes) -> None:
        (run / "explore").mkdir()
        (run / "explore" / "search.sqlite").write_bytes(content)
        with explored(run) as explorer:
            assert len(found(explorer, "zeppelin")) == 1

    def test_two_explorers_of_one_run_share_it(self, run: Path) -> None:
        with explored(run, indexed=False) as one, explored(run, indexed=False) as other:
            wait_for_index(one)
            wait_for_index(other)
            assert found(one, "boat*") == found(other, "boat*") == scanned(one, "boat*")
            assert _n_places(one) == len(one.select("SELECT n FROM rows"))


def _n_places(explorer: RunExplorer) -> int:
    connection = sqlite3.connect(explorer.own.path / "search.sqlite")
    with closing(connection):
        n: int = connection.execute("SELECT count(*) FROM words_docsize").fetchone()[0]
    return n
