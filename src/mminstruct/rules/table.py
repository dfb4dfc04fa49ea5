"""The one ordered table of all rules of the filter; the first that fails gives the reason of the reject.

A rule is a pure function `(candidate, config) -> str | None`: what it found, quoted, and what it expected, or None.
To add one: write the function in the file of its kind, put its reason in `rows.Reason`, its name in
`config.filter.RuleName`, a line in this table, and cases on both sides of its threshold in `tests/rules/`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mminstruct.config.filter import FilterConfig
from mminstruct.rows import Reason
from mminstruct.rules.candidate import Candidate
from mminstruct.rules.echoes import prompt_echo
from mminstruct.rules.endings import truncated_answer
from mminstruct.rules.form import empty_answer, too_long, too_short
from mminstruct.rules.language import wrong_language
from mminstruct.rules.leaks import source_leak
from mminstruct.rules.markers import placeholder, role_marker
from mminstruct.rules.meaning import is_in_doubt, near_duplicate_answer, off_topic
from mminstruct.rules.refusals import cannot_see, refusal
from mminstruct.rules.repetition import repetition

Check = Callable[[Candidate, FilterConfig], str | None]


def _nothing(candidate: Candidate, config: FilterConfig) -> str | None:
    return None


def _no_finish_reason(candidate: Candidate, config: FilterConfig) -> str | None:
    return None if (candidate.finish_reason or "").strip() else "no finish_reason"


def _no_description(candidate: Candidate, config: FilterConfig) -> str | None:
    return None if (candidate.description or "").strip() else "no description"


def _no_similarity(candidate: Candidate, config: FilterConfig) -> str | None:
    if missing := _no_description(candidate, config):
        return missing
    return "no sentence encoder" if candidate.similarity is None and is_in_doubt(candidate, config) else None


def _no_comparison(candidate: Candidate, config: FilterConfig) -> str | None:
    return "no other answers to compare with" if candidate.twin_id is None else None


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table.

    `lacks` says what the rule cannot do without and does not have (the rule is left out), `misses` what it would use
    but can do without (it judges in part).
    """

    reason: Reason
    check: Check
    lacks: Check = _nothing
    misses: Check = _nothing


RULES: tuple[Rule, ...] = (
    Rule(Reason.EMPTY_ANSWER, empty_answer),
    Rule(Reason.TRUNCATED_ANSWER, truncated_answer, misses=_no_finish_reason),
    Rule(Reason.REFUSAL, refusal),
    Rule(Reason.CANNOT_SEE, cannot_see),
    Rule(Reason.SOURCE_LEAK, source_leak),
    Rule(Reason.PROMPT_ECHO, prompt_echo, misses=_no_description),
    Rule(Reason.ROLE_MARKER, role_marker),
    Rule(Reason.PLACEHOLDER, placeholder),
    Rule(Reason.TOO_SHORT, too_short),
    Rule(Reason.TOO_LONG, too_long),
    Rule(Reason.REPETITION, repetition),
    Rule(Reason.WRONG_LANGUAGE, wrong_language),
    Rule(Reason.OFF_TOPIC, off_topic, lacks=_no_similarity),
    Rule(Reason.NEAR_DUPLICATE_ANSWER, near_duplicate_answer, lacks=_no_comparison),
)
