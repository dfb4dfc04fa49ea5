"""Where a run stops fitting: for each thing that there is only so much of, the number of images at which it is used up.

Scaler.at(n) ─► what is needed at n images ─┐
rates.yaml: memory, disk, hours, files ─────┴─► Limit("memory, images", reached_at=230_000_000, …)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from mminstruct.pipeline.scale import Scale, Scaler

_MOST_IMAGES = 10**13  # beyond this nothing is looked for
_ROOM = 2  # an advised setting leaves so many times the room that is needed


@dataclass(frozen=True, slots=True)
class Limit:
    """One thing that runs out; `reached_at` is None where no number of images uses it up."""

    name: str
    needed: float  # at the number of images that was asked for
    available: float
    unit: str  # bytes, hours, files or rows
    reached_at: int | None
    what_then: str

    @property
    def is_reached(self) -> bool:
        """Whether what is needed is more than there is."""
        return self.needed > self.available


@dataclass(frozen=True, slots=True)
class _Bound:
    name: str
    needed: Callable[[Scale], float]
    available: float
    unit: str
    what_then: str


def limits(scaler: Scaler, n_images: int) -> list[Limit]:
    """Return all limits, those that are reached at the fewest images first."""
    at_n = scaler.at(n_images)
    found = [
        Limit(
            bound.name,
            bound.needed(at_n),
            bound.available,
            bound.unit,
            _reached_at(scaler, bound),
            bound.what_then,
        )
        for bound in (*_pairs(scaler, at_n), *_files(scaler, at_n), *_memory(scaler, at_n), *_hours(scaler, at_n))
    ]
    return sorted(found, key=lambda limit: limit.reached_at or math.inf)


def _reached_at(scaler: Scaler, bound: _Bound) -> int | None:
    """Return the fewest images at which more is needed than there is; what is needed never falls with more images."""
    if bound.needed(scaler.at(_MOST_IMAGES)) <= bound.available:
        return None
    enough, too_many = 0, _MOST_IMAGES
    while too_many - enough > 1:
        middle = (enough + too_many) // 2
        if bound.needed(scaler.at(middle)) > bound.available:
            too_many = middle
        else:
            enough = middle
    return too_many


def _pairs(scaler: Scaler, scale: Scale) -> list[_Bound]:
    config = scaler.config.match
    if config.max_per_instruction is None:
        return []
    n_instructions = scale.stage("summarize").plan.n_rows
    per_image = min(config.per_image, n_instructions)
    n_wanted = scale.n_images * per_image
    cap = _rounded_up(_ROOM * n_wanted / max(1, n_instructions))
    return [
        _Bound(
            "matches under match.max_per_instruction",
            lambda scale: scale.n_images * per_image,
            n_instructions * config.max_per_instruction,
            "matches",
            "Every image after that is rejected with no_match. Set match.max_per_instruction to "
            f"{cap:,}, or more instructions (summarize.n_clusters).",
        )
    ]


def _files(scaler: Scaler, scale: Scale) -> list[_Bound]:
    most = scaler.rates.files_in_folder.value
    shard_size = max(_rounded_up(_ROOM * scale.n_images / most), scaler.config.shard_size)
    disk = scaler.rates.driver_disk_bytes.value
    return [
        _Bound(
            "parts of one table, files in one folder",
            lambda scale: max(stored.n_files for stored in scale.stored),
            most,
            "files",
            f"Their names no longer sort, and listings get slow. Set shard_size to {shard_size:,}.",
        ),
        _Bound(
            "reply store on the driver's disk",
            lambda scale: scale.bytes_of("reply store"),
            disk,
            "bytes",
            "A larger disk, or several runs over parts of the collection, each with a `replies` folder of its own.",
        ),
    ]


def _memory(scaler: Scaler, scale: Scale) -> list[_Bound]:
    then = {
        "images": "A driver with more memory, or several runs over parts of the collection.",
        "filter": "Switch the rule off (filter.skip: [near_duplicate_answer]), or several runs over parts of the "
        "collection: twins are then looked for within each.",
        "split": "A driver with more memory, or several runs of which one holds out the benchmark.",
    }
    what = {"images": "which images came before", "filter": "near duplicates", "split": "who may be held out"}
    return [
        _Bound(
            f"driver's memory, {stage} ({what[stage]})",
            lambda scale, stage=stage: scale.memory[stage],  # type: ignore[misc]
            scaler.rates.driver_memory_bytes.value,
            "bytes",
            then[stage],
        )
        for stage in scale.memory
    ]


def _hours(scaler: Scaler, scale: Scale) -> list[_Bound]:
    several = "Several runs over parts of the collection at the same time."
    then = {
        "answer": f"One process asks and one writer stores: endpoints that are faster wait for it. {several}",
        "describe": f"One process asks and one writer stores: endpoints that are faster wait for it. {several}",
    }
    return [
        _Bound(
            f"driver's hours, {stage.plan.stage}",
            lambda scale, name=stage.plan.stage: scale.stage(name).driver_hours,  # type: ignore[misc]
            scaler.rates.driver_hours.value,
            "hours",
            then.get(stage.plan.stage, f"The parts go through one process in order. {several}"),
        )
        for stage in scale.stages
    ]


def _rounded_up(number: float) -> int:
    """Return the next number of two digits and zeros.

    >>> _rounded_up(312_500), _rounded_up(7)
    (320000, 7)
    """
    step = int(10 ** max(0, len(str(math.ceil(number))) - 2))
    return math.ceil(number / step) * step
