"""Measure the rates that `mminstruct plan --scale` counts with, and that no other benchmark measures.

    python benchmarks/stage_rates.py --images coco/val2017 --rates my_rates.yaml

Rates are of processor time of one process with one thread of arithmetic: so they are those of one core, and other work
on the machine disturbs them little. Texts are the hand-written answers of `tests/data/labelled_answers.jsonl`, and for
what needs more of them, chains of their word pairs. Output: `benchmarks/results/stage_rates.md`, and with `--rates`
the same figures as a file for `mminstruct plan --scale N --rates FILE`.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # before numpy is there

import argparse
import asyncio
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from filter_rules import SPLITS, read_labelled
from harness import machine
from mminstruct.config.answers import SplitConfig
from mminstruct.config.encoders import EmbeddedTextEncoder
from mminstruct.config.filter import FilterConfig
from mminstruct.config.images import IntakeConfig
from mminstruct.config.match import MatchConfig
from mminstruct.encoders.text import load_text_encoder
from mminstruct.imaging import ImageFacts, decode_image, read_image_bytes
from mminstruct.llm.chat import Reply
from mminstruct.llm.store.care import n_bytes_on_disk
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.llm.usage import Account
from mminstruct.pipeline.tables import Folder, Table
from mminstruct.readers.intake import Opened, Seen, accept, open_records
from mminstruct.readers.records import CaptionRecord
from mminstruct.rows import Answer, content_id
from mminstruct.stages.filter import AnswerFilter, Candidate
from mminstruct.stages.match import Matcher
from mminstruct.stages.split import Pair, plan_split
from mminstruct.twins import TwinIndex
from stage_rows import MODEL, answer_rows, image_rows, instruction_rows, match_rows, sample_rows, word_chains

RESULTS = Path(__file__).parent / "results" / "stage_rates.md"
N_INSTRUCTIONS, N_DIMENSIONS, SHARD_SIZE = 320, 768, 500
TEXT_COLUMNS = frozenset({"description", "captions.list.element", "answer"})
Rates = dict[str, tuple[float, str]]  # name → value, and what was measured


def per_second(work: Callable[[], object], n: int, n_rounds: int = 3) -> float:
    """Return how many of `n` things are done in a second of processor time, in the best of some rounds."""
    seconds = []
    for _ in range(n_rounds):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return n / min(seconds)


def bytes_each(keep: Callable[[], object], n: int) -> float:
    """Return the memory that `keep` takes at its peak, for each of `n` things."""
    tracemalloc.start()
    keep()
    n_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return n_bytes / n


def intake(folder: Path) -> Rates:
    """Opening pictures at intake, preparing them for CLIP, and what the driver does and keeps of each."""
    from transformers import CLIPImageProcessorPil

    paths = sorted(str(path) for path in folder.glob("*.jpg"))
    records = [CaptionRecord("bench", path, path, path, ["A caption."], "") for path in paths]
    processor = CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336})

    def prepare() -> None:
        for path in paths:
            processor(images=decode_image(read_image_bytes(path)), return_tensors="np")

    def accept_all(n: int) -> Seen:
        seen = Seen()
        for _ in accept(_opened(n), IntakeConfig(), seen=seen):
            pass
        return seen

    size = f"{len(paths)} JPEGs of {sum(Path(path).stat().st_size for path in paths) / len(paths) / 1000:.0f} kB"
    n = 50_000
    return {
        "images_opened_per_s": (
            per_second(lambda: list(open_records(records, 10**8, needs_captions=True)), len(paths)),
            f"{size}: read, decoded at an eighth, hashed",
        ),
        "images_prepared_per_s": (per_second(prepare, len(paths)), f"{size}: decoded, resized to 336, normalised"),
        "images_accepted_per_s": (per_second(lambda: accept_all(n), n), f"{n:,} opened records: duplicates found"),
        "accepted_bytes_per_image": (bytes_each(lambda: accept_all(n), n), f"{n:,} opened records"),
    }


def _opened(n: int) -> Iterator[Opened]:
    facts = ImageFacts(640, 480, "JPEG")
    for number in range(n):
        name = f"sa_{number:09d}.jpg"
        record = CaptionRecord("bench", name, f"/data/images/{name}", name, ["A caption."], "captions.jsonl, line 1")
        yield Opened(record, content_id(name, "a") + content_id(name, "b"), facts)


def tables(folder: Path) -> Rates:
    """Rows as Parquet parts: bytes on disk, rows read and written, parts counted and hashed when a stage ends."""
    labelled = sound_answers()
    repeated = [{**labelled[i % len(labelled)], "id": str(i)} for i in range(SHARD_SIZE)]
    images = image_rows(repeated)
    answers = answer_rows(images, repeated)
    rates: Rates = {}
    made: dict[str, Sequence[Any]] = {"image": images, "match": match_rows(images), "answer": answers}
    for name, rows in {**made, "sample": sample_rows(images, repeated)}.items():
        n_bytes, n_text_bytes = _part_bytes(folder, name, rows)
        told = f"one part of {len(rows)} rows, without their long texts"
        rates[f"{name}_row_bytes"] = ((n_bytes - n_text_bytes) / len(rows), told)
    _, n_text_bytes = _part_bytes(folder, "texts", answers[: len(labelled)])
    n_characters = sum(len(row["answer"]) for row in labelled)
    told = f"one part of {len(labelled)} different answers written by hand, {n_characters:,} characters, zstd"
    rates["text_bytes_per_character"] = (n_text_bytes / n_characters, told)
    return rates | _parts(folder, answers)


def sound_answers() -> list[dict[str, Any]]:
    """Return the labelled answers that no rule should reject."""
    return [row for split in SPLITS for row in read_labelled(split) if not row["reasons"]]


def _part_bytes(folder: Path, name: str, rows: Sequence[Any]) -> tuple[int, int]:
    """Return the bytes of these rows as a part, and how many of them are those of long texts."""
    Table(Folder(str(folder)), name, type(rows[0])).write_part(0, rows)
    path = folder / name / "part-00000.parquet"
    group = pq.read_metadata(path).row_group(0)
    columns = (group.column(index) for index in range(group.num_columns))
    texts = (column.total_compressed_size for column in columns if column.path_in_schema in TEXT_COLUMNS)
    return path.stat().st_size, sum(texts)


def _parts(folder: Path, answers: list[Answer]) -> Rates:
    rows = [replace(answers[i % len(answers)], answer_id=content_id(str(i))) for i in range(SHARD_SIZE)]
    table, n_parts = Table(Folder(str(folder)), "parts", Answer), 60

    def write() -> None:
        for index in range(n_parts):
            table.write_part(index, rows)

    def settle() -> None:
        table.count()
        sum(1 for _ in table.rejects())
        table.content_hash()

    n_rows = n_parts * len(rows)
    told = f"{n_parts} parts of {len(rows)} answers"
    rates = {"rows_written_per_s": (per_second(write, n_rows), told)}
    rates["rows_read_per_s"] = (per_second(lambda: sum(1 for _ in table.rows()), n_rows), told)
    n_bytes = sum(path.stat().st_size for path in (folder / "parts").glob("*.parquet"))
    rates["bytes_settled_per_s"] = (per_second(settle, n_bytes), f"{told}: counted and hashed, from the page cache")
    return rates


def matching() -> Rates:
    """Scores, draws and rows of the stage match, features given."""
    rng = np.random.default_rng(0)

    def unit(n: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        rows = rng.standard_normal((n, N_DIMENSIONS), np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows

    instructions = instruction_rows(N_INSTRUCTIONS)
    images = image_rows([{"description": "A cat.", "id": str(number)} for number in range(4 * SHARD_SIZE)])
    matcher = Matcher(instructions, unit(N_INSTRUCTIONS), MatchConfig(per_image=1), seed=0)
    features = unit(len(images))

    def match() -> None:
        for start in range(0, len(images), SHARD_SIZE):
            matcher.match(images[start : start + SHARD_SIZE], features[start : start + SHARD_SIZE])

    told = f"{len(images):,} images × {N_INSTRUCTIONS} instructions × {N_DIMENSIONS} dimensions, parts of {SHARD_SIZE}"
    return {"matched_pairs_per_s": (per_second(match, len(images) * N_INSTRUCTIONS), told)}


def filtering() -> Rates:
    """The filter's rules on real answers, its search for near copies on many made-up ones, and the split."""
    encoder = load_text_encoder(EmbeddedTextEncoder())
    config = FilterConfig(skip=("near_duplicate_answer",))
    rows = sound_answers()
    candidates = [
        Candidate(row["id"], row["instruction"], row["answer"], row["description"], row["finish_reason"])
        for row in rows
    ]
    texts = list(word_chains([row["answer"] for row in rows], 20_000, n_words=150))
    threshold = FilterConfig().near_duplicate_similarity

    def index(some: list[str]) -> TwinIndex:
        made = TwinIndex(threshold)
        for number, signature in enumerate(made.signatures(some)):
            made.find(signature)
            made.add(f"{number:016x}", signature)
        return made

    instructions = instruction_rows(N_INSTRUCTIONS)
    embeddings = np.eye(N_INSTRUCTIONS, dtype=np.float32)

    def pairs(n: int) -> Iterator[Pair]:
        ids = [instruction.instruction_id for instruction in instructions]
        return (Pair(content_id(f"{i}"), content_id(f"image {i}"), ids[i % len(ids)]) for i in range(n))

    def split(n: int) -> object:
        return plan_split(pairs(n), instructions, embeddings, SplitConfig(), 0)

    n = 50_000
    told = f"{len(texts):,} made-up answers of 150 words: `find`, then `add`, as the filter calls them"
    return {
        "judged_answers_per_s": (
            per_second(lambda: AnswerFilter(config, encoder).judge(candidates), len(candidates)),
            f"{len(candidates)} sound answers written by hand, all rules but near copies",
        ),
        "compared_answers_per_s": (per_second(lambda: index(texts), len(texts), n_rounds=1), told),
        "compared_bytes_per_answer": (bytes_each(lambda: index(texts), len(texts)), f"{len(texts):,} of the same"),
        "split_rows_per_s": (
            per_second(lambda: split(n), n),
            f"{n:,} pairs of image and instruction, made as they are read: what is held out",
        ),
        "split_bytes_per_row": (bytes_each(lambda: split(n), n), f"{n:,} of the same"),
    }


