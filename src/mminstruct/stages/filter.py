"""Stage 6, filter: answers in, verdicts out; a verdict holds what every rule found.

Candidate("a1", "Write an ad for the lamp.", "I'm sorry, I can't help with that.") -> refusal, off_topic
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from mminstruct.config.filter import FilterConfig
from mminstruct.encoders.protocols import TextEncoder
from mminstruct.minhash import Signature
from mminstruct.near_copies import split_words
from mminstruct.rows import Answer, Image, Instruction, Reason, Reject
from mminstruct.rules.candidate import Candidate
from mminstruct.rules.language import language_identifier
from mminstruct.rules.meaning import is_in_doubt
from mminstruct.rules.table import RULES, Rule
from mminstruct.twins import TwinIndex

__all__ = [
    "AnswerFilter",
    "Candidate",
    "Examined",
    "Finding",
    "Outcome",
    "Verdict",
    "candidate_of",
    "judge",
    "judge_text",
    "to_reject",
]


_NEAR_DUPLICATE = next(rule for rule in RULES if rule.reason is Reason.NEAR_DUPLICATE_ANSWER)


class Outcome(StrEnum):
    """What a rule says of a candidate."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"  # a field that the rule needs is absent
    SKIPPED = "skipped"  # switched off in the config


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's word on one candidate; `detail` says what was found, or what was missing."""

    rule: Reason
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What every rule found, in the order of the table."""

    answer_id: str
    findings: tuple[Finding, ...]

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings of the rules that failed; the first gives the reason of the reject."""
        return tuple(finding for finding in self.findings if finding.outcome is Outcome.FAILED)

    @property
    def kept(self) -> bool:
        """Whether no rule failed."""
        return not self.failures


@dataclass(frozen=True, slots=True)
class Examined:
    """A candidate with all that is found without looking at other answers."""

    candidate: Candidate
    findings: tuple[Finding, ...]  # of all rules; that on near copies is still to be made
    signature: Signature | None  # what it is compared with others by; None: with nobody


