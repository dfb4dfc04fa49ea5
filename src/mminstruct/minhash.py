"""MinHash signatures of texts: what finds near copies among a million of them without comparing all with all.

    ["Write a poem about the cat.", …]  ─►  Signatures(keys (n, n_bands), sketches (n, 32), words of each text)

A signature is a pure function of its text and the threshold, so workers may compute signatures anywhere, in batches of
any size, and one process looks them up (`mminstruct.twins`). Shingles are those of `mminstruct.near_copies`.

The method is MinHash (Broder 1997) with banding (Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, 3.4). Two
texts of similarity s agree in one MinHash value with probability s, in a whole band of r values with s^r, and in one of
b bands or more with 1 − (1 − s^r)^b.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mminstruct.near_copies import split_words

SKETCH_SIZE = 32  # bytes
_RECALL = 0.99  # at the threshold itself; it is higher for all pairs above
_MOST_BANDS = 32  # a table of twice as many keys would find no more, only compare fewer
_MOST_BANDS_OF_ONE = 256  # low thresholds need more bands than that, and find less than _RECALL
_N_AT_ONCE = 128  # texts; their shingles fit in a core's own cache
_MOST_WORDS = 2**17  # remembered with their hashes, so that a long run does not remember all words of the world
_SEED = 20_240_604

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Bands:
    """How MinHash values are grouped: `n_bands` of `n_rows` values each."""

    n_bands: int
    n_rows: int

    def recall(self, similarity: float) -> float:
        """Return the probability that a pair of this similarity meets in a band.

        >>> round(Bands(26, 5).recall(0.7), 3)
        0.992
        """
        return float(1 - (1 - similarity**self.n_rows) ** self.n_bands)


def bands_for(threshold: float) -> Bands:
    """Return the longest bands that find 99 % of the pairs at the threshold with 32 bands or fewer.

    Longer bands bring fewer pairs to compare that are none. Raises ValueError for a threshold outside (0, 1].

    >>> bands_for(0.7)
    Bands(n_bands=26, n_rows=5)
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold is {threshold}; expected a number over 0 and up to 1")
    n_rows = 1
    while n_rows < SKETCH_SIZE and _n_bands(threshold, n_rows + 1) <= _MOST_BANDS:
        n_rows += 1
    return Bands(min(_n_bands(threshold, n_rows), _MOST_BANDS_OF_ONE), n_rows)


def _n_bands(threshold: float, n_rows: int) -> int:
    met = threshold**n_rows
    return 1 if met >= _RECALL else math.ceil(math.log1p(-_RECALL) / math.log1p(-met))


@dataclass(frozen=True, slots=True)
class Signature:
    """What is known of one text: `keys` (n_bands,) uint64, `sketch` (32,) uint8, `words` (n_words,) uint64 hashes."""

    keys: Hashes
    sketch: npt.NDArray[np.uint8]
    words: Hashes


@dataclass(frozen=True, slots=True)
class Signatures:
    """The signatures of some texts: `keys` (n, n_bands), `sketches` (n, 32), `words` of all, cut at `ends` (n,)."""

    keys: Hashes
    sketches: npt.NDArray[np.uint8]
    words: Hashes
    ends: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ends)

    def __iter__(self) -> Iterator[Signature]:
        start = 0
        for position, end in enumerate(self.ends.tolist()):
            yield Signature(self.keys[position], self.sketches[position], self.words[start:end])
            start = end


def signatures(texts: Sequence[str], bands: Bands) -> Signatures:
    """Return the texts' signatures; each depends on its own text alone."""
    blocks = [texts[start : start + _N_AT_ONCE] for start in range(0, len(texts), _N_AT_ONCE)]
    hashed = [_word_hashes(block) for block in blocks]
    values = [_min_hashes(words, ends, bands) for words, ends in hashed]
    if not blocks:
        no_words = np.zeros(0, np.uint64)
        no_sketches = np.zeros((0, SKETCH_SIZE), np.uint8)
        return Signatures(np.zeros((0, bands.n_bands), np.uint64), no_sketches, no_words, np.zeros(0, np.int64))
    minima = np.concatenate(values, axis=1)
    lengths = np.concatenate([np.diff(ends, prepend=0) for _, ends in hashed])
    sketches = np.ascontiguousarray(minima[:SKETCH_SIZE].T.astype(np.uint8))
    return Signatures(
        _band_keys(minima, bands), sketches, np.concatenate([words for words, _ in hashed]), np.cumsum(lengths)
    )


