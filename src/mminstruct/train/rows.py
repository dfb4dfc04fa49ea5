"""Training rows made ready: checked, tokenised and written to one Arrow file, before the first step.

    train.json  ─►  Conversation  ─►  checks  ─►  Template  ─►  rows.arrow: id, image, input_ids, labels, n_tokens
                                         └──────────────────►  left_out.jsonl: file, row, id, reason, detail

The original trainer looks at a row when its turn comes, ignores the answers that it cannot mask and puts a random row
in the place of an image that it cannot read. Here a bad row is left out, counted and named before training begins, and
nothing stands in for it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal

from mminstruct.config.recipe import DataFile
from mminstruct.train.images import ImageGate
from mminstruct.train.template import Example, Template
from mminstruct.writers.anybodys import guess_format, read_anybodys, training_file
from mminstruct.writers.checks import turn_faults
from mminstruct.writers.conversations import Conversation, Fault, FaultKind

ROWS_FILE = "rows.arrow"
LEFT_OUT_FILE = "left_out.jsonl"
COUNTS_FILE = "rows.json"  # written last

_CHUNK = 512  # rows whose images are looked at together


@dataclass(frozen=True, slots=True)
class RowLimits:
    """What a row may be. Its tokens count those of its image, of which the template writes one alone."""

    max_tokens: int
    n_image_tokens: int
    too_long: Literal["truncate", "leave_out"] = "truncate"


@dataclass(slots=True)
class RowCounts:
    """What became of the rows of all files."""

    n_read: int = 0
    n_rows: int = 0  # that are ready to train on
    n_text_only: int = 0
    n_truncated: int = 0  # whose last answer is cut off, without its end
    n_tokens: int = 0
    n_answer_tokens: int = 0  # that the loss falls on
    n_longest: int = 0  # tokens of the longest row
    left_out: dict[str, int] = field(default_factory=dict)  # by reason, most frequent first

    @property
    def n_left_out(self) -> int:
        """How many rows are not ready."""
        return self.n_read - self.n_rows


@dataclass(frozen=True, slots=True)
class _Bad:
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class _Ready:
    id: str
    image: str  # an absolute path, "" for a row of text
    example: Example
    n_tokens: int
    is_truncated: bool


def prepare_rows(
    files: Sequence[DataFile],
    template: Template,
    limits: RowLimits,
    folder: Path,
    check_images: bool = True,
    told: Callable[[int], None] = lambda n_rows: None,
) -> RowCounts:
    """Write `folder/rows.arrow` and `folder/left_out.jsonl`; `told` hears of every few hundred rows.

    With `check_images` every image is decoded; else its file has to be there. Raises SourceError where a file cannot
    be read at all.
    """
    import pyarrow as pa

    counts, left_out = RowCounts(), Counter[str]()
    folder.mkdir(parents=True, exist_ok=True)
    schema = arrow_schema()
    with (
        (folder / LEFT_OUT_FILE).open("w", encoding="utf-8") as bad_rows,
        pa.OSFile(str(folder / ROWS_FILE), "wb") as sink,
        pa.ipc.new_file(sink, schema) as writer,
    ):
        for file in files:
            source = _Source(file, template, limits, ImageGate(_base(file), check_images, folder / "images"))
            for chunk in source.chunks():
                ready = []
                for number, row_id, outcome in chunk:
                    if isinstance(outcome, _Bad):
                        _name(bad_rows, file.path, number, row_id, outcome)
                        left_out[outcome.reason] += 1
                    else:
                        ready.append(outcome)
                _count(counts, ready, len(chunk))
                writer.write_batch(pa.RecordBatch.from_pylist([_columns(row) for row in ready], schema))
                told(len(chunk))
    counts.left_out = dict(left_out.most_common())
    (folder / COUNTS_FILE).write_text(json.dumps(asdict(counts), indent=2) + "\n", encoding="utf-8")
    return counts


def arrow_schema() -> Any:
    """Return the columns of `rows.arrow`."""
    import pyarrow as pa

    tokens = pa.list_(pa.int32())
    columns = {"id": pa.string(), "image": pa.string(), "input_ids": tokens, "labels": tokens, "n_tokens": pa.int32()}
    return pa.schema(list(columns.items()))


class _Source:
    """One file's rows, in chunks, each with its number and id and what became of it."""

    def __init__(self, file: DataFile, template: Template, limits: RowLimits, images: ImageGate) -> None:
        self._path = training_file(Path(file.path))
        self._template = template
        self._limits = limits
        self._images = images

    def chunks(self) -> Iterator[list[tuple[int, str, _Ready | _Bad]]]:
        rows = enumerate(read_anybodys(self._path, guess_format(self._path)), start=1)
        while chunk := list(islice(rows, _CHUNK)):
            self._images.look([image for _, row in chunk if isinstance(row, Conversation) for image in row.images])
            yield [(number, row.id, self._outcome(row)) for number, row in chunk]

    def _outcome(self, row: Conversation | Fault) -> _Ready | _Bad:
        if isinstance(row, Fault):
            return _Bad(row.kind.value, row.detail)
        if bad := self._bad(row):
            return bad
        image = self._images.path_of(row.images[0]) if row.images else ""
        whole = self._template.encode(row.turns, with_image=bool(row.images))
        n_tokens = len(whole.input_ids) + (self._limits.n_image_tokens - 1 if row.images else 0)
        n_over = max(0, n_tokens - self._limits.max_tokens)
        expected = f"expected at most {self._limits.max_tokens} (max_tokens)"
        if n_over and self._limits.too_long == "leave_out":
            return _Bad("too_long", f"found {n_tokens} tokens; {expected}")
        kept = max(0, len(whole.input_ids) - n_over)
        example = Example(whole.input_ids[:kept], whole.labels[:kept])
        lost_image = row.images and self._template.image_token_id not in example.input_ids
        if lost_image or not example.n_answer_tokens:
            return _Bad("too_long", f"nothing of an answer is left of {n_tokens} tokens; {expected}")
        return _Ready(row.id, image, example, n_tokens - n_over, bool(n_over))

    def _bad(self, row: Conversation) -> _Bad | None:
        plain = self._template.name == "plain"
        for kind, detail in turn_faults(row, needs_image=plain):
            return _Bad(kind.value, detail)
        spoken = [turn for turn in row.turns if turn.role != "system"]
        if plain and len(spoken) != 2:
            return _Bad(
                FaultKind.TURN_ORDER.value, f"found {len(spoken)} turns; expected two, for the template `plain`"
            )
        if len(row.images) > 1:
            return _Bad("several_images", f"found {len(row.images)} images; this model is trained on one a row")
        if token := self._template.special_token_in(row.turns):
            return _Bad("special_token", f"its text holds {token!r}, which the tokenizer reads as a sign")
        fault = self._images.fault_of(row.images[0]) if row.images else None
        return _Bad(*fault) if fault else None


