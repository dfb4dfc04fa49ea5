"""Texts with known near copies among them, of which each can be made again by its number alone.

answer(7, 100)   100 words drawn as English has them, few often and many seldom
answer(9, 100)   every tenth: a copy of an earlier one, with up to a sixth of its words replaced
"""

from __future__ import annotations

import itertools
import random

_VOCABULARY = [f"w{number:x}" for number in range(20_000)]
_WEIGHTS = list(itertools.accumulate(1 / (rank + 3) for rank in range(20_000)))  # Zipf's law
COPY_EVERY = 10


def text(number: int, n_words: int) -> str:
    """Return the text of this number."""
    drawn = random.Random(number)
    original = original_of(number)
    if original is None:
        return " ".join(drawn.choices(_VOCABULARY, cum_weights=_WEIGHTS, k=n_words))
    words = text(original, n_words).split()
    for _ in range(drawn.randrange(n_words // 6 + 1)):
        words[drawn.randrange(n_words)] = drawn.choice(_VOCABULARY)
    return " ".join(words)


def original_of(number: int) -> int | None:
    """Return the number of the text that this one copies; None where it is no copy. An original is none."""
    if number % COPY_EVERY != COPY_EVERY - 1:
        return None
    original = random.Random(-number - 1).randrange(number)
    return original if original % COPY_EVERY != COPY_EVERY - 1 else original - 1


def shingles(words: list[str]) -> set[object]:
    """Return the words and the pairs of neighbours."""
    return {*words, *itertools.pairwise(words)}


def similarity(number: int, other: int, n_words: int) -> float:
    """Return the Jaccard similarity of two texts' words and pairs of words, computed anew."""
    ours, theirs = shingles(text(number, n_words).split()), shingles(text(other, n_words).split())
    return len(ours & theirs) / len(ours | theirs)
