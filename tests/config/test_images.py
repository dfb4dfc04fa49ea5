"""The `images:` and `intake:` sections, from the values that the config file holds."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from mminstruct.config.images import CocoSource, CsvSource, FolderSource, IntakeConfig, Source, WebDatasetSource
from mminstruct.rows import Reason

SOURCE: TypeAdapter[Any] = TypeAdapter(Source)


def test_the_example_of_the_readme() -> None:
    values = {"format": "coco", "path": "/data/captions.json", "image_root": "/data/images", "name": "coco"}
    source = SOURCE.validate_python(values)
    assert isinstance(source, CocoSource)
    assert source.model_dump() == values


@pytest.mark.parametrize("kind", ["coco", "jsonl", "csv", "parquet", "folder", "webdataset", "llava"])
def test_a_path_is_enough(kind: str) -> None:
    source = SOURCE.validate_python({"format": kind, "path": "/data/train/captions.x"})
    assert (source.format, source.name) == (kind, "captions")
    if kind not in ("folder", "webdataset"):
        assert source.image_root == "/data/train"
    assert SOURCE.validate_python(source.model_dump()) == source


def test_a_source_made_in_code_has_the_same_defaults() -> None:
    source = CsvSource(path="/data/captions.csv")
    assert (source.name, source.image_root, source.image_column) == ("captions", "/data", "image")


@pytest.mark.parametrize(
    ("path", "name"),
    [("/data/shards/*.tar", "shards"), ("/data/shards", "shards"), ("/data/0.tar", "0"), ("/", "images")],
)
def test_default_name(path: str, name: str) -> None:
    assert WebDatasetSource(path=path).name == name


@pytest.mark.parametrize(
    "values",
    [
        {"path": "/a.json"},
        {"format": "xml", "path": "/a.xml"},
        {"format": "coco"},
        {"format": "coco", "path": ""},
        {"format": "coco", "path": 7},
        {"format": "coco", "path": "/a.json", "image_rot": "/images"},
        {"format": "folder", "path": "/a", "image_root": "/images"},
        {"format": "csv", "path": "/a.csv", "delimiter": ";;"},
    ],
)
def test_mistakes_are_errors(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SOURCE.validate_python(values)


def test_intake_defaults() -> None:
    assert IntakeConfig().on_bad_input == "reject"
    assert IntakeConfig().max_pixels == 178_956_970
    with pytest.raises(ValidationError):
        IntakeConfig.model_validate({"on_bad_input": "ignore"})
    with pytest.raises(ValidationError):
        IntakeConfig(max_pixels=0)


def test_a_folder_keeps_its_own_name() -> None:
    assert FolderSource(path="/data/photos").name == "photos"


def test_every_example_of_the_documentation_is_valid() -> None:
    page = (Path(__file__).parents[2] / "docs" / "input.md").read_text(encoding="utf-8")
    examples = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    sources = [SOURCE.validate_python(values) for example in examples for values in example.get("images", [])]
    assert {source.format for source in sources} == {"coco", "jsonl", "csv", "parquet", "folder", "webdataset", "llava"}
    for example in examples:
        IntakeConfig.model_validate(example.get("intake", {}))


def test_every_reason_of_the_intake_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "input.md").read_text(encoding="utf-8")
    reasons = list(Reason)
    of_images = reasons[: reasons.index(Reason.REQUEST_REFUSED)]
    assert set(re.findall(r"^\| `([a-z_0-9]+)` \|", page, re.MULTILINE)) == {str(reason) for reason in of_images}
