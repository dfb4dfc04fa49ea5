"""The map of a run's instructions: what was written for single images, and the general ones that it became.

    02_raw_instructions, 03_instructions and their rejects ─► vectors by the run's sentence encoder ─► points

`instruction_map(config, tables)` gives an `InstructionMap`, whose columns go side by side:

    xy            text                                   kind       cluster  became   reason
    (0.31, -0.2)  Write an ad for the red bike …         raw        17       07ab…
    (0.29, -0.2)  Write an ad for the item in the image. final      17       07ab…
    (0.80, 0.11)  List ten facts about Paul Klee.        rejected   4                 over_specific
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mminstruct.config.run import RunConfig
from mminstruct.encoders.clustering import cluster
from mminstruct.errors import RunError
from mminstruct.pipeline.run_tables import Tables
from mminstruct.rows import Instruction, RawInstruction, Reject
from mminstruct.web.maps.project import Points, Told, project
from mminstruct.web.maps.vectors import text_vectors

NOWHERE = -1  # the cluster of a text that never came to be in one
_CLUSTER = re.compile(r"cluster (\d+) of \d+ members: ")  # how summarize's rejects begin


@dataclass(frozen=True)
class InstructionMap:
    """A point a row; the columns are equally long."""

    xy: Points
    ids: list[str]  # raw_id, instruction_id, or the reject's row_id
    text: list[str]
    kind: list[str]  # `raw`, `final` or `rejected`
    cluster: list[int]  # of the k-means in summarize; of a final one the first; NOWHERE where it was rejected before
    became: list[str]  # instruction_id of the final one (its own where it is one); empty where it became none
    reason: list[str]  # why it was rejected; empty where it was not
    detail: list[str]  # what was found, where it was rejected
    category: list[str]  # of the final one; empty where it became none
    note: str = ""  # what is not on the map, and why


@dataclass(frozen=True, slots=True)
class _Row:
    """What will be a point."""

    row_id: str
    text: str
    kind: str
    cluster: int = NOWHERE
    became: str = ""
    reason: str = ""
    detail: str = ""
    category: str = ""


def instruction_map(
    config: RunConfig, tables: Tables, n_at_most: int | None = None, told: Told | None = None
) -> InstructionMap:
    """Return the map of all instructions, or of `n_at_most` raw ones drawn by chance and all final ones.

    Raises RunError where no vectors are kept and none may be computed, MissingExtraError without scikit-learn.
    """
    told = told or (lambda share: None)
    raws, finals = list(tables.raw_instructions.rows()), list(tables.instructions.rows())
    rows = [
        *_raw_rows(config, raws, finals, list(tables.instructions.rejects()), lambda share: told(0.4 * share)),
        *(_early_reject(reject) for reject in tables.raw_instructions.rejects() if reject.raw_text.strip()),
    ]
    rows = _some(rows, n_at_most, config.seed)
    rows += [_final_row(instruction) for instruction in finals]
    found = text_vectors(config, [row.text for row in rows], lambda share: told(0.4 + 0.1 * share))
    if rows and not len(found.positions):
        raise RunError(found.why)
    xy = project(found.vectors, config.seed, lambda share: told(0.5 + 0.5 * share))
    return _columns(xy, [rows[position] for position in found.positions.tolist()], found.why)


def _raw_rows(
    config: RunConfig,
    raws: Sequence[RawInstruction],
    finals: Sequence[Instruction],
    rejects: Sequence[Reject],
    told: Told,
) -> list[_Row]:
    """Return the raw instructions that were summarised, with the final one that each became."""
    homes = {raw_id: instruction for instruction in finals for raw_id in instruction.members}
    labels = _labels(config, raws, homes, told)
    faults = {int(found[1]): reject for reject in rejects if (found := _CLUSTER.match(reject.detail))}
    rows = []
    for raw, label in zip(raws, labels, strict=True):
        home, fault = homes.get(raw.raw_id), faults.get(label)
        if home:
            rows.append(_Row(raw.raw_id, raw.text, "raw", label, home.instruction_id, category=home.category))
        elif fault:
            detail = f"its cluster's summary was rejected: {fault.raw_text} ({_CLUSTER.sub('', fault.detail)})"
            rows.append(_Row(raw.raw_id, raw.text, "rejected", label, reason=str(fault.reason), detail=detail))
        else:  # summarize has not come to it yet, or its request failed
            rows.append(_Row(raw.raw_id, raw.text, "raw", label))
    return rows


def _labels(config: RunConfig, raws: Sequence[RawInstruction], homes: dict[str, Instruction], told: Told) -> list[int]:
    """Return the cluster of each raw instruction: the k-means of summarize once more, which gives the same on any day.

    Where the tables contradict it (they are of another version), or a vector is missing, only what they say counts.
    """
    tabled = [min(homes[raw.raw_id].clusters) if raw.raw_id in homes else NOWHERE for raw in raws]
    found = text_vectors(config, [raw.text for raw in raws], told)
    if len(found.positions) < len(raws) or not raws:
        return tabled
    labels = cluster(found.vectors, config.summarize.n_clusters, config.seed).labels.tolist()
    agreed = all(
        label in homes[raw.raw_id].clusters for raw, label in zip(raws, labels, strict=True) if raw.raw_id in homes
    )
    return labels if agreed else tabled


def _early_reject(reject: Reject) -> _Row:
    """Return the row of a reply that augment rejected."""
    return _Row(reject.row_id, reject.raw_text, "rejected", reason=str(reject.reason), detail=reject.detail)


def _final_row(instruction: Instruction) -> _Row:
    own = instruction.instruction_id
    return _Row(own, instruction.text, "final", min(instruction.clusters), own, category=instruction.category)


def _some(rows: list[_Row], n_at_most: int | None, seed: int) -> list[_Row]:
    """Return at most so many of the rows, in their order."""
    if n_at_most is None or len(rows) <= n_at_most:
        return rows
    chosen = np.random.default_rng(seed).choice(len(rows), n_at_most, replace=False)
    return [rows[position] for position in np.sort(chosen).tolist()]


def _columns(xy: Points, rows: Sequence[_Row], note: str) -> InstructionMap:
    return InstructionMap(
        xy,
        [row.row_id for row in rows],
        [row.text for row in rows],
        [row.kind for row in rows],
        [row.cluster for row in rows],
        [row.became for row in rows],
        [row.reason for row in rows],
        [row.detail for row in rows],
        [row.category for row in rows],
        note,
    )
