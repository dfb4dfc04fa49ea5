"""Config files in and out: YAML with overrides to a RunConfig or another section, all faults at once with places."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mminstruct.config.places import Document, KeyPath, parse
from mminstruct.config.run import LLM_STAGES, RunConfig
from mminstruct.config.section import Section
from mminstruct.counts import count_of
from mminstruct.errors import ConfigError

SectionT = TypeVar("SectionT", bound=Section)

EACH = "*"  # in a key path: every item of a list

_PATH_KEYS: tuple[KeyPath, ...] = (
    ("run_dir",),
    ("replies",),
    ("images", EACH, "path"),
    ("images", EACH, "image_root"),
    ("augment", "seeds"),
    *((stage, "prompt") for stage in LLM_STAGES),
    ("describe", "check_prompt"),
)
_MODEL_KEYS: tuple[KeyPath, ...] = (("match", "encoder", "model"), ("embedder", "model"))  # a folder or a hub's name


def load_config(path: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a config file. Paths in it are relative to the file, paths in overrides to the current folder.

    Raises ConfigError, which lists every fault with file, line and column.
    """
    text = _read(path, f" `mminstruct init {path}` writes one.")
    return parse_config(text, str(path), path.parent, overrides)


def parse_config(text: str, name: str, base: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Turn YAML text into a RunConfig; see `load_config`."""
    document = parse(text, name)
    document.values.setdefault("replies", RunConfig.model_fields["replies"].default)  # beside the file, like the rest
    return _finished(RunConfig, document, base, overrides, _PATH_KEYS, _MODEL_KEYS)


def load_section(
    section: type[SectionT],
    path: Path,
    overrides: Sequence[str],
    path_keys: Sequence[KeyPath],
    model_keys: Sequence[KeyPath] = (),
) -> SectionT:
    """Read a file that holds one section, as `load_config` does a run's.

    Values under `path_keys` are paths; those under `model_keys` are, if something is there, and else a hub's name.
    Raises ConfigError, which lists every fault with file, line and column.
    """
    document = parse(_read(path), str(path))
    return _finished(section, document, path.parent, overrides, path_keys, model_keys)


def section_from_options(
    section: type[SectionT], given: Mapping[str, tuple[str, Any]], overrides: Sequence[str]
) -> SectionT:
    """Return a section from the command line alone: for each key the option that gives it and its value, and `-o`s.

    Raises ConfigError, which lists every fault with its option.
    """
    document = Document("The command line", {}, {})
    for key, (option, value) in given.items():
        document.values[key] = value
        document.overrides[(key,)] = option
    for override in overrides:
        _apply(document, override)
    return _validated(section, document)


def _read(path: Path, advice: str = "") -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The config {path} cannot be read: {error}.{advice}") from error


def _finished(
    section: type[SectionT],
    document: Document,
    base: Path,
    overrides: Sequence[str],
    path_keys: Sequence[KeyPath],
    model_keys: Sequence[KeyPath],
) -> SectionT:
    _resolve_paths(document.values, base.resolve(), path_keys, model_keys)
    for override in overrides:
        _apply(document, override)
    _resolve_paths(document.values, Path.cwd(), path_keys, model_keys)
    return _validated(section, document)


def _validated(section: type[SectionT], document: Document) -> SectionT:
    try:
        return section.model_validate(document.values)
    except ValidationError as error:
        faults = [_describe(fault, document, section) for fault in _without_consequences(error.errors())]
        heading = f"{document.name} has {count_of(len(faults), 'fault')}:"
        raise ConfigError("\n  ".join([heading, *faults])) from error


def _without_consequences(faults: list[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out that a list is too short where it is so for its items' faults: only sound items are counted."""
    inside = {place[:depth] for place in (fault["loc"] for fault in faults) for depth in range(len(place))}
    return [fault for fault in faults if fault["type"] != "too_short" or fault["loc"] not in inside]


def dump_config(config: RunConfig) -> str:
    """Return the config as YAML text that `parse_config` reads back to an equal one; every default is written out."""
    values = config.model_dump(mode="json")
    for stage in LLM_STAGES:
        override = getattr(config, stage).llm  # only the keys that it sets: a default must not override the common llm
        values[stage]["llm"] = override and override.model_dump(mode="json", exclude_unset=True)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)


def _apply(document: Document, override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"-o {override}: expected KEY=VALUE.")
    path: list[str | int] = [int(part) if part.isdigit() else part for part in key.strip().split(".")]
    target: Any = document.values
    for part, following in pairwise(path):
        try:
            target = target.setdefault(part, {}) if isinstance(target, dict) else target[part]
        except (LookupError, TypeError):
            raise ConfigError(f"-o {override}: there is no {part!r} in the config to set {following!r} of.") from None
    try:
        target[path[-1]] = yaml.safe_load(value)
    except (LookupError, TypeError, yaml.YAMLError) as error:
        raise ConfigError(f"-o {override}: this cannot be set: {error}.") from error
    document.overrides[tuple(path)] = f"-o {override}"


def _resolve_paths(
    values: dict[str, Any], base: Path, path_keys: Sequence[KeyPath], model_keys: Sequence[KeyPath]
) -> None:
    for path in path_keys:
        _replace(values, path, lambda text: _absolute(text, base))
    for path in model_keys:
        _replace(values, path, lambda text: _absolute(text, base) if (base / text).exists() else text)


def _replace(values: Any, path: KeyPath, change: Callable[[str], str]) -> None:
    key, *rest = path
    if key == EACH:
        for item in values if isinstance(values, list) else []:
            _replace(item, tuple(rest), change)
    elif isinstance(values, dict) and rest:
        _replace(values.get(key), tuple(rest), change)
    elif isinstance(values, dict) and isinstance(values.get(key), str):
        values[key] = change(values[key])


def _absolute(text: str, base: Path) -> str:
    return text if "://" in text else str((base / Path(text).expanduser()).resolve())


def _describe(fault: ErrorDetails, document: Document, section: type[Section]) -> str:
    path = document.known(fault["loc"])
    last = str(fault["loc"][-1]) if fault["loc"] else ""
    key = ".".join(str(part) for part in path)
    match fault["type"]:
        case "extra_forbidden":
            close = difflib.get_close_matches(last, _keys_of(section), n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            message = f"unknown key {key!r}{hint}"
        case "missing":
            message = f"{'.'.join(filter(None, [key, last]))!r} is missing"
        case "value_error":
            message = fault["msg"].removeprefix("Value error, ")
            message = f"{key}: {message}" if key else message
        case _:
            message = f"{key}: found {fault['input']!r}; {fault['msg'][0].lower()}{fault['msg'][1:]}"
    return f"{document.place(path)}: {message}"


def _keys_of(annotation: Any) -> set[str]:
    """Return the keys of a section and of the sections in it; of a field's annotation, those of its sections."""
    if not (isinstance(annotation, type) and issubclass(annotation, Section)):
        return set[str]().union(*(_keys_of(part) for part in get_args(annotation)))
    fields = annotation.model_fields
    return set(fields).union(*(_keys_of(field.annotation) for field in fields.values()))
