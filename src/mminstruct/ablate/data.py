"""A variant's training data: what its run kept, without what is tested, as LLaVA JSON in `OUT/data/<variant>`."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from mminstruct.ablate.held_out import Barred, Gate
from mminstruct.errors import RunError
from mminstruct.pipeline.run_tables import Tables
from mminstruct.rows import Sample, content_id
from mminstruct.tars import split_tar_path
from mminstruct.writers.export import ExportOptions, ExportReport, write_export
from mminstruct.writers.llava import LLAVA

_FACTS = "variant.json"


@dataclass(frozen=True)
class VariantData:
    """What a variant is trained on, and what of its run is not in it."""

    folder: Path
    fingerprint: str
    n_kept: int  # samples that its run kept
    n_samples: int  # of them, those that are trained on
    n_instructions: int
    n_images: int
    left_out: Mapping[str, int] = field(default_factory=dict)  # by reason: what is tested, and what looks like it

    @property
    def n_left_out(self) -> int:
        """How many samples are left out, those not drawn not counted."""
        return sum(self.left_out.values())


def write_data(name: str, tables: Tables, gate: Gate, folder: Path, n_samples: int | None, seed: int) -> VariantData:
    """Bring `folder` up to date with what a run kept; unchanged data are not written again.

    With `n_samples` so many are drawn, and of two draws with one seed the larger holds the smaller. Raises RunError
    where nothing is left to train on, ExportError where an image cannot be reached.
    """
    kept = tables.kept
    drawn = (str(n_samples), str(seed)) if n_samples else ()
    fingerprint = content_id(kept.content_hash(), tables.instructions.content_hash(), gate.fingerprint, *drawn)
    stands = _read(folder, fingerprint)
    if stands is not None:
        return stands
    choice = _choose(kept.rows(), gate.barred(kept.rows(), tables.instructions.rows()), n_samples, seed)
    if not choice.ids:
        raise RunError(
            f"Variant {name} has nothing to train on: of its {choice.n_kept:,} samples each has an image or an "
            "instruction that is tested. Take a run with more of both, or hold out fewer (`split`)."
        )
    data = VariantData(folder, fingerprint, choice.n_kept, len(choice.ids), 0, 0, dict(choice.left_out))
    instructions: set[str] = set()
    images: set[str] = set()

    def chosen() -> Iterator[Sample]:
        for sample in kept.rows():
            if sample.sample_id in choice.ids:
                instructions.add(sample.instruction_id)
                images.add(sample.image_id)
                yield sample

    def write_facts(out: Path, report: ExportReport) -> None:
        counted = replace(data, n_instructions=len(instructions), n_images=len(images))
        (out / _FACTS).write_text(json.dumps(asdict(counted), default=str), encoding="utf-8")

    # Images stay where they are, but for a tar's members, which no trainer could open there.
    options = ExportOptions(image_mode="link" if choice.in_tars else "none", open_images=False, overwrite=True)
    write_export(chosen(), folder, LLAVA, options, write_facts)
    return replace(data, n_instructions=len(instructions), n_images=len(images))


@dataclass
class _Choice:
    """The samples to train on, by id, and what became of the others."""

    ids: set[str] = field(default_factory=set)
    n_kept: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    in_tars: bool = False


def _choose(samples: Iterator[Sample], barred: Barred, n_samples: int | None, seed: int) -> _Choice:
    choice = _Choice()
    for sample in samples:
        choice.n_kept += 1
        choice.in_tars = choice.in_tars or split_tar_path(sample.image) is not None
        reason = barred.reason(sample)
        if reason is None:
            choice.ids.add(sample.sample_id)
        else:
            choice.left_out[reason.value] += 1
    if n_samples is not None:
        keyed = ((content_id(str(seed), sample_id), sample_id) for sample_id in choice.ids)
        choice.ids = {sample_id for _, sample_id in heapq.nsmallest(n_samples, keyed)}
    return choice


def _read(folder: Path, fingerprint: str) -> VariantData | None:
    """Return what stands in the folder, if it was made of the same."""
    try:
        values = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        data = VariantData(**{**values, "folder": folder})
    except (OSError, ValueError, TypeError):
        return None
    return data if data.fingerprint == fingerprint else None
