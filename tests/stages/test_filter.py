import importlib.util
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mminstruct.config.filter import FilterConfig
from mminstruct.encoders.protocols import Embeddings
from mminstruct.rows import Reason, Reject
from mminstruct.rules.table import RULES, Rule
from mminstruct.stages.filter import AnswerFilter, Candidate, Outcome, Verdict, judge, judge_text, to_reject

DESCRIPTION = "A heron stands on a stone in a quiet lake at dawn."
SOUND = "The heron has been waiting since before the light came, and the lake has not yet said a word to it."
MATTRESS = "Sleep like never before on the softest mattress in town, now for less than you would think, delivered free."


class KeywordEncoder:
    """An encoder of two dimensions: texts about water and texts about anything else."""

    name = "keywords"

    def __init__(self) -> None:
        self.n_encoded = 0

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        self.n_encoded += len(texts)
        water = [bool(re.search("lake|heron|water", text)) for text in texts]
        return np.array([[float(is_water), float(not is_water)] for is_water in water], dtype=np.float32)


def candidate(answer: str, answer_id: str = "a1", **fields: Any) -> Candidate:
    return Candidate(answer_id, "Write a short story.", answer, **fields)


def outcomes(verdict: Verdict) -> dict[str, Outcome]:
    return {finding.rule.value: finding.outcome for finding in verdict.findings}


class TestJudgeText:
    def test_a_sound_answer_passes_every_rule_that_can_judge_it(self) -> None:
        verdict = judge_text(candidate(SOUND, description=DESCRIPTION, finish_reason="stop"), FilterConfig())
        assert verdict.kept
        assert len(verdict.findings) == len(RULES)
        assert outcomes(verdict).pop("near_duplicate_answer") is Outcome.NOT_APPLICABLE
        assert {outcome for name, outcome in outcomes(verdict).items() if name != "near_duplicate_answer"} == {
            Outcome.PASSED
        }

    def test_every_rule_is_run_and_the_first_that_fails_gives_the_reason(self) -> None:
        verdict = judge_text(candidate("I'm sorry, I can't see the image.\n[Your Name]"), FilterConfig())
        assert [finding.rule for finding in verdict.failures] == [Reason.CANNOT_SEE, Reason.PLACEHOLDER]
        assert not verdict.kept

    def test_what_is_absent_is_named(self) -> None:
        findings = {finding.rule: finding for finding in judge_text(candidate(SOUND), FilterConfig()).findings}
        assert findings[Reason.OFF_TOPIC].outcome is Outcome.NOT_APPLICABLE
        assert findings[Reason.OFF_TOPIC].detail == "no description"
        assert findings[Reason.TRUNCATED_ANSWER].outcome is Outcome.PASSED
        assert findings[Reason.TRUNCATED_ANSWER].detail == "judged in part: no finish_reason"
        assert findings[Reason.PROMPT_ECHO].detail == "judged in part: no description"

    def test_a_doubtful_topic_needs_an_encoder_and_a_clear_one_does_not(self) -> None:
        doubtful = judge_text(candidate(MATTRESS, description=DESCRIPTION), FilterConfig())
        clear = judge_text(candidate(SOUND, description=DESCRIPTION), FilterConfig())
        assert outcomes(doubtful)["off_topic"] is Outcome.NOT_APPLICABLE
        assert outcomes(clear)["off_topic"] is Outcome.PASSED

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.reason.value)
    def test_each_rule_can_be_switched_off(self, rule: Rule) -> None:
        name = rule.reason.value
        verdict = judge_text(candidate(""), FilterConfig.model_validate({"skip": [name]}))
        assert outcomes(verdict)[name] is Outcome.SKIPPED

    def test_config_faults(self) -> None:
        with pytest.raises(ValueError, match="min_words is 9, over max_words, which is 5"):
            FilterConfig(min_words=9, max_words=5)
        with pytest.raises(ValueError, match="skip"):
            FilterConfig.model_validate({"skip": ["no_such_rule"]})


class TestToReject:
    def test_the_row(self) -> None:
        told = candidate("...", answer_id="m7", request_id="r7")
        verdict = judge_text(told, FilterConfig())
        detail = "found '...', expected at least one word"
        assert to_reject(told, verdict) == Reject("m7", "filter", Reason.EMPTY_ANSWER, detail, "...", "r7")


