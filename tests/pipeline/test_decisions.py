"""What stands of the decisions on a row, whoever wrote them, in whatever order they are read, whatever is torn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mminstruct.pipeline.decisions import (
    FOLDER,
    Choice,
    Decision,
    DecisionBook,
    hash_of_answer,
    parse_line,
    read_decisions,
    to_line,
)
from mminstruct.pipeline.tables import Folder

_TEXT = st.text(st.characters(codec="utf-8"), max_size=40)


@st.composite
def decisions(draw: st.DrawFn) -> list[Decision]:
    """A history over three rows: decisions with times of their own, undos among them that name earlier ones."""
    history: list[Decision] = []
    for number in range(draw(st.integers(0, 12))):
        sample_id = draw(st.sampled_from(("a", "b", "c")))
        earlier = [one.decision_id for one in history if one.sample_id == sample_id and one.decision is not Choice.UNDO]
        choice = draw(st.sampled_from(list(Choice) if earlier else [Choice.KEEP, Choice.DROP, Choice.EDIT]))
        history.append(
            Decision(
                decision_id=f"d{number}",
                sample_id=sample_id,
                answer_hash=hash_of_answer(draw(_TEXT)),
                decision=choice,
                reviewer=draw(_TEXT) or "Ada",
                decided_at=f"2026-11-30T16:04:{number:02}.000000Z",
                answer=draw(_TEXT.filter(bool)) if choice is Choice.EDIT else None,
                note=draw(_TEXT),
                undoes=draw(st.sampled_from(earlier)) if choice is Choice.UNDO else "",
            )
        )
    return history


def write(run: Path, name: str, history: Sequence[Decision], tail: bytes = b"") -> Path:
    path = run / FOLDER / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(map(to_line, history)) + tail)
    return path


def expected(history: Sequence[Decision]) -> dict[str, Decision]:
    """Say by the book what stands: later lines win, those taken back do not count."""
    undone = {one.undoes for one in history}
    return {one.sample_id: one for one in history if one.decision is not Choice.UNDO and one.decision_id not in undone}


class TestLines:
    @given(decisions())
    def test_what_is_written_is_read(self, history: list[Decision]) -> None:
        for decision in history:
            line = to_line(decision)
            assert line.count(b"\n") == 1 and line.endswith(b"\n")
            assert parse_line(line) == decision

    @given(st.binary(max_size=60))
    def test_anything_else_is_no_decision(self, line: bytes) -> None:
        assert parse_line(line) is None

    @given(decisions().filter(bool), st.data())
    def test_a_line_cut_short_is_no_decision(self, history: list[Decision], data: st.DataObject) -> None:
        line = to_line(history[0])[:-1]
        assert parse_line(line[: data.draw(st.integers(0, len(line) - 1))]) is None

    @pytest.mark.parametrize(
        "change",
        [{"decision": "maybe"}, {"decision": None}, {"note": 1}, {"more": "x"}, {"answer": ["x"]}, {"sample_id": None}],
    )
    def test_a_line_of_another_form_is_no_decision(self, change: dict[str, object]) -> None:
        decision = Decision("d", "s", "h", Choice.KEEP, "Ada", "2026-11-30T16:04:05.000000Z")
        values = json.loads(to_line(decision)) | change
        assert parse_line(json.dumps(values).encode()) is None


class TestWhatStands:
    @settings(max_examples=50)
    @given(history=decisions(), data=st.data(), n_files=st.integers(1, 4))
    def test_it_does_not_depend_on_files_or_their_order(
        self, history: list[Decision], data: st.DataObject, n_files: int, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        run = tmp_path_factory.mktemp("run")
        shuffled = data.draw(st.permutations(history))
        for number in range(n_files):
            write(run, f"file{number}", shuffled[number::n_files])
        assert read_decisions(Folder(str(run))).standing == expected(history)

    @settings(max_examples=50)
    @given(history=decisions(), data=st.data())
    def test_reading_on_finds_what_reading_anew_finds(
        self, history: list[Decision], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        run = tmp_path_factory.mktemp("run")
        book = DecisionBook(Folder(str(run)))
        whole = b"".join(map(to_line, history))
        for end in sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5))):
            write(run, "file", [], whole[:end])  # a reader may see a line half written
            assert book.refresh().standing == expected(history[: whole[:end].count(b"\n")])
        write(run, "file", [], whole)
        assert book.refresh().standing == expected(history)
        assert book.n_passed_over == 0

    def test_a_torn_last_line_is_passed_over_and_counted(self, tmp_path: Path) -> None:
        kept = Decision("d1", "a", "h", Choice.KEEP, "Ada", "2026-11-30T16:04:05.000000Z")
        write(tmp_path, "killed", [kept], to_line(kept)[:50])
        later = Decision("d2", "b", "h", Choice.DROP, "Bo", "2026-11-30T16:04:06.000000Z")
        write(tmp_path, "next", [later])
        book = read_decisions(Folder(str(tmp_path)))
        assert book.standing == {"a": kept, "b": later}
        assert book.n_passed_over == 1

    def test_lines_that_were_spoilt_do_not_hide_the_others(self, tmp_path: Path) -> None:
        kept = Decision("d1", "a", "h", Choice.KEEP, "Ada", "2026-11-30T16:04:05.000000Z")
        write(tmp_path, "file", [], b"{}\n\xff\xfe\n" + to_line(kept) + b"[]\n")
        book = read_decisions(Folder(str(tmp_path)))
        assert book.standing == {"a": kept}
        assert book.n_passed_over == 3

    def test_a_file_taken_away_takes_its_decisions_along(self, tmp_path: Path) -> None:
        kept = Decision("d1", "a", "h", Choice.KEEP, "Ada", "2026-11-30T16:04:05.000000Z")
        other = Decision("d2", "b", "h", Choice.DROP, "Bo", "2026-11-30T16:04:06.000000Z")
        path = write(tmp_path, "one", [kept])
        write(tmp_path, "two", [other])
        book = read_decisions(Folder(str(tmp_path)))
        path.unlink()
        assert book.refresh().standing == {"b": other}

    def test_a_run_without_decisions(self, tmp_path: Path) -> None:
        book = read_decisions(Folder(str(tmp_path)))
        assert (book.standing, book.n_passed_over, book.counts(), book.of("a")) == ({}, 0, {}, [])

    def test_other_files_beside_are_not_read(self, tmp_path: Path) -> None:
        write(tmp_path, "one", []).with_name("notes.txt").write_text("not ours")
        assert read_decisions(Folder(str(tmp_path))).n_passed_over == 0
