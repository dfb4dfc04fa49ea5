"""Finds texts that repeat an earlier text almost word for word.

Two texts are as similar as the Jaccard similarity of their shingles: the number of shingles that both have over the
number that either has. The shingles of a text are its words and its pairs of neighbouring words, each counted once.
Words alone would call "a dog bites a man" and "a man bites a dog" the same; longer runs of words would let one
changed word spoil a third of a ten-word instruction. Case, accents' encoding and punctuation do not count, numbers do.

The search is exact. It is prefix filtering (Chaudhuri et al. 2006; AllPairs, Bayardo et al. 2007): where two texts
must share m of n shingles, at least one shared shingle is among any n − m + 1 of them, so only the kept texts that
have one of those n − m + 1 are compared. The n − m + 1 that the fewest kept texts have are chosen anew for each text.

It is for what is few and must not repeat itself at all, instructions; 50,000 take about 6 seconds. Answers, and
instructions by the hundred thousand, go through `mminstruct.twins`: the same similarity in a small part of the memory,
and not every near copy found.
"""

from __future__ import annotations

import functools
import itertools
import math
import re
import unicodedata
from array import array
from collections.abc import Sequence

import numpy as np

# Scripts that put no spaces between words (Han, kana): each character is a word.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_APOSTROPHES = re.compile("['’ʼ`]")
_MORE = 10  # a tenth of the shingles is asked for beyond the n − m + 1: cheaper than comparing what it rules out
_MARGIN = 1e-9  # keeps a filter from losing a pair that sits on the threshold to a rounding error


def near_copies(texts: Sequence[str], threshold: float) -> list[int | None]:
    """Return for each text the position of the earlier kept text that it repeats, or None where it is kept.

    A text is kept when no kept text before it has a similarity of `threshold` (over 0, up to 1) or more. Of several
    the most similar is named, and of equally similar ones the earliest.

    >>> near_copies(["Write a poem about the cat.", "write a poem about THE cat", "Plan a trip."], 0.8)
    [None, 0, None]
    """
    index = _Index(threshold)
    return [index.add(text) for text in texts]


class _Index:
    """The kept texts so far."""

    def __init__(self, threshold: float) -> None:
        if not 0 < threshold <= 1:
            raise ValueError(f"threshold is {threshold}; expected a number over 0 and up to 1")
        self.threshold = threshold
        self.n_texts = 0
        self._words: dict[str, int] = {}
        self._kept: dict[int, array[int]] = {}  # position of a kept text -> its shingles
        self._holders: dict[int, array[int]] = {}  # shingle -> positions of the kept texts that have it
        self._sizes = array("i")  # number of shingles of each text

    def add(self, text: str) -> int | None:
        """Keep the text if it repeats none kept so far, else return the position of the one that it repeats."""
        shingles = self._shingles(text)
        original = self._most_similar(shingles)
        if original is None:
            self._kept[self.n_texts] = array("q", shingles)
            for shingle in shingles:
                self._holders.setdefault(shingle, array("i")).append(self.n_texts)
        self._sizes.append(len(shingles))
        self.n_texts += 1
        return original

    def _shingles(self, text: str) -> set[int]:
        """Return the text's words and word pairs as numbers: a word's number, or those of two words side by side.

        A text without any word counts as one word of its own, so that "?!" repeats "?!" and not "...".
        """
        words = split_words(text) or ["\0" + text.strip()]
        numbers = [self._words.setdefault(word, len(self._words) + 1) for word in words]
        return {*numbers, *(first << 32 | second for first, second in itertools.pairwise(numbers))}

    def _most_similar(self, shingles: set[int]) -> int | None:
        best, best_similarity = None, 0.0
        for position in self._candidates(shingles):
            kept = self._kept[position]
            n_shared = len(shingles.intersection(kept))
            similarity = n_shared / (len(shingles) + len(kept) - n_shared)
            if similarity >= self.threshold and similarity > best_similarity:
                best, best_similarity = position, similarity
        return best

    def _candidates(self, shingles: set[int]) -> list[int]:
        """Return, in ascending order, every kept text that can reach the threshold, and few that cannot.

        With n and k shingles and a similarity of t or more, at least t·n, t·k and t/(1+t)·(n+k) of them are shared.
        """
        n = len(shingles)
        n_asked = min(n, n - math.ceil(self.threshold * n - _MARGIN) + 1 + n // _MORE)
        held = [self._holders[shingle] for shingle in shingles if shingle in self._holders]
        asked = sorted(held, key=len)[: max(0, n_asked - (n - len(held)))]  # those that nobody has come first
        if not asked:
            return []
        positions, n_hits = np.unique(
            np.concatenate([np.frombuffer(holders, np.int32) for holders in asked]), return_counts=True
        )
        k = np.frombuffer(self._sizes, np.int32)[positions]
        n_shared_at_most = np.minimum(n_hits + (n - n_asked), k)
        n_shared_at_least = np.maximum(self.threshold / (1 + self.threshold) * (n + k), self.threshold * k) - _MARGIN
        return positions[n_shared_at_most >= n_shared_at_least].tolist()  # type: ignore[no-any-return]


def split_words(text: str) -> list[str]:
    """Return the text's words as they are compared: NFKC, caseless, without punctuation and apostrophes.

    >>> split_words("Don't name 3 cats, name 4!")
    ['dont', 'name', '3', 'cats', 'name', '4']
    """
    return list(_words_of(text))


@functools.lru_cache(maxsize=64)  # every rule of the filter asks for the words of the same answer
def _words_of(text: str) -> tuple[str, ...]:
    caseless = unicodedata.normalize("NFKC", text).casefold()
    return tuple(_WORD.findall(_APOSTROPHES.sub("", caseless)))