class TestOffTopic:
    def test_an_answer_about_something_else(self) -> None:
        verdicts = judge([candidate(MATTRESS, description=DESCRIPTION)], KeywordEncoder(), FilterConfig())
        assert [finding.rule for finding in verdicts[0].failures] == [Reason.OFF_TOPIC]

    def test_only_doubtful_answers_are_encoded(self) -> None:
        encoder = KeywordEncoder()
        judge([candidate(SOUND, description=DESCRIPTION), candidate(MATTRESS)], encoder, FilterConfig())
        assert encoder.n_encoded == 0

    def test_switched_off_it_encodes_nothing(self) -> None:
        encoder = KeywordEncoder()
        config = FilterConfig(skip=("off_topic",))
        assert judge([candidate(MATTRESS, description=DESCRIPTION)], encoder, config)[0].kept
        assert encoder.n_encoded == 0


class TestNearDuplicates:
    other = "A mason came down to the shore every evening and asked the stones which of them would like to be a house."

    def test_an_answer_that_repeats_an_earlier_one_names_it(self) -> None:
        verdicts = judge(
            [candidate(SOUND, "a1"), candidate(self.other, "a2"), candidate(SOUND + "!", "a3")], None, FilterConfig()
        )
        assert [verdict.kept for verdict in verdicts] == [True, True, False]
        assert verdicts[2].failures[0].detail.startswith("repeats the answer of a1 ")

    def test_a_rejected_answer_is_no_original(self) -> None:
        echo = f"{SOUND} [Your Name]"
        verdicts = judge([candidate(echo, "a1"), candidate(SOUND, "a2")], None, FilterConfig())
        assert [verdict.kept for verdict in verdicts] == [False, True]

    def test_short_answers_may_repeat(self) -> None:
        short = "The heron is still waiting."
        assert all(verdict.kept for verdict in judge([candidate(short)] * 3, None, FilterConfig()))

    def test_an_answer_kept_in_an_earlier_run_can_be_remembered(self) -> None:
        answer_filter = AnswerFilter(FilterConfig())
        answer_filter.remember("old", SOUND)
        assert answer_filter.judge([candidate(SOUND)])[0].failures[0].detail.startswith("repeats the answer of old ")

    def test_turns_that_fall_with_their_conversation_are_no_originals(self) -> None:
        answer_filter = AnswerFilter(FilterConfig())
        groups = [[candidate(SOUND, "a, turn 1"), candidate("", "a, turn 2")], [candidate(SOUND, "b")]]
        verdicts = answer_filter.judge_groups(groups)
        assert [[verdict.kept for verdict in group] for group in verdicts] == [[True, False], [True]]

    @pytest.mark.parametrize("size", [1, 2, 3, 7])
    def test_the_batch_size_changes_nothing(self, size: int) -> None:
        answers = [SOUND, MATTRESS, SOUND, self.other, "", self.other + " Really.", MATTRESS + " Today."]
        rows = [candidate(answer, f"a{n}", description=DESCRIPTION) for n, answer in enumerate(answers)]
        whole = judge(rows, KeywordEncoder(), FilterConfig(skip=("off_topic",)))
        answer_filter = AnswerFilter(FilterConfig(skip=("off_topic",)), KeywordEncoder())
        parts = [
            verdict
            for start in range(0, len(rows), size)
            for verdict in answer_filter.judge(rows[start : start + size])
        ]
        assert parts == whole
        assert [verdict.kept for verdict in whole] == [True, True, False, True, False, False, False]


BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "filter_rules.py"


@pytest.fixture(scope="module")
def filter_rules() -> Iterator[Any]:
    """The benchmark's own functions, so that test and report cannot disagree."""
    spec = importlib.util.spec_from_file_location("filter_rules", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["filter_rules"] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["filter_rules"]


class TestLabelledAnswers:
    """The text-only rules on the hand-labelled answers; `benchmarks/filter_rules.py` measures all of them."""

    @pytest.mark.parametrize("split", ["dev", "test"])
    def test_precision_and_recall(self, filter_rules: Any, split: str) -> None:
        rows = filter_rules.read_labelled(split)
        assert len(rows) >= 100
        verdicts = filter_rules.judge_rows(rows, None)
        counts = filter_rules.count_rules(rows, verdicts)
        del counts["off_topic"]  # needs the sentence encoder
        whole = sum(counts.values(), filter_rules.Count())
        assert whole.precision >= 0.95, filter_rules.mistakes(rows, verdicts)
        assert whole.recall >= 0.95, filter_rules.mistakes(rows, verdicts)
        for name, count in counts.items():
            n_bad = count.true_positives + count.false_negatives
            assert n_bad >= 2, f"{name} has too few examples in {split}"

    def test_ids_are_unique_and_reasons_are_rules(self, filter_rules: Any) -> None:
        rows = [row for split in filter_rules.SPLITS for row in filter_rules.read_labelled(split)]
        assert len({row["id"] for row in rows}) == len(rows) >= 200
        names = {rule.reason.value for rule in RULES}
        assert {reason for row in rows for reason in [*row["reasons"], *row.get("also", ())]} == names
