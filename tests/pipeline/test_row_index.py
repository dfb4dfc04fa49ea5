"""Where rows are: found by id, found by the first digits, and never where the parts no longer have them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mminstruct.errors import RunError
from mminstruct.pipeline import row_index
from mminstruct.pipeline.row_index import NAME, Place, to_places
from mminstruct.pipeline.tables import Folder, Table
from mminstruct.rows import Match, Reason, Reject

N_PARTS = 20
INDEX = Path("04_matches") / NAME


def match(row_id: str) -> Match:
    return Match(row_id, f"image of {row_id}", "n", 0.5, 0)


def reject(row_id: str) -> Reject:
    return Reject(row_id, "match", Reason.NO_MATCH, "none left", "raw")


def write(folder: Path, n_parts: int = N_PARTS) -> Table[Match]:
    """Write parts of three rows, whose ids stand in no order, and a reject."""
    table = Table(Folder(str(folder)), "04_matches", Match)
    for part in range(n_parts):
        rows = [match(f"{(7 * part + row) % n_parts:03d}-{row}") for row in range(3)]
        table.write_part(part, rows, [reject(f"bad-{part}")])
    return table


def test_every_row_and_reject_is_found_in_its_part(tmp_path: Path) -> None:
    table = write(tmp_path)
    for part in table.parts():
        for row in table.read_part(part):
            assert table.index().places(row.match_id) == [Place(row.match_id, part, False)]
            assert table.get(row.match_id) == row
        assert table.index().places(f"bad-{part}") == [Place(f"bad-{part}", part, True)]
        assert table.pick_rejects(part, f"bad-{part}") == [reject(f"bad-{part}")]
        assert table.get(f"bad-{part}") is None
    assert table.index().places("no such row") == []


def test_the_index_is_kept_and_read_instead_of_the_parts(tmp_path: Path) -> None:
    table = write(tmp_path)
    assert table.counts() == dict.fromkeys(range(N_PARTS), 3)
    part = tmp_path / "04_matches" / "part-00003.parquet"
    state = part.stat()
    part.write_bytes(b"x" * state.st_size)

    os.utime(part, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert table.count() == 3 * N_PARTS  # nobody looked into the part
    (tmp_path / INDEX).unlink()
    with pytest.raises(RunError, match=r"04_matches cannot be read .* run again"):
        table.count()


def test_few_parts_need_no_index(tmp_path: Path) -> None:
    table = write(tmp_path, 3)
    assert table.count() == 9
    assert not (tmp_path / INDEX).exists()


@pytest.mark.parametrize("change", ["a new part", "a part made anew", "a part gone", "new rejects", "all made anew"])
def test_what_has_changed_is_read_anew(tmp_path: Path, change: str) -> None:
    table = write(tmp_path)
    before = table.count()
    if change == "a new part":
        table.write_part(N_PARTS, [match("new")])
    elif change == "a part made anew":
        table.write_part(0, [match("new"), match("001-1"), match("002-2")], [reject("bad-0")])
    elif change == "a part gone":
        (tmp_path / "04_matches" / "part-00000.parquet").unlink()
    elif change == "new rejects":
        table.write_part(0, table.read_part(0), [reject("new")])
    else:
        table.clear()
        assert (table.count(), table.counts()) == (0, {})
        table = write(tmp_path)
        table.write_part(0, [match("new")])
    fresh = write_copy_without_index(tmp_path)
    assert table.counts() == fresh.counts()
    assert to_places(table.index().find("")) == to_places(fresh.index().find(""))
    assert (table.index().places("new") == []) is (change == "a part gone")
    assert before == 3 * N_PARTS


def write_copy_without_index(folder: Path) -> Table[Match]:
    copy = folder / "copy"
    shutil.copytree(folder / "04_matches", copy / "04_matches", ignore=shutil.ignore_patterns(NAME))
    return Table(Folder(str(copy)), "04_matches", Match)


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"damaged" * 100])
def test_a_damaged_index_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    table = write(tmp_path)
    table.count()
    (tmp_path / INDEX).write_bytes(damage)
    assert table.count() == 3 * N_PARTS
    assert table.index().places("bad-7") == [Place("bad-7", 7, True)]


def test_rejects_of_a_part_that_is_not_finished_do_not_count(tmp_path: Path) -> None:
    table = write(tmp_path)
    (tmp_path / "04_matches" / "part-00005.parquet").unlink()
    assert table.index().places("bad-5") == []


def test_who_may_only_read_does_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Folder, name: str, data: object) -> None:
        raise PermissionError(13, "not yours", name)

    table = write(tmp_path)
    monkeypatch.setattr(Folder, "write", refuse)
    assert table.count() == 3 * N_PARTS
    assert not (tmp_path / INDEX).exists()


@given(
    st.lists(st.text(st.sampled_from("ab0é\u65e5\U0001f600"), max_size=4), max_size=40),
    st.text(st.sampled_from("ab0é\u65e5\U0001f600"), max_size=3),
)
def test_prefixes_of_any_text(tmp_path_factory: pytest.TempPathFactory, ids: list[str], prefix: str) -> None:
    """Small row groups, so that bounds decide which are read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_index, "_GROUP_SIZE", 3)
        patch.setattr(row_index, "_KEPT_FROM", 0)
        table = Table(Folder(str(tmp_path_factory.mktemp("run"))), "04_matches", Match)
        table.write_part(0, [match(row_id) for row_id in ids])
        for _ in range(2):  # made, and read
            found = table.index().find(prefix).column("id").to_pylist()
            assert found == sorted(row_id for row_id in ids if row_id.startswith(prefix))
