"""The rule repetition: the answer is caught in a loop.

Poems with a refrain, songs with a chorus and lists with a common beginning repeat themselves too, with something new
in between. A loop repeats at once, or hardly says anything that was not said before.
"""

from __future__ import annotations

import re

from mminstruct.config.filter import FilterConfig
from mminstruct.near_copies import split_words
from mminstruct.rules.candidate import Candidate
from mminstruct.texts import excerpt, word_runs

_LONGEST_PERIOD = 60  # words
_LEAST_REPEATED_WORDS = 12  # "ha ha ha ha" and "row, row, row your boat" are no loops
_LEAST_SAME_WORDS = _LEAST_REPEATED_WORDS // 2  # of a loop stand as often before: it holds a run of them twice
_RUN = 4
_FEWEST_RUNS = 20  # a share of fewer runs says nothing
_LETTER_LOOP = re.compile(r"([^\W\d_])\1{24,}")
_NUMBERING = re.compile(r"^[ \t]*(?:step |day )?\d+ ?[.):]", re.MULTILINE | re.IGNORECASE)


def repetition(candidate: Candidate, config: FilterConfig) -> str | None:
    """Find words that follow on themselves too often, or too large a share of words that were said before."""
    if letters := _LETTER_LOOP.search(candidate.answer):
        return f"found '{letters.group(1)}' {len(letters.group())} times in a row"
    words = split_words(_NUMBERING.sub("", candidate.answer))
    if _share_repeated(words, _LEAST_SAME_WORDS) and (loop := _loop(words, config.max_repeats)):
        start, period, n_times = loop
        quoted = excerpt(" ".join(words[start : start + period]))
        return f"found {quoted} {n_times} times in a row, expected {config.max_repeats} or fewer (max_repeats)"
    share = _share_repeated(words, _RUN) if len(words) - _RUN + 1 >= _FEWEST_RUNS else 0.0
    if share <= config.max_repetition:
        return None
    return (
        f"{share:.0%} of the four-word runs stood earlier in the answer, expected at most "
        f"{config.max_repetition:.0%} (max_repetition)"
    )


def _share_repeated(words: list[str], length: int) -> float:
    """Return the share of the runs of so many words that stood before."""
    runs = word_runs(words, length)
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def _loop(words: list[str], max_repeats: int) -> tuple[int, int, int] | None:
    """Return start, period (in words) and count of the first sequence that repeats more than `max_repeats` times."""
    for period in range(1, min(_LONGEST_PERIOD, len(words) // (max_repeats + 1)) + 1):
        n_same = 0
        for position in range(period, len(words)):
            n_same = n_same + 1 if words[position] == words[position - period] else 0
            n_times = n_same // period + 1
            if n_times > max_repeats and n_same + period >= _LEAST_REPEATED_WORDS:
                return _whole_loop(words, position, n_same, period)
    return None


def _whole_loop(words: list[str], position: int, n_same: int, period: int) -> tuple[int, int, int]:
    """Follow a loop that was found at `position` to its end."""
    start, end = position - n_same - period + 1, position + 1
    while end < len(words) and words[end] == words[end - period]:
        end += 1
    return start, period, (end - start) // period
