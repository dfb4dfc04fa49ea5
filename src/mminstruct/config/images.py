"""The `images:` section (a list of sources, each of one format) and `intake:` (what happens to bad input)."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from mminstruct.config.section import Section


class _Captions(Section):
    """What every source has: where it is and what it is called; paths are absolute by the time they come here."""

    path: str = Field(min_length=1, description="the file with the captions")
    name: str = Field("", description="the name that every row of this source keeps; default: the path's own name")

    @model_validator(mode="before")
    @classmethod
    def _fill_name(cls, data: Any) -> Any:
        # Filled in before validation, so that the run's resolved config shows it.
        if isinstance(data, dict) and isinstance(data.get("path"), str) and not data.get("name"):
            return {**data, "name": _default_name(data["path"])}
        return data


class _CaptionFile(_Captions):
    """A source whose captions stand in one file and whose images stand in a folder."""

    image_root: str = Field("", description="the folder that image names are relative to; default: the file's folder")

    @model_validator(mode="before")
    @classmethod
    def _fill_image_root(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("path"), str) and not data.get("image_root"):
            return {**data, "image_root": str(PurePath(data["path"]).parent)}
        return data


class _Table(_CaptionFile):
    """A table with one row an image; the captions are one string, or a list of strings."""

    image_column: str = Field("image", description="the column with the image's path")
    caption_column: str | None = Field(
        "caption", description="the column with the caption, or with a list of captions; null: no image has one"
    )
    id_column: str | None = Field(
        None, description="the column with the record's id; default: the image's path is the id"
    )


class CocoSource(_CaptionFile):
    """COCO captions JSON: `images` and `annotations`, several captions an image."""

    format: Literal["coco"] = "coco"


class JsonLinesSource(_Table):
    """JSON Lines: one object a line."""

    format: Literal["jsonl"] = "jsonl"


class CsvSource(_Table):
    """CSV with a header line."""

    format: Literal["csv"] = "csv"
    delimiter: str = Field(",", min_length=1, max_length=1, description='one character; "\\t" for tab-separated values')


class ParquetSource(_Table):
    """A Parquet file with paths of images in a string column."""

    format: Literal["parquet"] = "parquet"


class FolderSource(_Captions):
    """A folder of images, each with its caption beside it: `a.jpg` and `a.txt`, in sub-folders too."""

    format: Literal["folder"] = "folder"
    path: str = Field(min_length=1, description="the folder")


class WebDatasetSource(_Captions):
    """WebDataset tars: members of one name make a record, `0001.jpg` with `0001.txt` or `0001.json`."""

    format: Literal["webdataset"] = "webdataset"
    path: str = Field(min_length=1, description="a tar, a folder of tars, or a pattern such as shards/*.tar")
    caption_key: str = Field("caption", description="the key of the caption in a `.json` member")


class LlavaSource(_CaptionFile):
    """LLaVA's training format, a JSON list or JSON Lines; the captions are the answers (LLaVA-Pretrain and kin)."""

    format: Literal["llava"] = "llava"


TableSource = JsonLinesSource | CsvSource | ParquetSource
CaptionFileSource = CocoSource | TableSource | LlavaSource

Source = Annotated[
    CocoSource | JsonLinesSource | CsvSource | ParquetSource | FolderSource | WebDatasetSource | LlavaSource,
    Field(discriminator="format"),
]
"""One entry of `images:`; `format` says which."""


class IntakeConfig(Section):
    """What happens to bad input while captions are read and images are opened."""

    on_bad_input: Literal["reject", "fail"] = Field(
        "reject", description="`reject`: keep the bad record with its reason and go on; `fail`: stop at the first"
    )
    max_pixels: int = Field(
        178_956_970,
        ge=1,
        description="reject larger images; the default is Pillow's own limit against decompression bombs",
    )  # Pillow refuses over 2 * MAX_IMAGE_PIXELS, where MAX_IMAGE_PIXELS is a quarter of a GiB over 3 bytes a pixel


def _default_name(path: str) -> str:
    """Return the stem of a file or folder; the folder's name where the file's is a pattern.

    >>> _default_name("/data/captions.json"), _default_name("/data/shards/*.tar")
    ('captions', 'shards')
    """
    pure = PurePath(path)
    name = pure.stem
    if any(sign in name for sign in "*?["):
        name = pure.parent.name
    return name or "images"
