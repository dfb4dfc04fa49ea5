"""How usable the embedded model's output is, prompt by prompt, and how fast it comes.

    python benchmarks/embedded_prompts.py --captions captions.json --n 64

Reads COCO captions JSON (the captions of an image are joined to one description), runs the small prompts through the
real stages and the real server, and writes a table: the share of outputs that pass the stages' own checks of form,
and the rate. Form is not sense: read some of the outputs too (`--show`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from mminstruct.config.encoders import EmbeddedTextEncoder
from mminstruct.config.instructions import AugmentConfig, SummarizeConfig
from mminstruct.encoders.clustering import cluster, nearest_members
from mminstruct.encoders.text import load_text_encoder
from mminstruct.llm.chat import Chat
from mminstruct.llm.embedded import EmbeddedServer, n_available_cores
from mminstruct.llm.endpoint import Endpoint
from mminstruct.llm.http.client import HttpChat
from mminstruct.llm.http.wire import Session
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.near_copies import split_words
from mminstruct.prompts.template import PromptName, load_prompt
from mminstruct.readers.seeds import load_seeds
from mminstruct.rows import Exemplar, Image, Instruction, RawInstruction, Reject, Seed
from mminstruct.stages.augment import augment, drop_near_copies, plan_augment
from mminstruct.stages.summarize import merge_drafts, plan_summaries, summarize
from mminstruct.texts import content_stems, sentences, word_runs

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass
class Row:
    """One line of the table."""

    step: str
    n: int
    n_passed: int
    seconds: float
    note: str


async def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captions", type=Path, required=True, help="COCO captions JSON")
    parser.add_argument("--n", type=int, default=64, help="requests a step")
    parser.add_argument("--out", type=Path, help="write the table to this file too")
    parser.add_argument("--show", type=int, default=0, help="print this many outputs of each step")
    arguments = parser.parse_args()
    images = read_images(arguments.captions)
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer() as server:
        async with Session() as session:
            endpoint = Endpoint((server.base_url,), server.model, concurrency=32, timeout_s=600)
            with ReplyStore(Path(folder)) as store:
                rows = await measure(HttpChat(endpoint, store, session), images, arguments.n, arguments.show)
    table = as_markdown(rows)
    print(table)
    if arguments.out:
        arguments.out.write_text(table, encoding="utf-8")


def read_images(path: Path) -> list[Image]:
    """Return an image row for each image of a COCO captions file; the files themselves are not needed here."""
    content = json.loads(path.read_text(encoding="utf-8"))
    captions: dict[int, list[str]] = defaultdict(list)
    for annotation in content["annotations"]:
        captions[annotation["image_id"]].append(" ".join(annotation["caption"].split()))
    return [
        Image(str(key), "coco", str(key), "", "", " ".join(texts), texts, 0, 0, "JPEG", str(key))
        for key, texts in sorted(captions.items())
    ]


async def measure(chat: Chat, images: list[Image], n: int, n_shown: int) -> list[Row]:
    """Run the four steps one after the other, each on the outputs of those before it."""
    seeds = load_seeds()
    rows: list[Row] = []
    raws, row = await measure_augment(chat, images, seeds, n, n_shown)
    rows.append(row)
    instructions, row = await measure_summarize(chat, images, seeds, raws, n_shown)
    rows.append(row)
    names: tuple[PromptName, ...] = ("exemplar", "answer")
    for name in names:
        rows.append(await measure_answers(name, chat, images, instructions, n, n_shown))
    return rows


async def measure_augment(
    chat: Chat, images: list[Image], seeds: list[Seed], n: int, n_shown: int
) -> tuple[list[RawInstruction], Row]:
    """Measure augment; its instructions feed summarize."""
    config = AugmentConfig(n_instructions=n)
    prompt = load_prompt("augment", "small")
    tasks = plan_augment(images, seeds, config, 0)
    results, seconds = await timed(tasks, partial(augment, chat=chat, prompt=prompt, config=config))
    raws = [result for result in results if not isinstance(result, Reject)]
    kept, _ = drop_near_copies(raws, seeds, config.near_copy_similarity)
    of_image = {image.image_id: content_stems(image.description) for image in images}
    n_tied = sum(bool(content_stems(raw.text) & of_image[raw.image_id]) for raw in raws)
    show("augment", [raw.text for raw in raws], n_shown)
    note = f"{len(kept)} are no near copies; {n_tied} name something of their image"
    return kept, Row("augment", n, len(raws), seconds, note)


async def measure_summarize(
    chat: Chat, images: list[Image], seeds: list[Seed], raws: list[RawInstruction], n_shown: int
) -> tuple[list[Instruction], Row]:
    """Measure summarize with the stage's own number of attempts; its instructions feed the answers."""
    config = SummarizeConfig(n_clusters=max(2, len(raws) // 4))
    prompt = load_prompt("summarize", "small")
    encoder = load_text_encoder(EmbeddedTextEncoder())
    embeddings = encoder.encode_texts([raw.text for raw in raws])
    clusters = cluster(embeddings, config.n_clusters, 0)
    shown = nearest_members(embeddings, clusters, config.n_members)
    descriptions = {image.image_id: image.description for image in images}
    tasks = plan_summaries(raws, clusters.labels, shown, descriptions, config)
    results, seconds = await timed(tasks, partial(summarize, chat=chat, prompt=prompt, config=config))
    drafts = [result for result in results if not isinstance(result, Reject)]
    instructions, _ = merge_drafts(
        drafts,
        encoder.encode_texts([draft.text for draft in drafts]),
        seeds,
        encoder.encode_texts([seed.instruction for seed in seeds]),
        config,
    )
    show("summarize", [f"{item.category}: {item.text}" for item in instructions], n_shown)
    show(
        "summarize, rejected",
        [f"{r.reason} {r.detail}: {r.raw_text}" for r in results if isinstance(r, Reject)],
        n_shown,
    )
    return instructions, Row("summarize", len(tasks), len(drafts), seconds, f"{len(instructions)} remain after merging")


async def measure_answers(
    name: PromptName, chat: Chat, images: list[Image], instructions: list[Instruction], n: int, n_shown: int
) -> Row:
    """Measure the exemplar or the answer prompt; the answer prompt is given two worked exemplars."""
    prompt = load_prompt(name, "small")
    pairs = [(images[i % len(images)], instructions[(7 * i) % len(instructions)]) for i in range(n)]

    async def ask(pair: tuple[Image, Instruction]) -> tuple[Image, str, str]:
        image, instruction = pair
        variables = {"description": image.description, "instruction": instruction.text, "exemplars": EXEMPLARS}
        reply = await chat.ask(prompt.render(variables))
        return image, reply.text, reply.finish_reason

    results, seconds = await timed(pairs, ask)
    faults = [answer_fault(image.description, text, finish) for image, text, finish in results]
    found = Counter(fault for fault in faults if fault)
    show(name, [f"[{pair[1].text}] {result[1]}" for pair, result in zip(pairs, results, strict=True)], n_shown)
    note = ", ".join(f"{fault} {count}" for fault, count in found.most_common()) or "no faults"
    return Row(name, n, n - sum(found.values()), seconds, note)


def answer_fault(description: str, text: str, finish_reason: str) -> str:
    """Return the first rule that an answer breaks, or nothing."""
    words, source = split_words(text), split_words(description)
    if finish_reason != "stop" or not re.search(r"[.!?][\"')]*$", text.strip()):
        return "cut off"
    if not 25 <= len(words) <= 200 or len(sentences(text)) < 2:
        return "length"
    if max(Counter(word_runs(words, 4)).values(), default=0) > 1:
        return "repeats itself"
    if set(word_runs(words, 8)) & set(word_runs(source, 8)):
        return "copies the description"
    if re.search(r"\b(?:description|caption|as an ai|language model|image shows:)", text, re.IGNORECASE):
        return "speaks of its source"
    if not content_stems(text) & content_stems(description):
        return "has nothing of the image"
    return ""


async def timed(tasks: Sequence[Task], work: Callable[[Task], Awaitable[Result]]) -> tuple[list[Result], float]:
    """Work on all tasks at once; the client bounds how many are in flight."""
    start = time.perf_counter()
    results = await asyncio.gather(*(work(task) for task in tasks))
    return list(results), time.perf_counter() - start


def show(step: str, texts: Sequence[str], n_shown: int) -> None:
    """Print some outputs, to be read by eye."""
    for text in texts[:n_shown]:
        print(f"{step}: {text}\n")


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the table with the machine's description."""
    lines = [
        "# What the embedded model's prompts give",
        "",
        "Made by `python benchmarks/embedded_prompts.py --captions captions.json`, which says what is counted.",
        "The checks see form, not sense. Summarize has the stage's two attempts, exemplar and answer have one.",
        "",
        f"{platform.system()} {platform.machine()}, {cpu_name()}, {n_available_cores()} cores available, "
        f"load {os.getloadavg()[0]:.1f} at the end.",
        "",
        "| step | outputs | pass | share | outputs a minute | |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        share, rate = row.n_passed / row.n, 60 * row.n / row.seconds
        lines.append(f"| {row.step} | {row.n} | {row.n_passed} | {share:.2f} | {rate:.0f} | {row.note} |")
    return "\n".join([*lines, ""])


def cpu_name() -> str:
    """Return the processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    match = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    return match[1] if match else platform.processor()


EXEMPLARS = [
    Exemplar(
        "",
        "",
        "",
        "A red sailing boat leans in the wind on a blue lake. Three people in life jackets sit on its edge.",
        "Write a short travel tip about the place in the image.",
        "If you like fresh air and a little thrill, come to the lake on a windy day. The water is a deep blue, and a "
        "red sailing boat takes three guests at a time. Wear a life jacket, sit on the high edge of the boat and "
        "hold on tight when it leans. You will come home wet, hungry and very happy.",
        "",
        "",
    ),
    Exemplar(
        "",
        "",
        "",
        "A baker in a white apron takes dark round loaves out of a brick oven. Flour lies on the table.",
        "Write a diary entry by somebody in the image.",
        "I was up at three again, long before the street was awake. The brick oven was already glowing when I tied "
        "on my white apron. Loaf after loaf came out round and dark, and the whole room smelled of warm crust. There "
        "is flour on the table, on my sleeves and even in my hair. I would not trade this work for any other.",
        "",
        "",
    ),
]

if __name__ == "__main__":
    asyncio.run(main())
