"""LLaVA's JSON, as a list and as lines: the answers are the captions."""

import json
from pathlib import Path
from typing import Any

import pytest

from mminstruct.config.images import LlavaSource
from mminstruct.errors import SourceError
from mminstruct.readers.records import CaptionRecord
from mminstruct.readers.sources import check_source, read_source
from mminstruct.rows import Reason


def record(name: str, *answers: str, **more: Any) -> dict[str, Any]:
    turns = []
    for answer in answers:
        turns += [{"from": "human", "value": "Describe it.\n<image>"}, {"from": "gpt", "value": answer}]
    return {"id": name, "image": f"{name}.jpg", "conversations": turns, **more}


def write(folder: Path, content: str) -> LlavaSource:
    (folder / "chat.json").write_bytes(content.encode())
    return LlavaSource(path=str(folder / "chat.json"))


def outcomes(source: LlavaSource) -> list[Any]:
    return [
        (row.source_id, row.captions) if isinstance(row, CaptionRecord) else (row.row_id, row.reason)
        for row in read_source(source)
    ]


@pytest.mark.parametrize("as_lines", [False, True])
def test_list_and_lines(tmp_path: Path, as_lines: bool) -> None:
    records = [record("a", "A dog"), record("b", "A <image> cat\n", "It sleeps")]
    lines = "\n".join(json.dumps(value) for value in records)
    source = write(tmp_path, f"\ufeff\n{lines if as_lines else json.dumps(records, indent=1)}")
    check_source(source)
    assert outcomes(source) == [("a", ["A dog"]), ("b", ["A  cat", "It sleeps"])]
    first = next(read_source(source))
    assert isinstance(first, CaptionRecord)
    assert first.place.endswith("line 2" if as_lines else "record 0")


def test_bad_records(tmp_path: Path) -> None:
    records: list[Any] = [
        record("a", "A dog"),
        {"id": "text only", "conversations": []},
        record("no answer"),
        {**record("b", "x"), "conversations": [{"from": "gpt"}]},
        {**record("c", "x"), "image": ["c.jpg", "d.jpg"]},
        {**record("d", "x"), "image": "../d.jpg"},
        {key: value for key, value in record("e", "x").items() if key != "id"},
        {**record("f", "x"), "id": None},
        7,
        record("g", "\ud800"),
    ]
    source = write(tmp_path, json.dumps(records))
    check_source(source)
    assert outcomes(source) == [
        ("a", ["A dog"]),
        ("text only", Reason.MISSING_IMAGE),
        ("no answer", []),
        ("b", Reason.INVALID_RECORD),
        ("c", Reason.INVALID_RECORD),
        ("d", Reason.PATH_OUTSIDE_ROOT),
        ("e.jpg", ["x"]),
        ("record 7", Reason.INVALID_RECORD),
        ("record 8", Reason.INVALID_RECORD),
        ("g", Reason.INVALID_UTF8),
    ]


def test_a_bad_line(tmp_path: Path) -> None:
    source = write(tmp_path, json.dumps(record("a", "A dog")) + '\n{"id": \n')
    assert outcomes(source) == [("a", ["A dog"]), ("line 2", Reason.INVALID_JSON)]


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("[", "line 1"),
        ("[]", "no records"),
        ('[{"image": "a.jpg", "caption": "A dog"}]', "'image', 'caption'"),
        ('{"image": "a.jpg", "caption": "A dog"}', "format: jsonl"),
        ("hello", "'hello'"),
        ("", "an empty file"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str, part: str) -> None:
    with pytest.raises(SourceError) as caught:
        check_source(write(tmp_path, content))
    assert part in str(caught.value)
