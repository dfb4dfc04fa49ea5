from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mminstruct.train.order import EpochOrder, epoch_order


@given(
    rows=st.lists(st.tuples(st.integers(1, 500), st.booleans()), max_size=80),
    n_chunks=st.integers(1, 4),
    at_once=st.integers(1, 4),
    seed=st.integers(0, 5),
)
def test_each_row_once_and_each_full_step_of_one_modality(
    rows: list[tuple[int, bool]], n_chunks: int, at_once: int, seed: int
) -> None:
    n_tokens = np.array([n for n, _ in rows], dtype=np.int32)
    has_image = np.array([image for _, image in rows], dtype=bool)
    step = n_chunks * at_once
    order = epoch_order(n_tokens, has_image, step, n_chunks, (seed, 0))
    assert sorted(order.tolist()) == list(range(len(rows)))
    n_full = sum(int((has_image == kind).sum()) // step for kind in (True, False))
    for number in range(n_full):
        assert len(set(has_image[order[number * step : (number + 1) * step]].tolist())) == 1


def test_a_step_s_lengths_are_dealt_evenly_to_its_chunks() -> None:
    n_tokens = np.arange(8, dtype=np.int32)
    order = epoch_order(n_tokens, np.ones(8, dtype=bool), 8, 2, (0, 0))
    assert order.tolist() == [7, 5, 3, 1, 6, 4, 2, 0]


def test_epochs_differ_and_come_again() -> None:
    order = EpochOrder(np.ones(50, dtype=np.int32), np.ones(50, dtype=bool), 4, 1, seed=3)
    first = list(order)
    order.set_epoch(1)
    second = list(order)
    order.set_epoch(0)
    assert first != second
    assert list(order) == first
