"""Finds, for each of a million texts, the kept one that it repeats almost word for word, in flat memory.

    TwinIndex(0.7); index.add("a1", signature); index.find(other)  ─►  "a1" or None

What is remembered of a kept text: a number for each band of its signature, a sketch of 32 bytes and a place in a
scratch file; 270 bytes in all at a threshold of 0.7. Its name and its words' hashes are in the scratch file, 8 bytes a
word, in Python's folder for temporary files (`TMPDIR`).

Texts that share a band are compared, first by their sketches, then exactly. So whatever is found is a near copy; of
those that there are, one in a hundred is missed at the threshold itself, and hardly any well above it.
`mminstruct.near_copies` misses none, and needs fifteen times the memory.
"""

from __future__ import annotations

import math
import os
import tempfile
import weakref
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mminstruct.errors import RunError
from mminstruct.minhash import SKETCH_SIZE, Bands, Hashes, Signature, bands_for, shingles, signatures

_N_RECENT = 2**11  # texts whose bands are in a dictionary before they become a run
_LARGEST_RUN = 2**19  # texts; larger ones are not merged among four million: a merge needs 100 MB
_LARGEST_SHARE = 8  # among more, runs up to an eighth of all are: there are never many to look into
_N_AT_ONCE = 512  # texts whose signatures are computed together
_PER_BUCKET = 8  # entries
_POSITION_BITS = np.uint64(28)  # of 64; the other 36 are the band's
_MOST_TEXTS = 1 << 28
_SKETCH_DEVIATIONS = 3.5  # a pair at the threshold is lost to its sketch once in 4,000


