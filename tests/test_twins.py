"""The index of near copies: what it names is one, nearly all are found, and batches do not matter."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mminstruct import twins
from mminstruct.errors import RunError
from mminstruct.minhash import shingles
from mminstruct.near_copies import near_copies
from mminstruct.twins import TwinIndex

WORDS = st.sampled_from(["a", "b", "c", "d", "e", "f", "1", "2"])
TEXTS = st.lists(st.lists(WORDS, max_size=14).map(" ".join), max_size=25)
THRESHOLDS = st.one_of(st.sampled_from([0.2, 0.5, 2 / 3, 0.7, 0.8, 1.0]), st.floats(0.01, 1.0))


def twins_of(texts: Sequence[str], threshold: float, n_at_once: int = 7) -> list[int | None]:
    """Return what `near_copies` does, by the index."""
    index = TwinIndex(threshold)
    return list(_twins_of(texts, index, n_at_once))


def _twins_of(texts: Sequence[str], index: TwinIndex, n_at_once: int) -> Iterator[int | None]:
    for start in range(0, len(texts), n_at_once):
        for offset, signature in enumerate(index.signatures(texts[start : start + n_at_once])):
            twin = index.find(signature)
            if twin is None:
                index.add(str(start + offset), signature)
            yield None if twin is None else int(twin)


def answers(n: int) -> list[str]:
    """Return texts of 100 words, every fifth with some words of an earlier one replaced."""
    drawn = random.Random(1)
    vocabulary = [f"w{number}" for number in range(3000)]
    texts: list[list[str]] = []
    for number in range(n):
        if number % 5 != 4:
            texts.append(drawn.choices(vocabulary, k=100))
            continue
        copy = list(drawn.choice(texts))
        for _ in range(drawn.randrange(14)):
            copy[drawn.randrange(100)] = drawn.choice(vocabulary)
        texts.append(copy)
    return [" ".join(words) for words in texts]


@given(TEXTS, THRESHOLDS)
def test_whatever_is_named_is_a_near_copy(texts: list[str], threshold: float) -> None:
    index = TwinIndex(threshold)
    signed = index.signatures(texts)
    for number, twin in enumerate(_twins_of(texts, index, 7)):
        if twin is not None:
            ours, theirs = shingles(signed[number].words), shingles(signed[twin].words)
            assert len(ours & theirs) / len(ours | theirs) >= threshold


@given(TEXTS, THRESHOLDS, st.integers(1, 25))
def test_batches_of_any_size_give_the_same(texts: list[str], threshold: float, n_at_once: int) -> None:
    assert twins_of(texts, threshold, n_at_once) == twins_of(texts, threshold, 1)


def test_the_same_text_is_always_found() -> None:
    for threshold in (0.2, 0.5, 0.7, 1.0):
        assert twins_of(["Plan a trip.", "Write a song.", "plan a TRIP"], threshold) == [None, None, 0]
    assert twins_of(["", "  ", "?!", "...", "?!", "a"], 0.5) == [None, 0, None, None, 2, None]


def test_the_most_similar_is_named_and_the_earliest_of_equals() -> None:
    index = TwinIndex(0.3)
    signed = index.signatures(["a b c d e f", "a b c d e f g h", "a b c d e f", "a b c d e f g"])
    for name, signature in zip(["far", "near", "far again"], signed, strict=False):
        index.add(name, signature)
    assert index.find(signed[3]) == "near"
    assert index.find(signed[0]) == "far"
    assert len(index) == 3


@pytest.mark.parametrize("n_recent", [8, 2**11])
def test_nearly_all_near_copies_are_found_and_no_others(monkeypatch: pytest.MonkeyPatch, n_recent: int) -> None:
    """With 8 texts a run there are runs of many sizes, which have been merged."""
    monkeypatch.setattr(twins, "_N_RECENT", n_recent)
    monkeypatch.setattr(twins, "_LARGEST_RUN", 32 * n_recent)
    texts = answers(2000)
    exact = near_copies(texts, 0.7)
    found = twins_of(texts, 0.7)
    copies = [number for number, twin in enumerate(exact) if twin is not None]
    assert len(copies) > 300
    assert sum(found[number] is not None for number in copies) >= 0.99 * len(copies)
    assert [number for number, twin in enumerate(found) if twin is not None and exact[number] is None] == []
    assert all(found[number] in (None, exact[number]) for number in copies)


def test_runs_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = answers(500)
    whole = twins_of(texts, 0.7)
    monkeypatch.setattr(twins, "_N_RECENT", 4)
    assert twins_of(texts, 0.7) == whole


def test_names_may_be_anything() -> None:
    index = TwinIndex(0.7)
    names = ["", "né\n", "\ud800", "a" * 10_000]
    signed = index.signatures([f"text number {number} of the four" * (number + 1) for number in range(4)])
    for name, signature in zip(names, signed, strict=True):
        index.add(name, signature)
    assert [index.find(signature) for signature in signed] == names


def test_a_full_disk_is_an_error_that_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    index = TwinIndex(0.7)
    with pytest.raises(RunError, match=r"cannot be written to .*missing.*set TMPDIR"):
        index.add("a", index.signatures(["Plan a trip."])[0])
