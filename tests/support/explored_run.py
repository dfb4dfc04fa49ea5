"""A run written table by table, for the explorer: known counts, odd rows, broken pictures, and attempts at injection.

images 0 … 39   two answers each, 80 in all; image 0 is hostile, 1 is gone, 2 is another file by now
answers         every fifth image's second answer was rejected by the filter; two were left out by the split
benchmark       the answers of the last two images that are left
"""

from __future__ import annotations

import asyncio
import functools
import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as PillowImage

from mminstruct.imaging import image_hash
from mminstruct.llm.chat import Message, Reply, Request
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.llm.usage import Account
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.tables import Folder
from mminstruct.rows import (
    Answer,
    Exemplar,
    Image,
    Instruction,
    Match,
    Question,
    RawInstruction,
    Reason,
    Reject,
    Sample,
    content_id,
)

N_IMAGES = 40
HOSTILE = "<img src=x onerror=\"alert('xss')\"><script>alert('xss')</script> javascript:alert('xss')"
GONE, CHANGED = 1, 2  # images whose files are no longer as the run saw them
_CATEGORIES = ("writing", "planning", "education", "marketing")
_TEXTS = (
    "Write a short poem about the image.",
    "Plan a day trip that begins where the image was taken.",
    "Explain to a child what happens in the image.",
    "Write an advert for what the image shows.",
    "Write a letter home from the place in the image.",
    "Set a table of three columns about the things in the image.",
)


@dataclass(frozen=True)
class Row:
    """What one pair of image and instruction is called and says."""

    number: int
    rank: int

    @property
    def image_id(self) -> str:
        return content_id(image_hash(_picture(self.number)))

    @property
    def which(self) -> int:
        return 0 if self.is_hostile else 1 + (self.number + 3 * self.rank) % (len(_TEXTS) - 1)

    @property
    def is_hostile(self) -> bool:
        return self.number == 0 and self.rank == 0

    @property
    def instruction(self) -> str:
        return f"{_TEXTS[0]} {HOSTILE}" if self.which == 0 else _TEXTS[self.which]

    @property
    def instruction_id(self) -> str:
        return content_id("instruction", str(self.which))

    @property
    def category(self) -> str:
        return _CATEGORIES[self.which % len(_CATEGORIES)]

    @property
    def row_id(self) -> str:
        return content_id(self.image_id, self.instruction_id)

    @property
    def source(self) -> str:
        return HOSTILE if self.number == 0 else ("harbour", "bazaar")[self.number % 2]

    @property
    def score(self) -> float:
        return round(0.2 + 0.01 * self.number - 0.05 * self.rank, 4)

    def answer(self, teller: str = "") -> str:
        """The answer; number 7's has a word that no other has."""
        if self.is_hostile:
            return f"{HOSTILE}\nA second line."
        rare = " A zeppelin hums." if self.number == 7 and self.rank == 0 else ""
        return f"Boat {self.number} lies at the quay{teller}.{rare}" + " The gulls wait for bread." * (
            1 + self.number % 9
        )


@functools.cache
def _picture(number: int) -> bytes:
    """A JPEG of one colour; number 3 is wide."""
    made = io.BytesIO()
    size = (120 + number, 90) if number != 3 else (400, 60)
    PillowImage.new("RGB", size, (number * 6, 90, 200 - number * 4)).save(made, "JPEG")
    return made.getvalue()


ROWS = [Row(number, rank) for number in range(N_IMAGES) for rank in range(2)]
NO_PICTURE = tuple(f"/{kind}/{Row(number, 0).image_id}" for number in (GONE, CHANGED) for kind in ("thumb", "picture"))
"""The addresses of pictures that cannot be shown."""


def make_explored_run(run: Path, teller: str = "") -> Path:
    """Write the run below `run` and its images beside it; `teller` changes the answers of every row."""
    images = [_image(run.parent / "images", number) for number in range(N_IMAGES)]
    run.mkdir(parents=True)
    (run / "config.yaml").write_text(
        f"run_dir: {run}\nimages: [{{format: jsonl, path: {run.parent}/captions.jsonl}}]\n"
        f"replies: {run}/replies\nllm: {{base_url: 'http://127.0.0.1:9/v1', model: teller}}\n"
    )
    (run / "manifest.json").write_text(json.dumps({"stages": {}, "version": "0", "run_id": "run"}))
    tables = Tables(Folder(str(run)))
    tables.images.write_part(0, images, [Reject("77", "images", Reason.NOT_AN_IMAGE, "a text file", "notes.jpg")])
    with ThreadPoolExecutor(1) as pool:  # a browser that is open has an event loop in this thread
        request_id = pool.submit(asyncio.run, _ask(run / "replies")).result()
    _write_instructions(tables)
    _write_answers(tables, {image.image_id: image for image in images}, teller, request_id)
    return run