def store(folder: Path) -> Rates:
    """Bytes of the reply store for each reply, and for each byte of its request and text."""
    account = Account("stage-rates", "answer")

    async def put(replies: ReplyStore, number: int, n_bytes: int) -> None:
        request_id = content_id(f"{number}", "a") + content_id(f"{number}", "b")
        reply = Reply(request_id, "", "stop", MODEL, 1000, 200)
        await replies.put(reply, f'{{"{number:0{n_bytes - 4}d}"}}', account, None)

    async def fill(path: Path, n: int, n_bytes: int) -> int:
        with ReplyStore(path) as replies:
            for start in range(0, n, 1000):
                await asyncio.gather(*(put(replies, i, n_bytes) for i in range(start, start + 1000)))
        return n_bytes_on_disk(path)

    n, least, most = 20_000, 200, 4200
    few, many = (asyncio.run(fill(folder / str(n_bytes), n, n_bytes)) / n for n_bytes in (least, most))
    per_byte = (many - few) / (most - least)
    told = f"{n:,} replies with requests of {least} and {most:,} bytes, as stored at full speed: not compressed"
    return {
        "store_bytes_per_reply": (few - per_byte * least, f"{told}; what does not grow with their length"),
        "store_bytes_per_text_byte": (per_byte, told),
    }


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="a folder of JPEGs")
    parser.add_argument("--rates", type=Path, help="a YAML file to write for `mminstruct plan --rates`")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rates = intake(options.images) | tables(folder) | matching() | filtering() | store(folder)
    on = machine(("numpy", "pyarrow", "Pillow", "transformers"))
    lines = ["# Rates of the stages on one core", "", f"`python benchmarks/stage_rates.py`: {on}.", ""]
    lines += [
        "Per second of processor time of one core; the best of three rounds.",
        "",
        "| rate | value | measured on |",
    ]
    lines += ["|---|---:|---|", *(f"| {name} | {_round(value)} | {told} |" for name, (value, told) in rates.items())]
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.stdout.write(RESULTS.read_text(encoding="utf-8"))
    if options.rates:
        options.rates.write_text("".join(f"{name}: {value:.4g}\n" for name, (value, _) in rates.items()))


def _round(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main()
