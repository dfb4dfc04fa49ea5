"""Exports that honour reviewers' decisions, in every format, with every kind of row that can be decided about."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mminstruct.errors import ExportError
from mminstruct.pipeline.deciding import DecisionDesk, Draft, Shown
from mminstruct.pipeline.decisions import (
    FOLDER,
    Choice,
    Decision,
    DecisionBook,
    hash_of_answer,
    read_decisions,
    to_line,
)
from mminstruct.pipeline.export import Reviewed, RunExport, export_run
from mminstruct.pipeline.reviewed import ReviewedSamples
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.tables import Folder
from mminstruct.rows import Reason, Sample
from mminstruct.writers.conversations import Conversation
from mminstruct.writers.export import FORMATS, ExportOptions
from support.refusing_run import REFUSAL, make_refusing_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_refusing_run(tmp_path_factory.mktemp("refusing"))


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A copy of the run, with nothing decided."""
    return Path(shutil.copytree(made, tmp_path / "run"))


def tables(run: Path) -> Tables:
    return Tables(Folder(str(run)))


def decide(run: Path, row_id: str, choice: str, reviewer: str = "Ada", **more: str) -> None:
    """Decide about any row that has an answer, as the page does."""
    answer = tables(run).answers.get(row_id)
    assert answer is not None
    instruction = tables(run).instructions.get(answer.instruction_id)
    assert instruction is not None
    desk = DecisionDesk(str(run))
    desk.decide(Draft(row_id, choice, reviewer, **more), Shown(instruction.text, answer.answer))
    desk.close()


def export(run: Path, name: str = "llava", reviewed: Reviewed = "yes", out: str = "out") -> RunExport:
    return export_run(str(run), run.parent / out, name, ExportOptions(), reviewed)


def read(run: Path, name: str = "llava", out: str = "out") -> dict[str, tuple[str, str]]:
    """Return what the format's own reader finds: instruction and answer by id; by number where rows have no id."""
    found = {}
    for number, row in enumerate(FORMATS[name].read_rows(run.parent / out)):
        assert isinstance(row, Conversation)
        question, answer = (turn.text.replace("<image>", "").strip() for turn in row.turns)
        found[row.id or str(number)] = (question, answer)
    return found


def rejected_by_filter(run: Path) -> list[str]:
    return [reject.row_id for reject in tables(run).kept.rejects()]


def can_be_rescued(run: Path) -> str:
    """Return a row that the filter rejected, beside which nothing is held out."""
    held_out = {question.image_id for question in tables(run).benchmark.rows()}
    trained = {sample.instruction_id for sample in tables(run).samples.rows()}
    answers = {answer.answer_id: answer for answer in tables(run).answers.rows()}
    return next(
        row_id
        for row_id in rejected_by_filter(run)
        if answers[row_id].image_id not in held_out and answers[row_id].instruction_id in trained
    )


class TestEveryFormat:
    @pytest.mark.parametrize("name", FORMATS)
    def test_dropped_rows_are_out_and_edited_texts_are_in(self, name: str, run: Path) -> None:
        samples = list(tables(run).samples.rows())
        dropped, edited, kept = samples[0], samples[1], samples[2]
        decide(run, dropped.sample_id, "drop")
        decide(run, edited.sample_id, "edit", "Bo", instruction="Say it anew.", answer="Anew it is said.")
        decide(run, kept.sample_id, "keep")
        rescued = can_be_rescued(run)
        decide(run, rescued, "edit", answer="What a person wrote instead.")
        written = export(run, name)
        found = list(read(run, name).values())
        assert written.report.n_samples == len(found) == len(samples)  # one less, one more
        assert ("Say it anew.", "Anew it is said.") in found
        assert found[-1][1] == "What a person wrote instead."
        assert (dropped.instruction, dropped.answer) not in found
        assert (kept.instruction, kept.answer) in found
        tally = written.review
        assert tally is not None
        assert (tally.n_kept, tally.n_edited, tally.n_dropped, tally.n_rescued) == (1, 1, 1, 1)
        assert tally.n_undecided == len(samples) - 3


