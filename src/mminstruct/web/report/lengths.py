"""How long the texts are, in words: instructions, answers that passed the filter, and answers that did not."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from mminstruct.pipeline.run_tables import Tables
from mminstruct.web.report.contents import Spread
from mminstruct.web.report.tallies import Tally, word_counts

_MOST_WORDS = 20_000  # of one text; longer ones count as so long, lest one reply in a loop take the memory


def length_spreads(tables: Tables) -> list[Spread]:
    """Return the lengths by kind of text; a kind that the run has none of is left out."""
    raw = _tally("raw instructions", tables.raw_instructions.columns(["text"]))
    final = _tally("general instructions", tables.instructions.columns(["text"]))
    kept = _tally("answers kept", tables.kept.columns(["answer"]))
    rejected = _tally("answers rejected", tables.kept.reject_columns(["raw_text"]))
    spreads = (raw.spread(final), final.spread(raw), kept.spread(rejected), rejected.spread(kept))
    return [spread for spread in spreads if spread.n]


def _tally(name: str, parts: Iterable[tuple[int, pa.Table]]) -> Tally:
    tally = Tally(name)
    for _, part in parts:
        tally.add(np.minimum(word_counts(part.column(0)), _MOST_WORDS))
    return tally
