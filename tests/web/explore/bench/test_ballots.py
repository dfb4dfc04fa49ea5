"""Votes on disk: what the reader of `bench calibrate` makes of them, who may be called what, and what a kill leaves."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mminstruct.bench.judging.verdicts import Verdict
from mminstruct.bench.trust.votes import read_votes
from mminstruct.errors import BenchmarkError
from mminstruct.web.explore.bench.ballots import (
    CHOICES,
    HEADING,
    LONGEST_NAME,
    BallotBox,
    Choice,
    can_be_written,
    check_annotator,
    word_for,
)

VERDICTS = {"left": Verdict.WIN, "right": Verdict.LOSS, "tie": Verdict.TIE, "both_bad": Verdict.TIE}
NAMES = st.one_of(
    st.sampled_from(["a", "B", "left", "Right", "tie", "both_bad", "gpt4v", "m,1", 'say "hi"']), st.text()
)


@pytest.fixture
def box(tmp_path: Path) -> BallotBox:
    return BallotBox(tmp_path / "votes")


class TestAdd:
    def test_a_line_is_what_the_documentation_shows(self, box: BallotBox) -> None:
        ballot, is_new = box.add("17", "llava", "gpt4v", "right", "anna")
        assert is_new
        lines = (box.folder / "arena-anna.csv").read_text().splitlines()
        assert lines == [",".join(HEADING), f"17,llava,gpt4v,b,anna,{ballot.voted_at}"]
        assert ballot.comparison == ("17", "gpt4v", "llava")
        assert ballot.verdict is Verdict.WIN
        assert box.ballots("anna") == [ballot]

    @given(question_id=NAMES, left=NAMES, right=NAMES, choice=st.sampled_from(CHOICES), name=NAMES)
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    def test_what_can_be_written_is_read_as_it_was_meant(
        self, tmp_path: Path, question_id: str, left: str, right: str, choice: Choice, name: str
    ) -> None:
        if left == right or not can_be_written(question_id, left, right):
            return
        try:
            annotator = check_annotator(name)
        except BenchmarkError:
            annotator = "anna"
        box = BallotBox(tmp_path / "votes")
        ballot, _ = box.add(question_id, left, right, choice, annotator)
        file = box.file_of(annotator)
        votes = read_votes([file], {question_id}, {left, right})
        first = min(left, right)
        expected = VERDICTS[choice] if first == left else VERDICTS[choice].mirrored
        assert votes.said == {((question_id, *sorted((left, right))), annotator): expected}
        assert ballot.verdict is expected
        assert votes.n_both_bad == (choice == "both_bad")
        file.unlink()

    def test_one_vote_of_an_annotator_on_a_comparison(self, box: BallotBox) -> None:
        first, _ = box.add("1", "x", "y", "left", "anna")
        assert box.add("1", "x", "y", "left", "anna") == (first, False)
        assert box.add("1", "y", "x", "left", "anna") == (first, False)  # the contrary: the first stands
        assert box.add("1", "x", "y", "right", "ben")[1]
        assert len(box.ballots("anna")) == len(box.ballots("ben")) == 1

    def test_windows_that_vote_at_once(self, box: BallotBox) -> None:
        def vote(name: str) -> None:
            for number in range(10):
                box.add(str(number), "x", "y", CHOICES[number % 4], name)

        threads = [threading.Thread(target=vote, args=(name,)) for name in ("anna", "anna", "ben")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        files = sorted(box.folder.glob("*.csv"))
        assert len(files) == 2
        votes = read_votes(files, {str(number) for number in range(10)}, {"x", "y"})
        assert (votes.n, votes.n_repeated, votes.annotators) == (20, 0, {"anna", "ben"})

    def test_a_comparison_that_csv_cannot_tell_is_refused(self, box: BallotBox) -> None:
        with pytest.raises(BenchmarkError, match="cannot be told in CSV"):
            box.add("1", "tie", "y", "tie", "anna")
        assert not list(box.folder.glob("*.csv"))

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("question_id,model_a,model_b,vote,annotator\n1,x,y,a,anna\n", "line 1: found question_id, model_a"),
            (",".join(HEADING) + "\n1,x,y,perhaps,anna,now\n", "line 2: found 1, x, y, perhaps"),
            (",".join(HEADING) + "\n1,x\n", "line 2: found 1, x"),
            (",".join(HEADING) + '\n"1,x\n', "cannot be read as CSV"),
        ],
    )
    def test_a_file_that_was_spoiled_by_hand_stays_as_it_is(self, box: BallotBox, text: str, found: str) -> None:
        box.folder.mkdir()
        file = box.file_of("anna")
        file.write_text(text)
        with pytest.raises(BenchmarkError, match=found):
            box.add("2", "x", "y", "left", "anna")
        assert file.read_text() == text

    def test_a_file_that_a_spreadsheet_has_saved(self, box: BallotBox) -> None:
        box.add("1", "x", "y", "left", "anna")
        file = box.file_of("anna")
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
        box.add("2", "x", "y", "tie", "anna")
        assert [ballot.choice for ballot in box.ballots("anna")] == ["left", "tie"]


class TestUndo:
    def test_takes_that_vote_back_and_no_other(self, box: BallotBox) -> None:
        ballots = [box.add(str(number), "x", "y", "left", "anna")[0] for number in range(3)]
        assert box.undo(ballots[1].receipt, "anna") == ballots[1]
        assert box.ballots("anna") == [ballots[0], ballots[2]]
        assert box.undo(ballots[1].receipt, "anna") is None
        assert box.undo(ballots[0].receipt, "ben") is None

    def test_a_vote_that_was_cast_again_has_another_receipt(self, box: BallotBox) -> None:
        first, _ = box.add("1", "x", "y", "left", "anna")
        box.undo(first.receipt, "anna")
        again, is_new = box.add("1", "x", "y", "right", "anna")
        assert is_new
        assert again.receipt != first.receipt
        assert box.undo(first.receipt, "anna") is None

    def test_all_undone_leaves_a_file_that_can_be_read(self, box: BallotBox) -> None:
        ballot, _ = box.add("1", "x", "y", "left", "anna")
        box.undo(ballot.receipt, "anna")
        assert read_votes([box.file_of("anna")], {"1"}, {"x", "y"}).n == 0


class TestNames:
    @pytest.mark.parametrize(
        "name",
        ["../../etc/passwd", "/etc/passwd", "..", "a/b", "a\\b", "a\0b", "C:con", "Zoë", "李", "x" * 60, "a b", "a.b"],
    )
    def test_no_name_leads_out_of_the_folder(self, tmp_path: Path, name: str) -> None:
        file = BallotBox(tmp_path / "votes").file_of(name)
        assert file.parent == tmp_path / "votes"
        assert file.name.startswith("arena-")
        assert file.suffix == ".csv"
        assert len(file.name) < 80

    @given(st.text(), st.text())
    def test_names_that_differ_have_files_that_differ(self, name: str, other: str) -> None:
        box = BallotBox(Path("votes"))
        try:
            names = check_annotator(name), check_annotator(other)
        except BenchmarkError:
            return
        assert (box.file_of(names[0]) == box.file_of(names[1])) == (names[0] == names[1])
        assert all(box.file_of(each).parent == Path("votes") for each in names)

    @pytest.mark.parametrize(
        "name", ["", "  ", None, 7, ["anna"], "=1+1", "@x", "-x", "\u202eanna", "x" * (LONGEST_NAME + 1), "\ud800"]
    )
    def test_what_is_no_name(self, name: object) -> None:
        with pytest.raises(BenchmarkError, match="cannot stand for an annotator"):
            check_annotator(name)

    def test_spaces_and_composed_letters(self) -> None:
        assert check_annotator("  Zoe\u0308 \n van  Dijk ") == "Zoë van Dijk"

    def test_a_word_is_found_beside_odd_models(self) -> None:
        assert word_for("right", "A", "b") == "right"
        assert word_for("both_bad", "both_BAD", "x") is None


_VOTER = """
import sys
from pathlib import Path
from mminstruct.web.explore.bench.ballots import BallotBox
box = BallotBox(Path(sys.argv[1]))
for number in range(int(sys.argv[2]), 100_000):
    ballot, _ = box.add(str(number), "x", "y", "left", "anna")
    print("kept", number, flush=True)
    if number % 5 == 4:
        box.undo(ballot.receipt, "anna")
        print("undone", number, flush=True)