def shingles(words: Hashes) -> set[int]:
    """Return the hashes of a text's words and pairs of neighbouring words."""
    return {*words.tolist(), *_pairs(words).tolist()}


def _pairs(words: Hashes) -> Hashes:
    """Return a hash of each two words that stand side by side; their order counts."""
    return mixed(words[:-1] * np.uint64(0x9E3779B97F4A7C15) + words[1:])


def mixed(numbers: Hashes) -> Hashes:
    """Return numbers whose every bit hangs on all bits of the given ones (the finalizer of MurmurHash3)."""
    numbers = (numbers ^ (numbers >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    numbers = (numbers ^ (numbers >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return numbers ^ (numbers >> np.uint64(33))


class _WordHashes(dict[str, int]):
    """The hash of each word, computed when it is first asked for; the same in every process."""

    def __missing__(self, word: str) -> int:
        digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        if len(self) >= _MOST_WORDS:
            self.clear()
        number = self[word] = int.from_bytes(digest, "little")
        return number


_hash_of = _WordHashes()


def _word_hashes(texts: Sequence[str]) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """Return the hashes of all words of all texts, and where each text ends; as in `near_copies`, no text has none."""
    numbers: list[int] = []
    ends = []
    for text in texts:
        numbers.extend([_hash_of[word] for word in split_words(text) or ["\0" + text.strip()]])
        ends.append(len(numbers))
    return np.array(numbers, np.uint64), np.array(ends, np.int64)


def _min_hashes(words: Hashes, ends: npt.NDArray[np.int64], bands: Bands) -> npt.NDArray[np.uint32]:
    """Return the MinHash values of texts, `(n_values, n_texts)`: for each function its least value over the shingles.

    A function is one multiplication of 32 bits on hashes of 64 that are mixed already.
    """
    pairs = _pairs(words)
    numbers = np.empty(2 * len(words), np.uint64)  # a text's words and pairs stand together, so minima are of slices
    numbers[0::2] = words
    numbers[1:-1:2] = pairs
    numbers[2 * ends - 1] = words[ends - 1]  # the pair across the border of two texts is none: a word takes its place
    folded = (numbers >> np.uint64(32)).astype(np.uint32)
    starts = 2 * np.concatenate([[0], ends[:-1]])
    factors, offsets = _functions(max(bands.n_bands * bands.n_rows, SKETCH_SIZE))
    minima = np.empty((len(factors), len(ends)), np.uint32)
    values = np.empty_like(folded)
    for row, (factor, offset) in enumerate(zip(factors, offsets, strict=True)):
        np.bitwise_xor(folded, offset, out=values)
        np.multiply(values, factor, out=values)
        np.minimum.reduceat(values, starts, out=minima[row])
    return minima


def _functions(n: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Return factors, which are odd so that no two numbers become one, and offsets."""
    drawn = mixed(np.arange(1, 2 * n + 1, dtype=np.uint64) * np.uint64(_SEED)).astype(np.uint32)
    return drawn[0::2] | np.uint32(1), drawn[1::2]


def _band_keys(minima: npt.NDArray[np.uint32], bands: Bands) -> Hashes:
    """Return one number for each band of each text, `(n_texts, n_bands)`; equal bands of other places differ."""
    n_texts = minima.shape[1]
    grouped = minima[: bands.n_bands * bands.n_rows].reshape(bands.n_bands, bands.n_rows, n_texts).astype(np.uint64)
    keys = np.repeat(np.arange(1, bands.n_bands + 1, dtype=np.uint64)[:, None], n_texts, axis=1)
    for row in range(bands.n_rows):
        keys = mixed(keys * np.uint64(0x9E3779B97F4A7C15) + grouped[:, row])
    return np.ascontiguousarray(keys.T)
