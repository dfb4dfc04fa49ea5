"""Seed instructions in: a YAML list, JSON Lines, or plain text with one instruction a line → `Seed`s.

    - {category: poetry, instruction: "Rhyme four lines that catch the mood of the image."}      YAML
    {"instruction": "Rhyme four lines …", "category": "poetry"}                                JSON Lines
    Rhyme four lines that catch the mood of the image.                                          text

A YAML entry or a JSON line may also be the instruction alone. Without a category it is "other".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from mminstruct.errors import ConfigError
from mminstruct.rows import Seed

NO_CATEGORY = "other"
_EXPECTED = 'expected an instruction in quotes, or {instruction: "…", category: …}'


def load_seeds(path: Path | str | None = None) -> list[Seed]:
    """Return the seed instructions of a file, or the shipped ones.

    The ending of the name says the format: .yaml or .yml, .jsonl, anything else is text (`#` starts a comment line).
    Raises ConfigError with file, line, what was found and expected.
    """
    if path is None:
        shipped = resources.files("mminstruct.data") / "seeds.yaml"
        text, name = shipped.read_text(encoding="utf-8"), "seeds.yaml"
    else:
        text, name = _read(Path(path)), str(path)
    read = {".yaml": _yaml_entries, ".yml": _yaml_entries, ".jsonl": _json_entries}.get(
        Path(name).suffix.lower(), _text_entries
    )
    seeds: dict[str, Seed] = {}
    for line, entry in read(text, name):
        seed = _seed(entry, f"{name}, line {line}")
        if seed.instruction in seeds:
            raise ConfigError(f"{name}, line {line}: this seed came before: {seed.instruction!r}; remove it")
        seeds[seed.instruction] = seed
    if not seeds:
        raise ConfigError(f"{name}: found no seed instructions; expected at least one")
    return list(seeds.values())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: the seed instructions cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: the seed instructions are not UTF-8 text (byte {error.start})") from error


def _yaml_entries(text: str, name: str) -> Iterator[tuple[int, Any]]:
    """Yield line and value of each entry of a YAML list."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{name}, line {mark.line + 1}" if mark else name
        raise ConfigError(f"{place}: not YAML ({getattr(error, 'problem', None) or error})") from error
    if root is None:
        return
    if not isinstance(root, yaml.SequenceNode):
        raise ConfigError(f"{name}, line {root.start_mark.line + 1}: found no list; expected `- ` before each entry")
    for node, value in zip(root.value, values, strict=True):
        yield node.start_mark.line + 1, value


def _json_entries(text: str, name: str) -> Iterator[tuple[int, Any]]:
    """Yield number and value of each line that is not blank."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except ValueError as error:
            raise ConfigError(f"{name}, line {number}: not JSON ({error}); {_EXPECTED}") from error


def _text_entries(text: str, name: str) -> Iterator[tuple[int, Any]]:
    """Yield number and text of each line that is neither blank nor a comment."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def _seed(entry: object, place: str) -> Seed:
    """Return the Seed of one entry, or raise ConfigError."""
    instruction: object = entry
    category: object = NO_CATEGORY
    if isinstance(entry, dict):
        unknown = sorted(str(key) for key in set(entry) - {"instruction", "category"})
        if unknown:
            raise ConfigError(f"{place}: unknown key {', '.join(unknown)}; {_EXPECTED}")
        instruction, category = entry.get("instruction"), entry.get("category", NO_CATEGORY)
    if not isinstance(instruction, str) or not instruction.strip() or not isinstance(category, str):
        raise ConfigError(f"{place}: found {entry!r}; {_EXPECTED}")
    return Seed(" ".join(instruction.split()), category.strip() or NO_CATEGORY)
