"""Counting columns part by part, in memory that does not grow with the rows.

parts of a table ─► count_values (how often each text stands there)
                 ├► Tally (numbers, to a fixed step: quantiles and a histogram)
                 └► word_counts
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import floor, log10

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mminstruct.web.report.contents import Histogram, Spread

_FEWEST, _MOST_ASKED = 8, 24  # bins; nice widths make up to 60 of them
_FAR = 3.0  # times the span from the least value to the 95th percentile: what lies beyond gets no bin


def count_values(parts: Iterable[tuple[int, pa.Table]], column: str) -> Counter[str]:
    """Return how often each value of a column stands in the parts."""
    counts: Counter[str] = Counter()
    for _, part in parts:
        found = pc.value_counts(part.column(column))
        counts.update(dict(zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True)))
    return counts


def word_counts(texts: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Return how many words each text has, `(n,)`: what stands between white space, as `str.split` has it."""
    trimmed = pc.utf8_trim_whitespace(texts)
    words = pc.list_value_length(pc.utf8_split_whitespace(trimmed))
    counts: npt.NDArray[np.int64] = pc.if_else(pc.equal(trimmed, ""), 0, words).to_numpy().astype(np.int64)
    return counts


class Tally:
    """Counts numbers to a step: each is kept as the nearest multiple of `step`, and none lies under `low`."""

    def __init__(self, name: str, step: float = 1.0, low: float = 0.0) -> None:
        self._name = name
        self._step = step
        self._low = low
        self._counts = np.zeros(1, np.int64)

    def add(self, values: npt.NDArray[np.float64] | npt.NDArray[np.int64]) -> None:
        """Count `(n,)` numbers."""
        places = np.rint((values - self._low) / self._step).astype(np.int64)
        found = np.bincount(places, minlength=len(self._counts))
        found[: len(self._counts)] += self._counts
        self._counts = found

    @property
    def n(self) -> int:
        """How many numbers were counted."""
        return int(self._counts.sum())

    def spread(self, *others: Tally) -> Spread:
        """Return the quantiles, the mean and the histogram, whose bins suit the others' numbers too.

        Quantiles are lower ones, so that each is a value that occurs.
        """
        if not self.n:
            return Spread(self._name, 0, None, None, None, None, None, None, None)
        mean = float((np.arange(len(self._counts)) * self._counts).sum() / self.n)
        least, p5, median, p95, most = (self._value(self._place(share)) for share in (0.0, 0.05, 0.5, 0.95, 1.0))
        return Spread(self._name, self.n, least, p5, median, self._value(mean), p95, most, self._histogram(others))

    def _place(self, share: float) -> int:
        """Return the first place with so large a share of the counts up to it."""
        return int(np.searchsorted(np.cumsum(self._counts), max(1.0, share * self.n)))

    def _value(self, place: float) -> float:
        return round(self._low + place * self._step, 6)

    def _histogram(self, others: Iterable[Tally]) -> Histogram:
        full = [tally for tally in (self, *others) if tally.n]
        least, p95, most = (max(tally._value(tally._place(share)) for tally in full) for share in (0.0, 0.95, 1.0))
        least = min(tally._value(tally._place(0.0)) for tally in full)
        most = min(most, least + _FAR * max(p95 - least, self._step))
        width = bin_width(most - least, self._step, max(tally.n for tally in full))
        first, last = (floor(round(end / width, 9)) for end in (least, most))
        values = self._low + np.arange(len(self._counts)) * self._step
        bins = np.floor(np.round(values / width, 9)).astype(np.int64) - first
        inside = (bins >= 0) & (bins <= last - first)
        counts = np.bincount(bins[inside], self._counts[inside], minlength=last - first + 1).astype(np.int64)
        return Histogram(round(first * width, 9), width, counts.tolist(), self.n - int(counts.sum()))


def bin_width(span: float, step: float, n: int) -> float:
    """Return the width of bins for `n` numbers: 1, 2 or 5 times a power of ten, and no less than `step`.

    The widest with which there are twice the cube root of `n` bins or more (Rice's rule), but for many numbers 24.

    >>> bin_width(173, 1, 10_000), bin_width(12, 1, 10_000), bin_width(0.4, 0.001, 50)
    (5.0, 1.0, 0.05)
    """
    n_bins = min(_MOST_ASKED, max(_FEWEST, 2 * n ** (1 / 3)))
    widest = max(span / n_bins, step)
    power = 10.0 ** floor(log10(widest) + 1e-9)
    return round(next(power * factor for factor in (5, 2, 1) if power * factor <= widest + 1e-12), 9)
