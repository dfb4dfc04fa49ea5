"""Taking decisions: what is refused and why, two desks at one run, a kill in the midst of writing, a full disk."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mminstruct.errors import DecisionError, RunError
from mminstruct.pipeline.deciding import DecisionDesk, Draft, Shown
from mminstruct.pipeline.decisions import FOLDER, Choice, Decision, hash_of_answer, read_decisions, to_line
from mminstruct.pipeline.tables import Folder

SHOWN = Shown("Write a slogan.", "Light in every home.")


def standing(run: Path) -> dict[str, Decision]:
    return read_decisions(Folder(str(run))).standing


class TestDeciding:
    def test_a_decision_is_a_line_with_who_and_when(self, tmp_path: Path) -> None:
        before = datetime.now(UTC)
        decision = DecisionDesk(str(tmp_path)).decide(Draft("s1", "keep", " Ada ", note="good"), SHOWN)
        (file,) = (tmp_path / FOLDER).iterdir()
        assert file.read_bytes() == to_line(decision)
        assert (decision.reviewer, decision.note, decision.decision) == ("Ada", "good", Choice.KEEP)
        assert decision.answer_hash == hash_of_answer(SHOWN.answer)
        assert before <= datetime.fromisoformat(decision.decided_at) <= datetime.now(UTC)

    def test_an_edit_keeps_what_it_changes_alone(self, tmp_path: Path) -> None:
        desk = DecisionDesk(str(tmp_path))
        decision = desk.decide(Draft("s1", "edit", "Ada", "Write a slogan. ", " Light for all.\n"), SHOWN)
        assert (decision.instruction, decision.answer) == (None, "Light for all.")

    def test_a_text_that_comes_with_a_keep_is_not_taken(self, tmp_path: Path) -> None:
        decision = DecisionDesk(str(tmp_path)).decide(Draft("s1", "keep", "Ada", answer="Other."), SHOWN)
        assert decision.answer is None

    def test_the_newest_counts_and_undo_brings_back_what_was_before(self, tmp_path: Path) -> None:
        desk = DecisionDesk(str(tmp_path))
        first = desk.decide(Draft("s1", "edit", "Ada", answer="Other."), SHOWN)
        desk.decide(Draft("s1", "drop", "Bo"), SHOWN)
        assert desk.book.standing["s1"].decision is Choice.DROP
        desk.decide(Draft("s1", "undo", "Bo"), SHOWN)
        assert desk.book.standing["s1"] == first == standing(tmp_path)["s1"]
        desk.decide(Draft("s1", "undo", "Bo"), SHOWN)
        assert standing(tmp_path) == {}
        with pytest.raises(DecisionError, match="no decision on s1 to undo"):
            desk.decide(Draft("s1", "undo", "Bo"), SHOWN)

    def test_what_is_sent_twice_counts_once(self, tmp_path: Path) -> None:
        desk = DecisionDesk(str(tmp_path))
        kept = desk.decide(Draft("s1", "keep", "Ada", decision_id="x1"), SHOWN)
        assert desk.decide(Draft("s1", "keep", "Ada", decision_id="x1"), SHOWN) == kept
        dropped = desk.decide(Draft("s1", "drop", "Ada", decision_id="x2"), SHOWN)
        for _ in range(2):  # the reply to the first was lost
            desk.decide(Draft("s1", "undo", "Ada", decision_id="x3", undoes=dropped.decision_id), SHOWN)
        assert standing(tmp_path) == {"s1": kept}
        assert len(desk.book.of("s1")) == 3

    def test_a_clock_that_was_set_back_does_not_bring_old_decisions_back(self, tmp_path: Path) -> None:
        ahead = datetime.now(UTC) + timedelta(hours=2)
        stamp = ahead.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        (tmp_path / FOLDER).mkdir(parents=True)
        old = Decision("d1", "s1", hash_of_answer(SHOWN.answer), Choice.KEEP, "Ada", stamp)
        (tmp_path / FOLDER / "old.jsonl").write_bytes(to_line(old))
        new = DecisionDesk(str(tmp_path)).decide(Draft("s1", "drop", "Bo"), SHOWN)
        assert standing(tmp_path)["s1"] == new


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("draft", "said"),
        [
            (Draft("s", "maybe", "Ada"), "'maybe' is no decision; expected keep, drop, edit or undo"),
            (Draft("s", "keep", " \n"), "needs its reviewer's name"),
            (Draft("s", "keep", "A" * 101), "name has 101 characters, expected at most 100"),
            (Draft("s", "keep", "Ada", note="n" * 2001), "note has 2,001 characters"),
            (Draft("s", "keep", "Ada\ud800"), "holds a character that is no text"),
            (Draft("s", "keep", "Ada", answer_hash="other"), "made anew since it was shown"),
            (Draft("s", "edit", "Ada"), "changes neither the instruction nor the answer"),
            (Draft("s", "edit", "Ada", SHOWN.instruction, SHOWN.answer + " "), "changes neither"),
            (Draft("s", "edit", "Ada", answer=" \n "), "The answer is empty"),
            (Draft("s", "edit", "Ada", instruction=""), "The instruction is empty"),
            (Draft("s", "edit", "Ada", answer="See <image> here."), "The answer holds <image>"),
            (Draft("s", "edit", "Ada", instruction="<image>\nWrite."), "The instruction holds <image>"),
            (Draft("s", "edit", "Ada", answer="half \udc00"), "The answer holds a character that is no text"),
            (Draft("s", "edit", "Ada", answer="a\0b"), "The answer holds a character that is no text"),
            (Draft("s", "edit", "Ada", answer="a" * 100_001), "The answer has 100,001 characters"),
            (Draft("s", "undo", "Ada"), "no decision on s to undo"),
            (Draft("s", "undo", "Ada", undoes="x"), "no decision on s to undo"),
        ],
    )
    def test_it_says_why_and_keeps_nothing(self, draft: Draft, said: str, tmp_path: Path) -> None:
        with pytest.raises(DecisionError, match=said):
            DecisionDesk(str(tmp_path)).decide(draft, SHOWN)
        assert not (tmp_path / FOLDER).exists()


class TestSeveralWriters:
    def test_two_desks_see_each_other(self, tmp_path: Path) -> None:
        one, two = DecisionDesk(str(tmp_path)), DecisionDesk(str(tmp_path))
        kept = one.decide(Draft("s1", "keep", "Ada"), SHOWN)
        dropped = two.decide(Draft("s1", "drop", "Bo"), SHOWN)
        assert one.refreshed().standing == two.book.standing == {"s1": dropped}
        one.decide(Draft("s1", "undo", "Ada"), SHOWN)
        assert two.refreshed().standing == {"s1": kept}
        assert len(list((tmp_path / FOLDER).iterdir())) == 2

    def test_many_threads_lose_nothing(self, tmp_path: Path) -> None:
        desk = DecisionDesk(str(tmp_path))

        def decide(name: str) -> None:
            for number in range(10):
                desk.decide(Draft(f"s{number}", "keep", name, decision_id=f"{name}{number}"), SHOWN)

        threads = [threading.Thread(target=decide, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        book = read_decisions(Folder(str(tmp_path)))
        assert [len(book.of(f"s{number}")) for number in range(10)] == [4] * 10


_WRITER = """
import sys
from mminstruct.pipeline.deciding import DecisionDesk, Draft, Shown
desk = DecisionDesk(sys.argv[1])
for number in range(100_000):
    desk.decide(Draft(f"s{number}", "keep", sys.argv[2], note="n" * 1500, decision_id=f"{sys.argv[2]}-{number}"),
                Shown("Write.", "Done."))
    print(f"{sys.argv[2]}-{number}", flush=True)