"""


def test_a_kill_in_the_middle_of_writing_loses_no_vote_that_was_confirmed(box: BallotBox) -> None:
    """Kill a voter again and again: what it had confirmed is there, and `bench calibrate` can read the file."""
    expected: set[str] = set()
    begin = 0
    for n_lines in (1, 4, 9, 30):
        voter = subprocess.Popen(
            [sys.executable, "-c", _VOTER, str(box.folder), str(begin)], stdout=subprocess.PIPE, text=True
        )
        assert voter.stdout is not None
        lines = [voter.stdout.readline() for _ in range(n_lines)]
        voter.kill()  # SIGKILL, while it is at the next vote or undo
        lines += voter.stdout.readlines()  # what it had confirmed by then
        voter.wait()
        voter.stdout.close()
        for line in lines:
            what, number = line.split()
            begin = int(number) + 1
            (expected.add if what == "kept" else expected.discard)(number)
        questions = {str(number) for number in range(begin + 1)}
        votes = read_votes(sorted(box.folder.glob("*.csv")), questions, {"x", "y"})
        found = {question_id for question_id, *_ in votes.by_comparison}
        # One vote or undo more than was confirmed may have come to the disk.
        assert expected <= found | {str(begin - 1)}
        assert found - expected <= {str(begin)}
        expected = found
        begin += 1
    assert begin > 30
