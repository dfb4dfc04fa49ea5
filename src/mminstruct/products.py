"""Matrix products that give the same on every machine, and fast where several threads each have one of their own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def on_grid(rows: Floats, units: float, out: Floats | None = None) -> Floats:
    """Return rows rounded to multiples of 1 / units, in `out` where it is given.

    float32 keeps no smaller digits beside a large number.
    """
    shift = np.float32(1.5 * 2**23 / units)
    grid = np.add(rows, shift, out=out)
    grid -= shift
    return grid


def one_blas_thread() -> Callable[[], AbstractContextManager[object]]:
    """Return what gives each product one thread: faster, and no other result, so it may be missing."""
    try:
        from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]
    except ImportError:
        return nullcontext
    controller = ThreadpoolController()
    return lambda: controller.limit(limits=1)
