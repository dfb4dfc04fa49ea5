"""What a stage was trained with, and what came of it: `stage.json`, so that the same command goes on or skips."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mminstruct.config.recipe import DataFile, StageSection
from mminstruct.errors import TrainingError
from mminstruct.rows import content_id
from mminstruct.train.progress import StageResult
from mminstruct.train.rows import RowCounts
from mminstruct.writers.anybodys import training_file

_FILE = "stage.json"
_FREE = {"workers", "log_steps", "save_steps", "keep_checkpoints", "device_batch_size"}  # they leave the model as it is
_MODEL_FILES = {".json", ".safetensors", ".bin", ".model", ".jinja"}


def stage_settings(section: StageSection, start: str, seed: int) -> dict[str, Any]:
    """Return all that decides the stage's model: its settings, the seed, and the state of data and start on disk."""
    return {
        **section.model_dump(mode="json", exclude=_FREE),
        "seed": seed,
        "start": start,
        "start_files": _state(Path(start)),
        "data_files": [_data_state(file) for file in (*section.data, *section.held_out)],
    }


def differs(work: Path, settings: dict[str, Any]) -> bool:
    """Tell whether `work` holds a stage with other settings."""
    path = work / _FILE
    return path.exists() and bool(json.loads(path.read_text(encoding="utf-8"))["settings"] != settings)


def open_record(work: Path, settings: dict[str, Any]) -> StageResult | None:
    """Begin or go on in `work`; return the result where the stage is done.

    Raises TrainingError where the folder holds a stage with other settings.
    """
    path = work / _FILE
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        write_json(path, {"settings": settings, "result": None})
        return None
    record = json.loads(path.read_text(encoding="utf-8"))
    found = record["settings"]
    if changed := [key for key in {**found, **settings} if found.get(key) != settings.get(key)]:
        shown = "; ".join(f"{key}: found {found.get(key)!r}, now {settings.get(key)!r}" for key in changed[:3])
        raise TrainingError(
            f"{work} holds a stage that was trained with other settings ({shown}{'; …' if len(changed) > 3 else ''}). "
            "Name another `out`, or train it anew with --overwrite."
        )
    result = record["result"]
    if result is None:
        return None
    counts = RowCounts(**result.pop("counts"))
    return StageResult(**{**result, "folder": Path(result["folder"]), "counts": counts})


def close_record(work: Path, settings: dict[str, Any], result: StageResult) -> None:
    """Write that the stage is done."""
    write_json(work / _FILE, {"settings": settings, "result": {**asdict(result), "folder": str(result.folder)}})


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write the file as a whole: who reads it meanwhile, or after a kill, finds the old values or the new ones."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)


def _data_state(file: DataFile) -> str:
    path = training_file(Path(file.path))
    return _stats(path.rglob("*")) if path.is_dir() else _stats([path])


def _state(start: Path) -> str:
    """Return what changes with a model's files; "" for a name on the hub."""
    return _stats(file for file in start.glob("*") if file.suffix in _MODEL_FILES) if start.is_dir() else ""


def _stats(files: Any) -> str:
    found: Sequence[Path] = sorted(files)
    return content_id(*(f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in found))
