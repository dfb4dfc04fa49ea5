"""Anybody's training file: what format it has, and its rows.

train.json (or .jsonl, .parquet, .tar, or the folder of an export)  ─►  "llava"  ─►  Conversation, Fault, …
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

from mminstruct.errors import SourceError
from mminstruct.writers.conversations import Conversation, Fault
from mminstruct.writers.hf import read_hf
from mminstruct.writers.jsonrows import read_json_rows
from mminstruct.writers.marked import read_marked
from mminstruct.writers.messages import read_messages
from mminstruct.writers.shards import is_parquet
from mminstruct.writers.sharegpt import read_sharegpt
from mminstruct.writers.trl import read_trl
from mminstruct.writers.webdataset import read_webdataset

FormatName = Literal["llava", "sharegpt", "messages", "trl", "hf", "webdataset"]

_N_LOOKED_AT = 100  # rows whose keys tell the format
_KNOWN = (
    "Read are LLaVA and ShareGPT (`conversations`), `messages`, TRL's `prompt` and `completion` (in JSON and Parquet; "
    "in Parquet `messages` too), Parquet with `instruction` and `answer`, and WebDataset tars"
)


def training_file(path: Path) -> Path:
    """Return what to read: the path, or in a folder its train.json or train.jsonl.

    Raises SourceError where there is nothing.
    """
    if not path.exists():
        raise SourceError(f"{path} does not exist; expected a training file, or the folder of an export.")
    for name in ("train.json", "train.jsonl"):
        if path.is_dir() and (path / name).is_file():
            return path / name
    return path


def guess_format(path: Path) -> FormatName:
    """Return the format by the file's content. Raises SourceError where it has none that is read here."""
    if path.is_dir():
        if any(path.glob("*.tar")):
            return "webdataset"
        parquet = next(iter(sorted(path.rglob("*.parquet"))), None)
        if parquet is None:
            raise SourceError(f"{path} holds no train.json, train.jsonl, *.tar or *.parquet. {_KNOWN}.")
        return _of_parquet(parquet)
    if path.suffix == ".tar":
        return "webdataset"
    return _of_parquet(path) if is_parquet(path) else _of_json(path)


def read_anybodys(path: Path, form: FormatName) -> Iterator[Conversation | Fault]:
    """Yield the file's rows. Raises SourceError where it cannot be read."""
    readers: dict[FormatName, Callable[[Path], Iterator[Conversation | Fault]]] = {
        "llava": read_sharegpt,  # which knows `image` too
        "sharegpt": read_sharegpt,
        "messages": read_marked if form == "messages" and _has_marks(path) else read_messages,
        "trl": read_trl,
        "hf": read_hf,
        "webdataset": read_webdataset,
    }
    return readers[form](path)


def _of_parquet(path: Path) -> FormatName:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = set(pq.read_schema(path).names)
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{path} cannot be read as Parquet: {error}. Fetch or export it again.") from error
    if {"prompt", "completion"} <= names or "messages" in names:
        return "trl"
    if {"instruction", "answer"} <= names:
        return "hf"
    raise SourceError(f"{path} has the columns {', '.join(sorted(names))}: none of the formats. {_KNOWN}.")


def _of_json(path: Path) -> FormatName:
    rows = _first_rows(path)
    keys = dict.fromkeys(key for row in rows for key in row)
    if "conversations" in keys:
        return "sharegpt" if "images" in keys else "llava"
    if "messages" in keys:
        return "trl" if any(map(_has_places, rows)) else "messages"
    if {"prompt", "completion"} <= keys.keys():
        return "trl"
    found = f"rows with the keys {', '.join(keys)}" if keys else "no JSON object in its first rows"
    raise SourceError(f"{path} has {found}: none of the formats. {_KNOWN}.")


def _has_places(row: dict[str, Any]) -> bool:
    """Tell TRL's messages: places for images among the parts of their contents, and the images beside the messages."""
    messages = row.get("messages")
    of_messages = messages if isinstance(messages, list) else []
    contents = [message.get("content") for message in of_messages if isinstance(message, dict)]
    return bool(row.get("images")) and any(isinstance(content, list) for content in contents)


def _has_marks(path: Path) -> bool:
    """Tell messages with a list of images beside them from those whose contents hold the images."""
    return any("images" in row for row in _first_rows(path))


def _first_rows(path: Path) -> list[dict[str, Any]]:
    return [row for row in islice(read_json_rows(path), _N_LOOKED_AT) if isinstance(row, dict)]


FORMAT_NAMES: tuple[str, ...] = get_args(FormatName)