"""


class TestKill:
    def test_what_was_confirmed_is_there_after_a_kill(self, tmp_path: Path) -> None:
        dice, confirmed = random.Random(7), set[str]()
        for round_ in range(3):
            writers = [
                subprocess.Popen(
                    [sys.executable, "-c", _WRITER, str(tmp_path), f"{name}{round_}"], stdout=subprocess.PIPE, text=True
                )
                for name in ("ada", "bo")  # two processes at a time
            ]
            for writer in writers:
                assert writer.stdout is not None
                confirmed.add(writer.stdout.readline().strip())
            time.sleep(dice.uniform(0.02, 0.2))
            for writer in writers:
                writer.kill()
            for writer in writers:
                output, _ = writer.communicate()  # with a time-out it passes over what readline has buffered
                confirmed.update(line.strip() for line in output.splitlines(keepends=True) if line.endswith("\n"))
        book = read_decisions(Folder(str(tmp_path)))
        found = {one.decision_id for sample_id in book.standing for one in book.of(sample_id)}
        assert confirmed <= found and len(confirmed) >= 6
        assert len(list((tmp_path / FOLDER).iterdir())) == 6
        DecisionDesk(str(tmp_path)).decide(Draft("after", "drop", "Ada"), SHOWN)
        assert standing(tmp_path)["after"].decision is Choice.DROP

    @pytest.mark.parametrize("n_bytes", [0, 1, 40])
    def test_a_kill_between_any_two_bytes_costs_that_line_alone(self, n_bytes: int, tmp_path: Path) -> None:
        desk = DecisionDesk(str(tmp_path))
        kept = desk.decide(Draft("s1", "keep", "Ada"), SHOWN)
        desk.decide(Draft("s2", "keep", "Ada"), SHOWN)
        (file,) = (tmp_path / FOLDER).iterdir()
        os.truncate(file, len(to_line(kept)) + n_bytes)
        book = read_decisions(Folder(str(tmp_path)))
        assert book.standing == {"s1": kept}
        assert book.n_passed_over == (n_bytes > 0)


class TestFaultsOfTheDisk:
    def test_a_full_disk_is_told_and_the_next_decision_is_sound(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        desk = DecisionDesk(str(tmp_path))
        kept = desk.decide(Draft("s1", "keep", "Ada"), SHOWN)
        write = os.write
        monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:30]))
        with pytest.raises(RunError, match="the disk is full"):
            desk.decide(Draft("s2", "keep", "Ada"), SHOWN)
        monkeypatch.undo()
        assert standing(tmp_path) == {"s1": kept}
        again = desk.decide(Draft("s2", "keep", "Ada"), SHOWN)
        book = read_decisions(Folder(str(tmp_path)))
        assert book.standing == {"s1": kept, "s2": again}
        assert book.n_passed_over == 0  # the torn line was cut off again

    def test_a_sync_that_fails_keeps_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(descriptor: int) -> None:
            raise OSError("input/output error")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(RunError, match="input/output error"):
            DecisionDesk(str(tmp_path)).decide(Draft("s1", "keep", "Ada"), SHOWN)
        monkeypatch.undo()
        assert standing(tmp_path) == {}

    def test_a_file_in_the_folders_place_is_told(self, tmp_path: Path) -> None:
        (tmp_path / FOLDER).write_text("a file in the way")
        with pytest.raises(RunError, match="Make it a readable folder"):
            DecisionDesk(str(tmp_path)).decide(Draft("s1", "keep", "Ada"), SHOWN)

    def test_a_file_that_was_removed_is_not_written_on(self, tmp_path: Path) -> None:
        desk = DecisionDesk(str(tmp_path))
        desk.decide(Draft("s1", "keep", "Ada"), SHOWN)
        (file,) = (tmp_path / FOLDER).iterdir()
        file.unlink()
        desk.decide(Draft("s2", "keep", "Ada"), SHOWN)
        assert set(standing(tmp_path)) == {"s2"}

    def test_closing_leaves_the_lines(self, tmp_path: Path) -> None:
        desk = DecisionDesk(str(tmp_path))
        kept = desk.decide(Draft("s1", "keep", "Ada"), SHOWN)
        desk.close()
        assert standing(tmp_path) == {"s1": kept}