def _base(file: DataFile) -> Path:
    if file.image_root is not None:
        return Path(file.image_root)
    path = Path(file.path)
    return path if path.is_dir() else path.parent


def _columns(row: _Ready) -> dict[str, Any]:
    return {
        "id": row.id,
        "image": row.image,
        "input_ids": row.example.input_ids,
        "labels": row.example.labels,
        "n_tokens": row.n_tokens,
    }


def _count(counts: RowCounts, ready: list[_Ready], n_read: int) -> None:
    counts.n_read += n_read
    counts.n_rows += len(ready)
    counts.n_text_only += sum(not row.image for row in ready)
    counts.n_truncated += sum(row.is_truncated for row in ready)
    counts.n_tokens += sum(row.n_tokens for row in ready)
    counts.n_answer_tokens += sum(row.example.n_answer_tokens for row in ready)
    counts.n_longest = max([counts.n_longest, *(row.n_tokens for row in ready)])


def _name(file: IO[str], path: str, number: int, row_id: str, bad: _Bad) -> None:
    values = {"file": path, "row": number, "id": row_id, "reason": bad.reason, "detail": bad.detail}
    file.write(json.dumps(values, ensure_ascii=False) + "\n")


def held_out_mask(images: Sequence[str], ids: Sequence[str], share: float) -> list[bool]:
    """Tell which rows are held out: those of `share` of the images, at least one, chosen by a hash of their paths.

    A row of text counts as an image of its own, by its id. With a share of 0 none is.
    """
    keys = [image or f"text {row_id}" for image, row_id in zip(images, ids, strict=True)]
    ranked = sorted(set(keys), key=lambda key: hashlib.sha256(Path(key).name.encode()).digest())
    n_held_out = max(1, round(share * len(ranked))) if share and len(ranked) > 1 else 0
    held_out = set(ranked[:n_held_out])
    return [key in held_out for key in keys]
