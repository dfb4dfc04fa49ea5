"""Write configuration.md from the config's own models, so that the page cannot fall behind: run it after a change."""

from __future__ import annotations

import types
import typing
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from mminstruct.config.answers import AnswerConfig, ExemplarsConfig, SplitConfig
from mminstruct.config.budget import BudgetConfig
from mminstruct.config.describe import DescribeConfig
from mminstruct.config.encoders import CaptionEncoder, ClipEncoder, EmbeddedTextEncoder, TransformersTextEncoder
from mminstruct.config.engine import LocalEngine, RayEngine
from mminstruct.config.filter import FilterConfig
from mminstruct.config.images import (
    CocoSource,
    CsvSource,
    FolderSource,
    IntakeConfig,
    JsonLinesSource,
    LlavaSource,
    ParquetSource,
    WebDatasetSource,
)
from mminstruct.config.instructions import AugmentConfig, SummarizeConfig
from mminstruct.config.llm import LlmConfig, Price, VllmConfig
from mminstruct.config.match import MatchConfig
from mminstruct.config.recipe import DataFile, FinetuneSection, LoraSection, ModelSection, PretrainSection, Recipe
from mminstruct.config.run import RunConfig
from mminstruct.config.section import Section

PAGE = Path(__file__).with_name("configuration.md")

_HEAD = """# Configuration

Every key with its default. A config is a YAML file; paths in it are relative to it. `mminstruct init FILE` writes a
commented one, and `-o key.path=value` overrides a key from the command line (paths there are relative to the current
folder). Unknown keys, wrong types and impossible values are reported all at once, each with its line. The resolved
config of a run, with every default, is `config.yaml` in its folder; the last sections are those of a training recipe.

This page is written by `docs/write_configuration.py` from the code.
"""

_SECTIONS: tuple[tuple[str, type[Section]], ...] = (
    ("The whole", RunConfig),
    ("`images`: `{format: coco}`", CocoSource),
    ("`images`: `{format: jsonl}`", JsonLinesSource),
    ("`images`: `{format: csv}`", CsvSource),
    ("`images`: `{format: parquet}`", ParquetSource),
    ("`images`: `{format: folder}`", FolderSource),
    ("`images`: `{format: webdataset}`", WebDatasetSource),
    ("`images`: `{format: llava}`", LlavaSource),
    ("`intake`", IntakeConfig),
    ("`llm`, and a stage's own `llm`", LlmConfig),
    ("`llm.price`", Price),
    ("`llm.vllm`", VllmConfig),
    ("`budget`", BudgetConfig),
    ("`engine`: `{kind: local}`", LocalEngine),
    ("`engine`: `{kind: ray}`", RayEngine),
    ("`embedder`: `{kind: embedded}`", EmbeddedTextEncoder),
    ("`embedder`: `{kind: transformers}`", TransformersTextEncoder),
    ("`describe`", DescribeConfig),
    ("`augment`", AugmentConfig),
    ("`summarize`", SummarizeConfig),
    ("`match`", MatchConfig),
    ("`match.encoder`: `{kind: caption}`", CaptionEncoder),
    ("`match.encoder`: `{kind: clip}`", ClipEncoder),
    ("`exemplars`", ExemplarsConfig),
    ("`answer`", AnswerConfig),
    ("`filter`", FilterConfig),
    ("`split`", SplitConfig),
    ("A training recipe", Recipe),
    ("A recipe's `model`", ModelSection),
    ("A recipe's `pretrain`", PretrainSection),
    ("A recipe's `finetune`", FinetuneSection),
    ("`finetune.lora`", LoraSection),
    ("`data`, `held_out`: one item", DataFile),
)


def render() -> str:
    """Return the page's text."""
    return _HEAD + "".join(_section(title, section) for title, section in _SECTIONS)


def _section(title: str, section: type[Section]) -> str:
    prose = " ".join((section.__doc__ or "").split())
    rows = [_row(name, field) for name, field in section.model_fields.items()]
    return f"\n## {title}\n\n{prose}\n\n| key | type | default | meaning |\n|---|---|---|---|\n" + "".join(rows)


def _row(name: str, field: FieldInfo) -> str:
    cells = (f"`{name}`", f"`{_type(field.annotation)}`", _default(field), _meaning(field))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _meaning(field: FieldInfo) -> str:
    if typing.get_origin(field.annotation) is typing.Literal:
        return field.description or "names this kind"
    prose = getattr(field.annotation, "__doc__", None) or ""
    return field.description or prose.partition(".")[0].strip()


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "see below"
    if field.default is PydanticUndefined:
        return "**required**"
    if field.default == "":
        return "see there"
    default = (
        "null"
        if field.default is None
        else str(field.default).lower()
        if isinstance(field.default, bool)
        else field.default
    )
    return f"`{list(default) if isinstance(default, tuple) else default}`"


def _type(annotation: object) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type(argument) for argument in arguments))
    if origin is typing.Literal:
        return " or ".join(str(argument) for argument in arguments)
    if origin in (list, tuple):
        return f"list of {_type(arguments[0])}"
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return "section"
    return {type(None): "null", str: "text", int: "whole number", float: "number", bool: "true or false"}.get(
        typing.cast(type, annotation), "mapping"
    )


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
