from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mminstruct.config.filter import FilterConfig, RuleName
from mminstruct.rows import Reason
from mminstruct.rules.candidate import Candidate
from mminstruct.rules.table import RULES, Rule

TEXTS = st.one_of(
    st.text(max_size=300),
    st.text(alphabet="aI' cnot.,\n\"-:[]{}<>|#*12`“”湖\ud83d", max_size=300),
    st.lists(st.sampled_from(["I", "cannot", "see", "the", "image", "\n", ".", ":", '"', "USER", "description"])).map(
        " ".join
    ),
)


def test_the_table_holds_every_rule_that_the_config_can_skip_in_the_order_of_the_reasons() -> None:
    names = [rule.reason.value for rule in RULES]
    assert names == list(get_args(RuleName))
    assert names == [reason.value for reason in Reason if reason.value in names]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.reason.value)
@settings(max_examples=60)
@given(answer=TEXTS, instruction=TEXTS, description=st.none() | TEXTS, similarity=st.none() | st.floats(-1, 1))
def test_no_rule_crashes_on_any_text(
    rule: Rule, answer: str, instruction: str, description: str | None, similarity: float | None
) -> None:
    candidate = Candidate("a1", instruction, answer, description, similarity=similarity, twin_id="")
    detail = rule.check(candidate, FilterConfig())
    assert detail is None or detail.strip()
    assert rule.lacks(candidate, FilterConfig()) != ""


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.reason.value)
@pytest.mark.parametrize(
    "piece", ["a", "I cannot ", '"', "[your ", "the image ", "1. ", "\n", "湖", "```", "(", "sorry, "]
)
def test_long_monotonous_texts_take_no_time_worth_naming(rule: Rule, piece: str) -> None:
    candidate = Candidate("a1", "Write about the lake.", piece * 4000, "A lake.", similarity=0.0, twin_id="")
    detail = rule.check(candidate, FilterConfig())
    assert detail is None or detail.strip()