class TwinIndex:
    """The kept texts so far, by name. Which texts are given together changes nothing."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.bands: Bands = bands_for(threshold)
        self._runs: list[_Run] = []
        self._recent: dict[int, list[int]] = {}  # a band's key -> positions
        self._recent_keys: list[Hashes] = []
        self._sketches = np.empty((_N_RECENT, SKETCH_SIZE), np.uint8)
        self._records = _Records()
        spread = _SKETCH_DEVIATIONS * math.sqrt(SKETCH_SIZE * threshold * (1 - threshold))
        self._least_shared = SKETCH_SIZE * threshold - spread  # bytes of the sketches

    def __len__(self) -> int:
        return len(self._records)

    def signatures(self, texts: Sequence[str]) -> list[Signature]:
        """Return the texts' signatures for `add` and `find`."""
        return list(signatures(texts, self.bands))

    def add(self, name: str, signature: Signature) -> None:
        """Keep a text under a name, which need not be its own alone."""
        position = len(self)
        if position == _MOST_TEXTS:
            raise OverflowError(f"a TwinIndex holds {_MOST_TEXTS:,} texts")
        if position == len(self._sketches):
            self._sketches = np.concatenate([self._sketches, np.empty_like(self._sketches)])
        self._sketches[position] = signature.sketch
        self._records.append(name, signature.words)
        for key in signature.keys.tolist():
            self._recent.setdefault(key, []).append(position)
        self._recent_keys.append(signature.keys)
        if len(self._recent_keys) == _N_RECENT:
            self._close_recent()

    def find(self, signature: Signature) -> str | None:
        """Return the name of the most similar kept text, the earliest of equals; None where none is near enough."""
        ours: set[int] = set()
        best, best_similarity = None, 0.0
        for position in self._candidates(signature):
            name, words = self._records[position]
            theirs = shingles(words)
            ours = ours or shingles(signature.words)
            n_shared = len(ours & theirs)
            similarity = n_shared / (len(ours) + len(theirs) - n_shared)
            if similarity >= self.threshold and similarity > best_similarity:
                best, best_similarity = name, similarity
        return best

    def _candidates(self, signature: Signature) -> list[int]:
        """Return, in ascending order, the kept texts that share a band and a good part of the sketch."""
        met = [run.find(signature.keys) for run in self._runs]
        recent = [position for key in signature.keys.tolist() for position in self._recent.get(key, ())]
        positions = np.unique(np.concatenate([*met, np.array(recent, np.int64)]))
        n_shared = (self._sketches[positions] == signature.sketch).sum(axis=1)
        return positions[n_shared >= self._least_shared].tolist()  # type: ignore[no-any-return]

    def _close_recent(self) -> None:
        """Make a run of the recent texts and merge runs of the same size, as carrying in a binary number does."""
        first = len(self) - len(self._recent_keys)
        positions = np.arange(first, len(self), dtype=np.uint64)[:, None]
        keys = np.stack(self._recent_keys)
        entries = ((keys >> _POSITION_BITS) << _POSITION_BITS | positions).reshape(-1)
        self._recent, self._recent_keys = {}, []
        n_largest = max(_LARGEST_RUN, len(self) // _LARGEST_SHARE) * self.bands.n_bands
        while self._runs and len(self._runs[-1].entries) == len(entries) and len(entries) < n_largest:
            entries = np.concatenate([self._runs.pop().entries, entries])
        self._runs.append(_Run(entries))


def twins_among(texts: Sequence[str], threshold: float) -> list[int | None]:
    """Return for each text the position of the earlier kept one that it repeats, or None: `near_copies`, for millions.

    >>> twins_among(["Write a poem about the cat.", "write a poem about THE cat", "Plan a trip."], 0.8)
    [None, 0, None]
    """
    index = TwinIndex(threshold)
    found: list[int | None] = []
    for start in range(0, len(texts), _N_AT_ONCE):
        for signature in index.signatures(texts[start : start + _N_AT_ONCE]):
            twin = index.find(signature)
            if twin is None:
                index.add(str(len(found)), signature)
            found.append(None if twin is None else int(twin))
    return found


class _Run:
    """Band keys with the positions that have them, sorted; entries are a key's upper 36 bits and a position's 28."""

    def __init__(self, entries: Hashes) -> None:
        entries.sort()
        self.entries = entries
        n_bits = max(1, (len(entries) // _PER_BUCKET).bit_length() - 1)
        self._shift = np.uint64(64 - n_bits)
        borders = np.arange(1 << n_bits, dtype=np.uint64) << self._shift
        self._starts = np.append(np.searchsorted(entries, borders), len(entries)).astype(np.uint32)

    def find(self, keys: Hashes) -> npt.NDArray[np.int64]:
        """Return the positions that have one of the keys."""
        buckets = keys >> self._shift
        starts, ends = self._starts[buckets].astype(np.int64), self._starts[buckets + np.uint64(1)].astype(np.int64)
        lengths = ends - starts
        skipped = np.cumsum(lengths) - lengths
        places = np.arange(lengths.sum()) + np.repeat(starts - skipped, lengths)
        found = self.entries[places]
        same = (found ^ np.repeat(keys, lengths)) >> _POSITION_BITS == 0
        positions: npt.NDArray[np.int64] = (found[same] & np.uint64(_MOST_TEXTS - 1)).astype(np.int64)
        return positions


class _Records:
    """Names and words' hashes in a scratch file that has no name, and is gone with the process."""

    def __init__(self) -> None:
        self._ends = array("q")
        self._file: int | None = None

    def __len__(self) -> int:
        return len(self._ends)

    def append(self, name: str, words: Hashes) -> None:
        """Write one record at the end. Raises RunError where the folder for temporary files takes no more."""
        encoded = name.encode("utf-8", "surrogatepass")
        data = memoryview(len(encoded).to_bytes(4, "little") + encoded + words.tobytes())
        end = (self._ends[-1] if self._ends else 0) + len(data)
        try:
            if self._file is None:
                self._file, path = tempfile.mkstemp(prefix="mminstruct-twins-")
                Path(path).unlink()
                weakref.finalize(self, os.close, self._file)
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            raise RunError(
                f"What is remembered of the answers cannot be written to {tempfile.gettempdir()}: {error}. Make room "
                "there (8 bytes for each word), or set TMPDIR to another folder, and run again."
            ) from error
        self._ends.append(end)

    def __getitem__(self, position: int) -> tuple[str, Hashes]:
        assert self._file is not None
        start = self._ends[position - 1] if position else 0
        data = os.pread(self._file, self._ends[position] - start, start)
        n_name = 4 + int.from_bytes(data[:4], "little")
        return data[4:n_name].decode("utf-8", "surrogatepass"), np.frombuffer(data[n_name:], np.uint64)
