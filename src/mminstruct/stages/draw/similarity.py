"""Similarities that are the same on every machine: features (t, d), instructions (n, d) ─► scores (t, width)."""

from __future__ import annotations

import numpy as np

from mminstruct.encoders.protocols import Embeddings
from mminstruct.products import on_grid
from mminstruct.stages.draw.weighted import Floats

OUTSIDE = np.float32(-2)  # the score of columns that only fill up the width
GRID_ROWS = 512  # of the grid at a time: what a core's own cache (1 MB) holds

_IMAGE_UNITS = 2.0**12
_INSTRUCTION_UNITS = 2.0**11


def table_of(instructions: Embeddings) -> Embeddings:
    """Return `(n, d)` instructions as the `(d, n)` table to multiply by, rounded to multiples of 2^-11."""
    return np.ascontiguousarray(np.rint(instructions.T * _INSTRUCTION_UNITS) / _INSTRUCTION_UNITS, np.float32)


def score(features: Embeddings, table: Embeddings, grid: Embeddings, scores: Floats) -> None:
    """Write the similarities of `(t, d)` features to the first n columns of `scores`.

    `grid` is `(GRID_ROWS, d)`, to work in.
    """
    for first in range(0, len(features), GRID_ROWS):
        chunk = features[first : first + GRID_ROWS]
        to_unit_grid(chunk, grid[: len(chunk)])
        np.matmul(grid[: len(chunk)], table, out=scores[first : first + len(chunk), : table.shape[1]])


def to_unit_grid(features: Embeddings, grid: Embeddings) -> None:
    """Write `(t, d)` features, rounded to multiples of 2^-12, to `grid`.

    With instructions rounded to 2^-11, products are multiples of 2^-23; unit vectors' sums of them stay within ±2, and
    float32 has room for that without rounding. So the sum is the same in whatever order it is taken: no BLAS, thread or
    tile changes a bit of it. The price is an error of about 0.00016 (standard deviation) in a similarity.
    """
    on_grid(features, _IMAGE_UNITS, grid)
