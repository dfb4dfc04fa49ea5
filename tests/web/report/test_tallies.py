"""Counting in flat memory, beside numpy's own answers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mminstruct.web.report.tallies import Tally, count_values, word_counts


@given(st.lists(st.text(alphabet="ab \t\n　", max_size=30), min_size=1))
def test_words_are_those_of_split(texts: list[str]) -> None:
    assert word_counts(pa.chunked_array([texts])).tolist() == [len(text.split()) for text in texts]


def test_values_are_counted_over_parts() -> None:
    parts = [
        (0, pa.table({"a": ["x", "y", "x"]})),
        (3, pa.table({"a": ["y"]})),
        (4, pa.table({"a": pa.array([], "string")})),
    ]
    assert count_values(parts, "a") == {"x": 2, "y": 2}


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=200), st.integers(1, 5))
def test_quantiles_are_values_that_occur(numbers: list[int], n_parts: int) -> None:
    tally = Tally("words")
    for part in np.array_split(np.array(numbers), n_parts):
        tally.add(part)
    spread = tally.spread()
    ordered = np.sort(numbers)
    assert (spread.n, spread.least, spread.most) == (len(numbers), ordered[0], ordered[-1])
    assert spread.median == np.percentile(ordered, 50, method="inverted_cdf")
    assert spread.p95 == np.percentile(ordered, 95, method="inverted_cdf")
    assert spread.mean == pytest.approx(ordered.mean(), abs=1e-5)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=200))
def test_no_score_is_lost_from_the_histogram(scores: list[float]) -> None:
    tally = Tally("scores", 0.001, -1.0)
    tally.add(np.array(scores))
    histogram = tally.spread().histogram
    assert histogram is not None
    assert sum(histogram.counts) + histogram.n_beyond == len(scores)
    assert len(histogram.counts) <= 75


def test_what_is_far_away_gets_no_bin_and_is_counted() -> None:
    tally = Tally("words")
    tally.add(np.array([10, 11, 12, 13] * 25 + [9000]))
    histogram = tally.spread().histogram
    assert histogram is not None
    assert (sum(histogram.counts), histogram.n_beyond) == (100, 1)


def test_two_tallies_share_their_bins() -> None:
    few, many = Tally("few"), Tally("many")
    few.add(np.array([5, 6]))
    many.add(np.arange(1000))
    one, other = few.spread(many).histogram, many.spread(few).histogram
    assert one is not None and other is not None
    assert (one.start, one.width, len(one.counts)) == (other.start, other.width, len(other.counts))


def test_nothing_at_all() -> None:
    assert Tally("none").spread().n == 0
