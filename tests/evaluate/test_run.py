"""Real child processes of a package that ends as lmms-eval does: what comes of it, and what is not run twice."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mminstruct.errors import ConfigError, ModelError, RunError
from mminstruct.evaluate.environment import Environment
from mminstruct.evaluate.harness import Call
from mminstruct.evaluate.run import Outcome, earlier_outcomes, evaluate
from mminstruct.evaluate.suite import LLAVA15, SuiteTask
from support.fake_lmms_eval import (
    JUDGE_FAILS,
    MODEL_BREAKS,
    NO_LOGIN,
    NO_PACKAGE,
    OUT_OF_MEMORY,
    OUT_OF_MEMORY_IN_ANSWERS,
    UNREACHABLE,
    WRONG_KEY,
    fake_calls,
    save_model_files,
    write_fake_lmms_eval,
)

TASKS = {task.name: task for task in LLAVA15}
TEMPLATE = "USER: {{ messages }} ASSISTANT:"


@dataclass(frozen=True)
class Bench:
    """A folder with a fake lmms-eval in it and a model."""

    path: Path
    call: Call

    def run(self, *names: str, template: str | None = TEMPLATE, overwrite: bool = False) -> list[Outcome]:
        tasks = [TASKS[name] for name in names]
        return list(evaluate(self.call, tasks, self.path / "out", template, overwrite))

    @property
    def calls(self) -> list[dict[str, Any]]:
        return fake_calls(self.path / "packages")


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    for variable in ("OPENAI_API_KEY", "API_TYPE", "MODEL_VERSION", "OPENAI_API_URL"):
        monkeypatch.delenv(variable, raising=False)

    def bench(**plans: dict[str, Any]) -> Bench:
        packages = write_fake_lmms_eval(tmp_path / "packages", plans)
        monkeypatch.setenv("PYTHONPATH", str(packages))
        model = save_model_files(tmp_path / "models" / "mine")
        return Bench(tmp_path, Call(Environment(Path(sys.executable), "0.7.3", "cpu"), model))

    return bench


SCORED = {"metrics": {"exact_match": 0.625}}


class TestScores:
    def test_a_score_is_on_the_published_scale(self, make: Any) -> None:
        (outcome,) = make(gqa=SCORED).run("gqa")
        assert outcome.failure is None
        assert (outcome.score, outcome.metrics) == (62.5, {"exact_match": 0.625})
        assert (outcome.n_asked, outcome.n_questions, outcome.is_limited) == (100, 100, False)

    def test_what_is_on_that_scale_already_stays(self, make: Any) -> None:
        (outcome,) = make(mme={"metrics": {"mme_perception_score": 1500.5, "mme_cognition_score": 300.0}}).run("mme")
        assert outcome.score == 1500.5

    def test_the_limit_is_handed_on_and_known_by_the_outcome(self, make: Any) -> None:
        bench = make(gqa=SCORED)
        limited = replace(bench, call=replace(bench.call, limit=8))
        (outcome,) = limited.run("gqa")
        assert (outcome.n_asked, outcome.is_limited) == (8, True)

    def test_every_metric_of_a_task_without_one_of_ours_is_kept(self, make: Any) -> None:
        bench = make(mine={"metrics": {"answers": 34, "words": 2.2, "odd": "N/A"}})
        (outcome,) = evaluate(bench.call, [SuiteTask("mine", "mine", "mine")], bench.path / "out", TEMPLATE)
        assert outcome.failure is None and outcome.score is None
        assert outcome.metrics == {"answers": 34, "words": 2.2}


class TestFailures:
    @pytest.mark.parametrize(
        ("says", "kind", "words"),
        [
            (UNREACHABLE, "data set", "hf download --repo-type dataset lmms-lab-encoder/GQA --local-dir DATA/"),
            (NO_LOGIN, "data set", "hf auth login"),
            (WRONG_KEY, "key", "Missing credentials"),
            (OUT_OF_MEMORY, "memory", "--device"),
            (NO_PACKAGE, "package", "No module named 'pytablewriter'"),
            ("AssertionError: odd\nlast words", "other", "last words"),
        ],
    )
    def test_a_broken_task_is_named_and_the_others_run(self, make: Any, says: str, kind: str, words: str) -> None:
        bench = make(gqa={"says": says}, pope={"metrics": {"pope_f1_score": 0.8}})
        first, second = bench.run("gqa", "pope")
        assert first.failure is not None and first.score is None
        assert first.failure.kind == kind
        assert words in first.failure.text
        assert str(bench.path / "out" / "tasks" / "gqa" / "log.txt") in first.failure.text
        assert second.score == 80.0

    def test_a_killed_child_is_taken_for_a_want_of_memory(self, make: Any) -> None:
        (outcome,) = make(gqa={"status": 137}).run("gqa")
        assert outcome.failure is not None and outcome.failure.kind == "memory"

    @pytest.mark.parametrize(("says", "kind"), [(MODEL_BREAKS, "answers"), (OUT_OF_MEMORY_IN_ANSWERS, "memory")])
    def test_empty_answers_of_a_model_that_broke_are_no_score(self, make: Any, says: str, kind: str) -> None:
        (outcome,) = make(gqa={**SCORED, "says": f"{says}\n{says}"}).run("gqa")
        assert outcome.score is None and outcome.failure is not None
        assert outcome.failure.kind == kind
        assert "no answer to 2 questions" in outcome.failure.text

    def test_zeros_of_a_judge_that_failed_are_no_score(self, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        bench = make(mmvet={"metrics": {"gpt_eval_score": 12.0}, "says": JUDGE_FAILS})
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        (outcome,) = bench.run("mmvet")
        assert outcome.failure is not None and outcome.failure.kind == "judge"

    def test_results_without_the_metric_are_named(self, make: Any) -> None:
        (outcome,) = make(gqa={"metrics": {"accuracy": 0.5}}).run("gqa")
        assert outcome.failure is not None
        assert "lack exact_match; numbers there: accuracy" in outcome.failure.text


class TestJudge:
    def test_without_a_key_nothing_is_run(self, make: Any) -> None:
        bench = make(mmvet={"metrics": {"gpt_eval_score": 12.0}})
        (outcome,) = bench.run("mmvet")
        assert outcome.failure is not None and outcome.failure.kind == "key"
        assert "OPENAI_API_KEY is not set" in outcome.failure.text
        assert bench.calls == []

    def test_without_a_key_mmbench_is_read_by_rule_and_says_so(self, make: Any) -> None:
        (outcome,) = make(mmbench_en_dev_static={"metrics": {"gpt_eval_score": 64.0}}).run("mmbench")
        assert (outcome.score, outcome.judge) == (64.0, "")
        assert "without a judge" in outcome.remark

    def test_a_judge_is_named(self, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        bench = make(mmvet={"metrics": {"gpt_eval_score": 31.0}})
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        monkeypatch.setenv("MODEL_VERSION", "judge-2")
        (outcome,) = bench.run("mmvet")
        assert (outcome.score, outcome.judge) == (31.0, "judge-2")

    def test_a_base_url_reaches_each_task_as_it_wants_it(self, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        bench = make(mmvet={"metrics": {"gpt_eval_score": 1.0}}, mmbench_en_dev={"metrics": {"gpt_eval_score": 1.0}})
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        monkeypatch.setenv("OPENAI_API_URL", "https://judge.example/v1")
        bench.run("mmbench", "mmvet")
        assert [call["judge_url"] for call in bench.calls] == [
            "https://judge.example/v1/chat/completions",
            "https://judge.example/v1",
        ]


class TestAgain:
    def test_what_is_done_is_not_run_again_and_what_failed_is(self, make: Any) -> None:
        bench = make(gqa={"says": UNREACHABLE}, pope={"metrics": {"pope_f1_score": 0.8}})
        bench.run("gqa", "pope")
        first, second = bench.run("gqa", "pope")
        assert [call["argv"][call["argv"].index("--tasks") + 1] for call in bench.calls] == ["gqa", "pope", "gqa"]
        assert first.failure is not None and first.is_new
        assert second.score == 80.0 and not second.is_new

    def test_overwrite_runs_it_again(self, make: Any) -> None:
        bench = make(gqa=SCORED)
        bench.run("gqa")
        bench.run("gqa", overwrite=True)
        assert len(bench.calls) == 2

    @pytest.mark.parametrize("change", ["weights", "limit", "template"])
    def test_scores_of_other_files_or_settings_are_not_replaced(self, make: Any, change: str) -> None:
        bench = make(gqa=SCORED)
        bench.run("gqa")
        if change == "weights":
            (bench.call.model / "model.safetensors").write_bytes(b"other weights")
        if change == "limit":
            bench = replace(bench, call=replace(bench.call, limit=8))
        with pytest.raises(RunError, match="settings for gqa"):
            bench.run("gqa", template="other" if change == "template" else TEMPLATE)
        assert len(bench.calls) == 1

    def test_a_table_can_take_in_what_was_done_before(self, make: Any) -> None:
        bench = make(gqa=SCORED, pope={"says": UNREACHABLE})
        bench.run("gqa", "pope")
        found = list(earlier_outcomes(bench.call, LLAVA15, bench.path / "out", TEMPLATE))
        assert [(outcome.task.name, outcome.score) for outcome in found] == [("gqa", 62.5)]


class TestTheCall:
    def test_a_task_is_run_where_the_data_sets_are(self, make: Any) -> None:
        bench = make(gqa=SCORED)
        data = bench.path / "data sets"
        data.mkdir()
        replace(bench, call=replace(bench.call, data=data)).run("gqa")
        assert bench.calls[0]["cwd"] == str(data)

    def test_a_path_that_lmms_eval_would_split_is_refused(self, make: Any, tmp_path: Path) -> None:
        bench = make(gqa=SCORED)
        model = save_model_files(tmp_path / "mine, v2")
        with pytest.raises(ConfigError, match="at commas"):
            replace(bench, call=replace(bench.call, model=model)).run("gqa")

    def test_no_model_is_one_sentence(self, make: Any, tmp_path: Path) -> None:
        bench = make(gqa=SCORED)
        with pytest.raises(ModelError, match="no folder with a model"):
            replace(bench, call=replace(bench.call, model=tmp_path)).run("gqa")
