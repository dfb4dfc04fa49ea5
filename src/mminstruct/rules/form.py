"""Rules on an answer's length: empty_answer, too_short, too_long."""

from __future__ import annotations

from mminstruct.config.filter import FilterConfig
from mminstruct.near_copies import split_words
from mminstruct.rules.candidate import Candidate
from mminstruct.rules.patterns import compile_any, words
from mminstruct.texts import excerpt, plain

_SHORT_FORM = compile_any(
    rf"\b{words('titles? slogans? taglines? headlines? mottos? names? hashtags? catchphrase emojis?')}\b",
    r"\b(?:one|single|two|three|few)[- ]words?\b|\bshort (?:phrase|answer)\b|\boption'?s letter\b|\byes or no\b",
)


def empty_answer(candidate: Candidate, config: FilterConfig) -> str | None:
    """Find an answer without a single word."""
    if split_words(candidate.answer):
        return None
    return f"found {excerpt(candidate.answer)}, expected at least one word"


def too_short(candidate: Candidate, config: FilterConfig) -> str | None:
    """Find an answer under `min_words`, or under `min_words_short_form` where a title or the like is asked for."""
    n_words = len(split_words(candidate.answer))
    short_form = bool(_SHORT_FORM.search(plain(candidate.instruction)))
    least = min(config.min_words, config.min_words_short_form) if short_form else config.min_words
    if n_words >= least:
        return None
    key = "min_words_short_form" if short_form else "min_words"
    return f"found {n_words} words in {excerpt(candidate.answer)}, expected {least} or more ({key})"


def too_long(candidate: Candidate, config: FilterConfig) -> str | None:
    """Find an answer over `max_words`."""
    n_words = len(split_words(candidate.answer))
    if n_words <= config.max_words:
        return None
    return f"found {n_words} words, expected {config.max_words} or fewer (max_words)"
