import json
from pathlib import Path

from mminstruct.evaluate.failures import Failure
from mminstruct.evaluate.run import Outcome
from mminstruct.evaluate.suite import LLAVA15, SuiteTask
from mminstruct.evaluate.table import DASH, as_markdown, difference, make_table, write_tables

GQA, POPE, MMVET = (next(task for task in LLAVA15 if task.name == name) for name in ("gqa", "pope", "mmvet"))


def scored(task: SuiteTask, score: float, n_asked: int = 100, judge: str = "") -> Outcome:
    return Outcome(task, score, {task.metric: score / task.factor}, n_asked, 100, judge, task.remark)


class TestDifference:
    def test_it_is_against_the_size_that_is_asked_for(self) -> None:
        assert [round(difference(scored(GQA, 62.5), size) or 0, 1) for size in ("7b", "13b")] == [0.5, -0.8]

    def test_there_is_none_for_a_part_of_the_questions(self) -> None:
        assert difference(scored(GQA, 62.5, n_asked=8), "7b") is None


class TestMakeTable:
    def test_rows_are_as_they_are_read(self) -> None:
        table = make_table([scored(GQA, 62.54), scored(POPE, 80.0)], "7b")
        assert table.headings == ("benchmark", "score", "LLaVA-1.5-7B", "difference", "note")
        assert [row.cells for row in table.rows] == [
            ("GQA", "62.5", "62.0", "+0.5", ""),
            ("POPE", "80.0", "85.9", "-5.9", "1"),
        ]
        assert table.notes == ["published as the mean F1 of its three parts; here F1 over all questions"]

    def test_a_limit_and_a_judge_are_marked(self) -> None:
        table = make_table([scored(MMVET, 30.0, n_asked=8, judge="gpt-x")], "7b")
        assert table.rows[0].difference == DASH
        assert table.notes[0].endswith("; judge: gpt-x; only 8 of 100 questions, so no score to compare")

    def test_what_failed_keeps_its_row_and_says_why(self) -> None:
        table = make_table([Outcome(GQA, failure=Failure("data set", "Not there."))], "13b")
        assert table.rows[0].cells == ("GQA", DASH, "63.3", DASH, "")
        assert table.failures == ["GQA (gqa): Not there."]

    def test_a_task_of_the_user_s_own_shows_all_its_metrics(self) -> None:
        own = SuiteTask("mine", "mine", "mine")
        table = make_table([Outcome(own, None, {"answers": 34.0, "words": 2.17647}, 34, 34)], "7b")
        assert table.rows[0].cells == ("mine", "answers 34, words 2.176", DASH, DASH, "")


def test_the_files_say_the_same(tmp_path: Path) -> None:
    outcomes = [scored(GQA, 62.5), Outcome(MMVET, failure=Failure("key", "No key."))]
    write_tables(outcomes, "7b", tmp_path, {"model": "models/mine", "limit": None})
    contents = json.loads((tmp_path / "results.json").read_text())
    assert [(task["score"], task["difference"], task["failure"]) for task in contents["tasks"]] == [
        (62.5, 0.5, None),
        (None, None, {"kind": "key", "text": "No key."}),
    ]
    written = (tmp_path / "results.md").read_text()
    assert written == as_markdown(make_table(outcomes, "7b"), {"model": "models/mine", "limit": None})
    assert "| GQA | 62.5 | 62.0 | +0.5 |  |" in written
    assert "limit" not in written
    assert "- MM-Vet (mmvet): No key." in written