def _image(folder: Path, number: int) -> Image:
    folder.mkdir(parents=True, exist_ok=True)
    row = Row(number, 0)
    file_name = f"{HOSTILE}.jpg".replace("/", "∕") if number == 0 else f"{number}.jpg"
    path = folder / file_name
    content_hash = image_hash(_picture(number))
    if number != GONE:
        path.write_bytes(_picture(number if number != CHANGED else number + 1))
    size = PillowImage.open(io.BytesIO(_picture(number))).size
    text = HOSTILE if number == 0 else f"Picture {number}: boats at a quay, and gulls above them."
    return Image(row.image_id, row.source, str(number), str(path), file_name, text, [text], *size, "JPEG", content_hash)


async def _ask(replies: Path) -> str:
    """Store the one request that all rows share; return its id."""
    request = Request(messages=(Message("system", "You describe images."), Message("user", f"Tell me. {HOSTILE}")))
    canonical = request.canonical()
    request_id = request.request_id("teller", canonical)
    reply = Reply(request_id, "A reply.", "stop", "teller", 211, 34)
    with ReplyStore(replies) as store:
        await store.put(reply, canonical, Account("run", "answer"), None)
    return request_id


def _write_instructions(tables: Tables) -> None:
    raws = [
        RawInstruction(
            content_id(f"raw {row.number}"), f"Raw of picture {row.number}.", row.image_id, [HOSTILE], "m", "r"
        )
        for row in ROWS
        if row.rank == 0
    ]
    tables.raw_instructions.write_part(0, raws)
    known = {row.which: row for row in ROWS}
    members = [raw.raw_id for raw in raws]
    tables.instructions.write_part(
        0,
        [
            Instruction(
                row.instruction_id,
                row.instruction,
                row.category,
                [which],
                members[which::6],
                members[which:30:6],
                "m",
                "r",
            )
            for which, row in sorted(known.items())
        ],
    )
    shown = ROWS[4]
    exemplar = Exemplar(
        shown.row_id,
        shown.image_id,
        shown.instruction_id,
        "Boats.",
        shown.instruction,
        "An exemplary answer.",
        "m",
        "r",
    )
    tables.exemplars.write_part(0, [exemplar])


def _write_answers(tables: Tables, images: dict[str, Image], teller: str, request_id: str) -> None:
    samples, rejects = [], []
    for row in ROWS:
        image = images[row.image_id]
        if row.rank == 1 and row.number % 5 == 0:
            reason = Reason.TOO_SHORT if row.number % 10 else Reason.REFUSAL
            rejects.append(Reject(row.row_id, "filter", reason, f"found {HOSTILE}", row.answer(teller), request_id))
            continue
        ids = (row.row_id, row.image_id, image.path, row.instruction_id, row.instruction, row.answer(teller))
        samples.append(
            Sample(
                *ids,
                row.source,
                row.category,
                image.description,
                row.score,
                image.width,
                image.height,
                "teller",
                request_id,
            )
        )
    tables.matches.write_part(
        0, [Match(row.row_id, row.image_id, row.instruction_id, row.score, row.rank) for row in ROWS]
    )
    tables.answers.write_part(
        0,
        [
            Answer(
                row.row_id,
                row.image_id,
                row.instruction_id,
                row.answer(teller),
                "stop",
                [ROWS[4].row_id],
                "teller",
                request_id,
            )
            for row in ROWS
        ],
    )
    tables.kept.write_part(0, samples, rejects)
    _write_split(tables, samples)


def _write_split(tables: Tables, samples: list[Sample]) -> None:
    asked, left_out = samples[-1:] + samples[-3:-2], samples[-2:-1] + samples[-4:-3]
    out = [Reject(one.sample_id, "split", Reason.HELD_OUT_IMAGE, "in the benchmark", one.answer) for one in left_out]
    apart = {one.sample_id for one in asked + left_out}
    tables.samples.write_part(0, [one for one in samples if one.sample_id not in apart], out)
    tables.benchmark.write_part(
        0,
        [
            Question(
                one.sample_id,
                one.image_id,
                one.image,
                one.instruction_id,
                one.instruction,
                one.description,
                one.category,
                one.source,
                one.answer,
            )
            for one in asked
        ],
    )
