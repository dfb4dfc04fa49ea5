"""Tables in parts."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mminstruct.errors import RunError
from mminstruct.pipeline.tables import Folder, Table
from mminstruct.rows import Exemplar, Match, RawInstruction, Reason, Reject


def match(number: int) -> Match:
    return Match(f"m{number}", f"i{number}", "n", number / 7, number)


@pytest.fixture
def table(tmp_path: Path) -> Table[Match]:
    return Table(Folder(str(tmp_path)), "04_matches", Match)


def test_parts_read_back_in_order(table: Table[Match]) -> None:
    table.write_part(1, [match(3)])
    table.write_part(0, [match(1), match(2)], [Reject("x", "match", Reason.NO_MATCH, "none left", "raw", "r")])
    assert table.parts() == [0, 1]
    assert list(table.rows()) == [match(1), match(2), match(3)]
    assert table.counts() == {0: 2, 1: 1}
    assert table.count() == 3
    (reject,) = table.rejects()
    assert reject.reason is Reason.NO_MATCH and reject.request_id == "r"


def test_columns_come_part_by_part_and_without_the_others(table: Table[Match]) -> None:
    table.write_part(0, [match(1), match(2)], [Reject("x", "match", Reason.NO_MATCH, "none left", "raw", "r")])
    table.write_part(1, [match(3)])
    columns = [(index, part.to_pydict()) for index, part in table.columns(["match_id", "rank"])]
    assert columns == [(0, {"match_id": ["m1", "m2"], "rank": [1, 2]}), (1, {"match_id": ["m3"], "rank": [3]})]
    assert [(index, part.to_pydict()) for index, part in table.reject_columns(["reason"])] == [
        (0, {"reason": ["no_match"]})
    ]


def test_columns_of_a_broken_part_say_which(table: Table[Match], tmp_path: Path) -> None:
    table.write_part(0, [match(1)])
    (tmp_path / "04_matches" / "part-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(RunError, match=r"part-00000.parquet cannot be read as a part of table 04_matches"):
        list(table.columns(["rank"]))


def test_an_empty_part_is_a_finished_part(table: Table[Match]) -> None:
    table.write_part(0, [])
    assert (table.parts(), table.count(), list(table.rows())) == ([0], 0, [])


def test_a_part_half_written_does_not_count(table: Table[Match], tmp_path: Path) -> None:
    table.write_part(0, [match(1)])
    (tmp_path / "04_matches" / "part-00001.parquet.tmp").write_bytes(b"PAR1")
    assert table.parts() == [0]


def test_a_damaged_part_is_named(table: Table[Match], tmp_path: Path) -> None:
    table.write_part(0, [match(1)])
    (tmp_path / "04_matches" / "part-00000.parquet").write_bytes(b"damaged")
    with pytest.raises(RunError, match=r"part-00000\.parquet cannot be read .* run again"):
        list(table.rows())


def test_the_content_hash_depends_on_the_rows_alone(tmp_path: Path) -> None:
    hashes = []
    for name, rows in (("a", [match(1)]), ("b", [match(1)]), ("c", [match(2)])):
        table = Table(Folder(str(tmp_path / name)), "04_matches", Match)
        table.write_part(0, rows)
        hashes.append(table.content_hash())
    assert hashes[0] == hashes[1] != hashes[2]


def test_clearing_removes_rows_and_rejects(table: Table[Match]) -> None:
    table.write_part(0, [match(1)], [Reject("x", "match", Reason.NO_MATCH, "", "")])
    table.clear()
    assert (table.parts(), list(table.rejects())) == ([], [])


def test_a_table_is_plain_parquet_with_required_columns(table: Table[Match], tmp_path: Path) -> None:
    table.write_part(0, [match(1)])
    schema = pq.read_schema(tmp_path / "04_matches" / "part-00000.parquet")
    assert schema.names == ["match_id", "image_id", "instruction_id", "score", "rank"]
    assert not schema.field("score").nullable


@given(st.text(st.characters(exclude_categories=["Cs"])), st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, text: str, seeds: list[str]) -> None:
    folder = Folder(str(tmp_path_factory.mktemp("any")))
    raw = RawInstruction("a", text, "i", seeds, "m", "r")
    table = Table(folder, "02_raw_instructions", RawInstruction)
    table.write_part(0, [raw])
    assert list(table.rows()) == [raw]
    exemplar = Exemplar("e", "i", "n", text, text, text, "m", "r")
    other = Table(folder, "05_exemplars", Exemplar)
    other.write_part(0, [exemplar])
    assert list(other.rows()) == [exemplar]