class TestWhatCounts:
    def test_without_the_option_decisions_change_nothing(self, run: Path) -> None:
        before = export(run, reviewed="no")
        files = {path.name: path.read_bytes() for path in (run.parent / "out").iterdir() if path.is_file()}
        decide(run, next(tables(run).samples.rows()).sample_id, "drop")
        after = export(run, reviewed="no", out="again")
        assert after.review is None and before.report.n_samples == after.report.n_samples
        for name, content in files.items():
            assert (run.parent / "again" / name).read_bytes() == content

    def test_with_nothing_decided_it_is_the_whole_set(self, run: Path) -> None:
        written = export(run)
        assert written.review is not None
        assert written.report.n_samples == written.review.n_undecided == tables(run).samples.count()

    def test_only_what_was_decided(self, run: Path) -> None:
        samples = [sample.sample_id for sample in tables(run).samples.rows()]
        decide(run, samples[0], "keep")
        decide(run, samples[1], "drop")
        decide(run, samples[2], "edit", answer="Another.")
        rescued = can_be_rescued(run)
        decide(run, rescued, "keep")
        export(run, reviewed="only")
        assert list(read(run)) == [samples[0], samples[2], rescued]

    def test_only_with_nothing_decided_says_what_to_do(self, run: Path) -> None:
        with pytest.raises(ExportError, match=r"Nobody has decided.*mminstruct explore"):
            export(run, reviewed="only")

    def test_an_undone_decision_does_not_count(self, run: Path) -> None:
        first = next(tables(run).samples.rows()).sample_id
        decide(run, first, "drop")
        decide(run, first, "undo")
        export(run)
        assert first in read(run)

    def test_a_rescued_row_is_the_one_that_the_filter_saw(self, run: Path) -> None:
        rescued = can_be_rescued(run)
        decide(run, rescued, "keep")
        export(run, "hf")
        assert read(run, "hf")[rescued][1] == REFUSAL
        answer, match = tables(run).answers.get(rescued), tables(run).matches.get(rescued)
        assert answer is not None and match is not None
        (row,) = [one for one in reviewed_rows(run) if one.sample_id == rescued]
        image = tables(run).images.get(answer.image_id)
        assert image is not None
        assert (row.image, row.source, row.description) == (image.path, "small", image.description)
        assert (row.score, row.request_id, row.model) == (match.score, answer.request_id, "m")

    def test_a_rejected_row_that_is_dropped_too_stays_out(self, run: Path) -> None:
        decide(run, can_be_rescued(run), "drop")
        written = export(run)
        assert written.review is not None and written.review.n_dropped_twice == 1
        assert written.report.n_samples == tables(run).samples.count()

    def test_what_is_held_out_never_comes_back(self, run: Path) -> None:
        held_out = [question.question_id for question in tables(run).benchmark.rows()]
        held_out += [
            reject.row_id
            for reject in tables(run).samples.rejects()
            if reject.reason in (Reason.HELD_OUT_IMAGE, Reason.HELD_OUT_INSTRUCTION)
        ]
        images = {question.image_id for question in tables(run).benchmark.rows()}
        beside = [
            answer.answer_id
            for answer in tables(run).answers.rows()
            if answer.answer_id in rejected_by_filter(run) and answer.image_id in images
        ]
        assert held_out and beside
        for row_id in (*held_out, *beside):
            decide(run, row_id, "keep")
        written = export(run)
        assert written.review is not None and written.review.n_held_out == len(held_out) + len(beside)
        assert written.review.n_rescued == 0
        assert read(run).keys().isdisjoint((*held_out, *beside))


