"""What an ablation tells while it goes on: headings, and the progress of the parts that do the work."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mminstruct.pipeline.progress import Progress, Silent

if TYPE_CHECKING:
    from mminstruct.train.progress import TrainProgress


@dataclass(frozen=True)
class Telling:
    """Where it is told. Each part's progress is opened when the part begins: a terminal shows one set of bars."""

    heading: Callable[[str], None] = lambda text: None
    stages: Callable[[], AbstractContextManager[Progress]] = lambda: nullcontext(Silent())
    training: Callable[[], AbstractContextManager[TrainProgress | None]] = nullcontext