class AnswerFilter:
    """Judges answers batch by batch; how the answers are cut into batches changes nothing.

    `judge` is `examine`, which any process may do for any answers, and `settle`, in the answers' order. Without an
    encoder the rule off_topic is left out where it would need one. Raises MissingExtraError at once where a package for
    a rule that is switched on is missing.
    """

    def __init__(self, config: FilterConfig, encoder: TextEncoder | None = None) -> None:
        self.config = config
        self.encoder = encoder
        self._twins = TwinIndex(config.near_duplicate_similarity)
        if config.language is not None and "wrong_language" not in config.skip:
            language_identifier()

    def judge(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Return one verdict for each candidate, in their order; near copies are of earlier kept candidates."""
        return [verdicts[0] for verdicts in self.judge_groups([(candidate,) for candidate in candidates])]

    def judge_groups(self, groups: Sequence[Sequence[Candidate]]) -> list[list[Verdict]]:
        """Judge answers that stand or fall together (the turns of a conversation); one list of verdicts a group.

        An answer counts as kept, for later ones to be compared with, when its whole group is kept.
        """
        examined = iter(self.examine([candidate for group in groups for candidate in group]))
        return [self.settle(list(itertools.islice(examined, len(group)))) for group in groups]

    def examine(self, candidates: Sequence[Candidate]) -> list[Examined]:
        """Apply all rules that need no other answer."""
        signatures = self._signatures([candidate.answer for candidate in candidates])
        return [
            Examined(candidate, _verdict(candidate, self.config).findings, signature)
            for candidate, signature in zip(self._with_similarity(candidates), signatures, strict=True)
        ]

    def settle(self, group: Sequence[Examined]) -> list[Verdict]:
        """Return the verdicts on answers that stand or fall together, compared with all that were kept before."""
        verdicts = []
        for one in group:
            twin_id = self._twins.find(one.signature) if one.signature is not None else None
            finding = _apply(_NEAR_DUPLICATE, replace(one.candidate, twin_id=twin_id or ""), self.config)
            findings = tuple(finding if found.rule is finding.rule else found for found in one.findings)
            verdicts.append(Verdict(one.candidate.answer_id, findings))
        if all(verdict.kept for verdict in verdicts):
            for one in group:
                self._keep(one.candidate.answer_id, one.signature)
        return verdicts

    def remember(self, answer_id: str, answer: str) -> None:
        """Take note of an answer that was kept before (a resumed run), so that later ones are compared with it."""
        self._keep(answer_id, self._signatures([answer])[0])

    def _keep(self, answer_id: str, signature: Signature | None) -> None:
        if signature is not None:
            self._twins.add(answer_id, signature)

    def _signatures(self, answers: Sequence[str]) -> list[Signature | None]:
        """Return what answers are compared by; None for those that may repeat others."""
        compared = [self._looks_for_twins(answer) for answer in answers]
        signatures = iter(self._twins.signatures(list(itertools.compress(answers, compared))))
        return [next(signatures) if looks else None for looks in compared]

    def _looks_for_twins(self, answer: str) -> bool:
        on = "near_duplicate_answer" not in self.config.skip
        return on and len(split_words(answer)) >= self.config.near_duplicate_min_words

    def _with_similarity(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Fill in the cosine of answer and description where the words alone leave the topic in doubt."""
        judged = list(candidates)
        if self.encoder is None or "off_topic" in self.config.skip:
            return judged
        doubtful = [
            position
            for position, candidate in enumerate(judged)
            if (candidate.description or "").strip() and is_in_doubt(candidate, self.config)
        ]
        if not doubtful:
            return judged
        answers = self.encoder.encode_texts([judged[position].answer for position in doubtful])
        descriptions = self.encoder.encode_texts([judged[position].description or "" for position in doubtful])
        for position, similarity in zip(doubtful, (answers * descriptions).sum(axis=1), strict=True):
            judged[position] = replace(judged[position], similarity=float(similarity))
        return judged


def judge(candidates: Sequence[Candidate], encoder: TextEncoder | None, config: FilterConfig) -> list[Verdict]:
    """Judge all candidates at once, each against the earlier kept ones."""
    return AnswerFilter(config, encoder).judge(candidates)


def judge_text(candidate: Candidate, config: FilterConfig) -> Verdict:
    """Judge one candidate by itself: no sentence encoder, no comparison with other answers."""
    return _verdict(replace(candidate, similarity=None, twin_id=None), config)


def candidate_of(answer: Answer, instruction: Instruction, image: Image) -> Candidate:
    """Return what the rules judge of an answer: its text with the instruction and the image's description."""
    return Candidate(
        answer.answer_id,
        instruction.text,
        answer.answer,
        image.description,
        answer.finish_reason,
        answer.request_id,
    )


def to_reject(candidate: Candidate, verdict: Verdict) -> Reject:
    """Return the Reject row of a candidate that was not kept; the first failing rule gives reason and detail."""
    first = verdict.failures[0]
    return Reject(candidate.answer_id, "filter", first.rule, first.detail, candidate.answer, candidate.request_id)


def _verdict(candidate: Candidate, config: FilterConfig) -> Verdict:
    return Verdict(candidate.answer_id, tuple(_apply(rule, candidate, config) for rule in RULES))


def _apply(rule: Rule, candidate: Candidate, config: FilterConfig) -> Finding:
    if rule.reason.value in config.skip:
        return Finding(rule.reason, Outcome.SKIPPED, "switched off (filter.skip)")
    if lacking := rule.lacks(candidate, config):
        return Finding(rule.reason, Outcome.NOT_APPLICABLE, lacking)
    if detail := rule.check(candidate, config):
        return Finding(rule.reason, Outcome.FAILED, detail)
    missing = rule.misses(candidate, config)
    return Finding(rule.reason, Outcome.PASSED, f"judged in part: {missing}" if missing else "")
