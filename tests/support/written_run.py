"""A small run whose every row is written down here, so that its figures can be counted by hand.

7 records ─► 6 images (1 broken file) ─► 5 matched, 1 without ─► 10 pairs
─► 9 answers (1 request failed) ─► 8 kept (1 refusal) ─► 5 samples, 1 question, 2 held out
6 requests ─► 5 raw instructions (1 near copy) ─► 4 clusters ─► 3 general ones (1 merged), of which 1 is never used
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image as Pictures

from mminstruct.imaging import image_hash
from mminstruct.llm.usage import Spent
from mminstruct.pipeline.manifest import Manifest, StageRecord, write_manifest
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
)
from mminstruct.rows import content_id as hashed

Decorate = Callable[[str], str]

PAIRS = [(image, instruction) for image in range(5) for instruction in (0, 1)]
"""The matches as numbers of images and instructions; instruction 2 has none, and image 5 has none."""
FAILED, REFUSED, QUESTION, HELD_IMAGE, HELD_INSTRUCTION = PAIRS[0], PAIRS[1], PAIRS[2], PAIRS[3], PAIRS[4]

INSTRUCTIONS = (
    "Write a short poem about the image.",
    "Plan a trip to the place in the image.",
    "Explain how it works.",
)
CATEGORIES = ("poetry", "travel", "how-to")


def write_run(folder: Path, decorate: Decorate = str, until: str = "split") -> Path:
    """Write the run, up to a stage, and return its folder; `decorate` changes every text that is not ours.

    `until` is the last stage that is done.
    """
    run = folder / "run"
    (run / "pictures").mkdir(parents=True)
    (folder / "captions.jsonl").write_text("{}\n")
    (run / "config.yaml").write_text(
        f"run_dir: {run}\nimages: [{{format: jsonl, path: {folder / 'captions.jsonl'}, name: small}}]\n"
        "llm: {base_url: 'http://127.0.0.1:9/v1', model: m}\nmatch: {per_image: 2}\n"
    )
    writer = _Writer(run, decorate)
    stages = ("images", "augment", "summarize", "match", "exemplars", "answer", "filter", "split")
    for stage in stages[: stages.index(until) + 1]:
        getattr(writer, stage)()
    write_manifest(Folder(str(run)), writer.manifest)
    return run


class _Writer:
    def __init__(self, run: Path, decorate: Decorate) -> None:
        self.tables = Tables(Folder(str(run)))
        self.manifest = Manifest({}, "0.1.0", "run-1")
        self._run = run
        self._decorate = decorate
        self._images = [self._image(number) for number in range(6)]

    def images(self) -> None:
        bad = Reject(self._decorate("7"), "images", Reason.NOT_AN_IMAGE, self._decorate("a text"), "7.jpg")
        self.tables.images.write_part(0, self._images[:3], [bad])
        self.tables.images.write_part(1, self._images[3:])
        self._record("images", 7, 6, {"not_an_image": 1})

    def augment(self) -> None:
        texts = [*INSTRUCTIONS, "Write a poem.", "Plan a trip."]
        raws = [
            RawInstruction(hashed("raw", str(n)), self._decorate(text), self._images[n].image_id, ["s"], "m", f"r{n}")
            for n, text in enumerate(texts)
        ]
        copy = Reject("raw5", "augment", Reason.NEAR_COPY, "repeats", self._decorate("Write a poem!"), "r5")
        self.tables.raw_instructions.write_part(0, raws, [copy])
        self._record("augment", 6, 5, {"near_copy": 1}, requests=6)

    def summarize(self) -> None:
        members = [
            [hashed("raw", "0"), hashed("raw", "3")],
            [hashed("raw", "1"), hashed("raw", "4")],
            [hashed("raw", "2")],
        ]
        rows = [
            Instruction(
                self._instruction_id(n), self._decorate(text), CATEGORIES[n], [n], members[n], members[n], "m", "r"
            )
            for n, text in enumerate(INSTRUCTIONS)
        ]
        merged = Reject("d3", "summarize", Reason.MERGED, "says what another says", self._decorate("Go there."), "r9")
        self.tables.instructions.write_part(0, rows, [merged])
        self._record("summarize", 5, 3, {"merged": 1}, requests=4)

    def match(self) -> None:
        none = Reject(self._images[5].image_id, "match", Reason.NO_MATCH, "best score 0.1", self._images[5].description)
        for part, images in enumerate((range(3), range(3, 6))):
            rows = [
                Match(self._match_id((i, n)), self._images[i].image_id, self._instruction_id(n), 0.3 + 0.1 * n, n)
                for i, n in PAIRS
                if i in images
            ]
            self.tables.matches.write_part(part, rows, [none] if part else [])
        self._record("match", 6, 10, {"no_match": 1})

    def exemplars(self) -> None:
        pair = PAIRS[5]
        row = Exemplar(self._match_id(pair), "i", self._instruction_id(1), "d", "i", "a", "m", "r")
        self.tables.exemplars.write_part(0, [row])
        self._record("exemplars", 1, 1, {}, requests=1)

    def answer(self) -> None:
        for part, pairs in self._parts(PAIRS):
            rows = [
                Answer(self._match_id(pair), self._images[pair[0]].image_id, self._instruction_id(pair[1]),
                       self._answer(pair), "stop", [], "m", "r")
                for pair in pairs
                if pair != FAILED
            ]  # fmt: skip
            failed = Reject(
                self._match_id(FAILED), "answer", Reason.REQUEST_FAILED, self._decorate("no reply"), "", "r"
            )
            self.tables.answers.write_part(part, rows, [failed] if part == 0 else [])
        self._record("answer", 10, 9, {"request_failed": 1}, requests=9)

    def filter(self) -> None:
        answered = [pair for pair in PAIRS if pair != FAILED]
        for part, pairs in self._parts(answered):
            rows = [self._sample(pair) for pair in pairs if pair != REFUSED]
            refused = Reject(
                self._match_id(REFUSED), "filter", Reason.REFUSAL, "it says no", self._answer(REFUSED), "r"
            )
            self.tables.kept.write_part(part, rows, [refused] if part == 0 else [])
        self._record("filter", 9, 8, {"refusal": 1})

    def split(self) -> None:
        kept = [pair for pair in PAIRS if pair not in (FAILED, REFUSED)]
        held = {HELD_IMAGE: Reason.HELD_OUT_IMAGE, HELD_INSTRUCTION: Reason.HELD_OUT_INSTRUCTION}
        for part, pairs in self._parts(kept):
            rows = [self._sample(pair) for pair in pairs if pair not in (QUESTION, *held)]
            rejects = [
                Reject(self._match_id(pair), "split", held[pair], "belongs to the benchmark", self._answer(pair), "r")
                for pair in pairs
                if pair in held
            ]
            self.tables.samples.write_part(part, rows, rejects)
        sample = self._sample(QUESTION)
        question = Question(
            sample.sample_id, sample.image_id, sample.image, sample.instruction_id, sample.instruction,
            sample.description, sample.category, sample.source, sample.answer,
        )  # fmt: skip
        self.tables.benchmark.write_part(0, [question])
        self._record("split", 8, 6, {"held_out_image": 1, "held_out_instruction": 1})

    def _record(self, stage: str, n_in: int, n_out: int, rejects: dict[str, int], requests: int = 0) -> None:
        record = StageRecord("f", "done", n_in, n_out, sum(rejects.values()), rejects, seconds=1.5)
        if requests:
            record.model = self._decorate("m")
            record.book({self._decorate("m"): Spent(requests, 100 * requests, 10 * requests, 0.5)})
        record.notes = [self._decorate("a note")]
        self.manifest.stages[stage] = record

    def _image(self, number: int) -> Image:
        name = f"{self._decorate(str(number)).replace('/', '_')}.png"
        file = self._run / "pictures" / name
        Pictures.new("RGB", (40, 30), (40 * number, 90, 200)).save(file)
        image_id = hashed("image", str(number))
        text = self._decorate(f"A boat, number {number}.")
        return Image(
            image_id, "small", str(number), str(file), name, text, [text], 40, 30, "PNG", image_hash(file.read_bytes())
        )

    def _instruction_id(self, number: int) -> str:
        return hashed("instruction", str(number))

    def _match_id(self, pair: tuple[int, int]) -> str:
        return hashed(hashed("image", str(pair[0])), self._instruction_id(pair[1]))

    def _answer(self, pair: tuple[int, int]) -> str:
        """Return an answer of as many words as 10 times the image's number, and 5."""
        return self._decorate(" ".join(["boat"] * (10 * pair[0] + 5)))

    def _sample(self, pair: tuple[int, int]) -> Sample:
        image = self._images[pair[0]]
        return Sample(
            sample_id=self._match_id(pair),
            image_id=image.image_id,
            image=image.path,
            instruction_id=self._instruction_id(pair[1]),
            instruction=self._decorate(INSTRUCTIONS[pair[1]]),
            answer=self._answer(pair),
            source="small",
            category=CATEGORIES[pair[1]],
            description=image.description,
            score=0.3 + 0.1 * pair[1],
            width=40,
            height=30,
            model="m",
            request_id="r",
        )

    def _parts(self, pairs: Sequence[tuple[int, int]]) -> list[tuple[int, list[tuple[int, int]]]]:
        return [
            (part, [pair for pair in pairs if pair[0] in images]) for part, images in ((0, range(3)), (1, range(3, 6)))
        ]