class TestARunMadeAnew:
    def test_a_decision_on_another_answer_is_told_and_not_applied(self, run: Path) -> None:
        first = next(tables(run).samples.rows())
        decide(run, first.sample_id, "drop")
        rows = list(tables(run).samples.read_part(0))
        changed = [replace(row, answer="Made anew.") if row.sample_id == first.sample_id else row for row in rows]
        tables(run).samples.write_part(0, changed)
        written = export(run)
        assert written.review is not None
        assert (written.review.n_changed, written.review.n_dropped) == (1, 0)
        assert read(run)[first.sample_id][1] == "Made anew."

    def test_a_decision_on_a_row_that_is_gone_is_told(self, run: Path) -> None:
        line = to_line(Decision("d", "0123456789abcdef", "h", Choice.KEEP, "Ada", "2026-11-30T16:04:05.000000Z"))
        (run / FOLDER).mkdir(parents=True)
        (run / FOLDER / "old.jsonl").write_bytes(line + line[:20])
        written = export(run)
        assert written.review is not None
        assert (written.review.n_gone, written.review.n_passed_over) == (1, 1)
        card = (run.parent / "out" / "README.md").read_text()
        assert "1 more decisions are on rows that are held out, were made anew or are gone" in card

    def test_a_lost_part_is_noticed_all_the_same(self, run: Path) -> None:
        (run / "07_samples" / "part-00000.parquet").unlink()
        decide(run, next(tables(run).samples.rows()).sample_id, "drop")
        with pytest.raises(Exception, match="a part of the table is lost"):
            export(run)


class TestTheCard:
    def test_it_says_who_decided_what(self, run: Path) -> None:
        samples = [sample.sample_id for sample in tables(run).samples.rows()]
        decide(run, samples[0], "drop", "Ada")
        decide(run, samples[1], "keep", "Bo")
        export(run)
        card = (run.parent / "out" / "README.md").read_text()
        assert "2 reviewers decided about single rows" in card
        assert "| kept as they are | 1 |" in card and "| dropped by a reviewer (not in this training set) | 1 |" in card
        assert f"| nobody decided about | {len(samples) - 2} |" in card
        assert "- No person has read every row." in card
        assert f"\n| samples | {len(samples) - 1} |" in card

    def test_of_an_export_without_decisions_it_says_nothing(self, run: Path) -> None:
        export(run, reviewed="no")
        assert "reviewer" not in (run.parent / "out" / "README.md").read_text()


def reviewed_rows(run: Path) -> list[Sample]:
    reviewing = ReviewedSamples(tables(run), read_decisions(Folder(str(run))))
    return list(reviewing.rows(tables(run).samples.rows()))


_CHOICES = st.sampled_from([Choice.KEEP, Choice.DROP, Choice.EDIT])


class TestTheTally:
    @settings(max_examples=25)
    @given(data=st.data())
    def test_every_decision_is_counted_once_and_every_row_adds_up(self, made: Path, data: st.DataObject) -> None:
        answers = {answer.answer_id: answer.answer for answer in tables(made).answers.rows()}
        chosen = data.draw(st.dictionaries(st.sampled_from([*sorted(answers), "gone"]), _CHOICES))
        stale = data.draw(st.sets(st.sampled_from(sorted(answers)), max_size=3))
        only = data.draw(st.booleans())
        book = DecisionBook(Folder(str(made)))
        for row_id, choice in chosen.items():
            text = "other" if row_id in stale else answers.get(row_id, "")
            book.standing[row_id] = Decision(
                row_id, row_id, hash_of_answer(text), choice, "Ada", "t", answer="E" if choice is Choice.EDIT else None
            )
        reviewing = ReviewedSamples(tables(made), book, only)
        rows = list(reviewing.rows(tables(made).samples.rows()))
        tally = reviewing.tally
        applied = tally.n_kept + tally.n_edited + tally.n_dropped + tally.n_rescued
        others = tally.n_dropped_twice + tally.n_held_out + tally.n_changed + tally.n_gone
        assert applied + others == len(chosen) == tally.n_decisions
        assert tally.n_table == tally.n_undecided + tally.n_kept + tally.n_edited + tally.n_dropped
        assert len(rows) == reviewing.n_expected
        assert len({row.sample_id for row in rows}) == len(rows)
