"""Our `answer` stage whole, on generated tables, against an endpoint: what request_engine.py and others measure.

    python benchmarks/stub_server.py --port 8123 &
    py-spy record -o profile.svg -- python benchmarks/answer_stage.py --base-url http://127.0.0.1:8123/v1

The run folder is a real one: `run_steps` first makes the tables up to 05_exemplars from generated rows, then, timed,
runs the stage as users do: prompts rendered with an example, requests, the reply store, Parquet out, the manifest and
the progress display (live on a terminal, lines elsewhere). Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, product
from pathlib import Path

from rich.console import Console

from mminstruct.cli.progress import progress_for
from mminstruct.config.file import parse_config
from mminstruct.config.run import RunConfig
from mminstruct.pipeline.progress import Progress, Silent
from mminstruct.pipeline.run import Run, Step, run_steps
from mminstruct.pipeline.steps import STEPS
from mminstruct.rows import Exemplar, Image, Instruction, Match, content_id

PER_IMAGE = 3  # matches of an image
SHARD_SIZE = 500  # images in a part: the default
SYSTEM = (
    "You look at an image and carry out the instruction that comes with it. The image reaches you in words; take them "
    "as your own eyesight, and say nothing about it that they do not support. Begin with the work itself, and end it "
    "when it is complete."
)
TEMPLATE = """\
---
temperature: 0.7
max_tokens: 512
---
{{ system }}
SYSTEM
{% for exemplar in exemplars %}
{{ user }}
{{ exemplar.description }}

{{ exemplar.instruction }}
{{ assistant }}
{{ exemplar.answer }}
{% endfor %}
{{ user }}
{{ description }}

{{ instruction }}
""".replace("SYSTEM", SYSTEM)
DESCRIPTION = (
    "Photo {number}: a grey mug with a chipped rim stands on a low stone wall beside fishing nets. Behind it two small "
    "boats, one red, one white, lie in calm water, and gulls sit on a crate. The light is that of early morning."
)
ANSWER = "Meet the mug that has seen every sunrise of this harbour. Fill it, sit down by the nets, and watch the boats."
FORMS = ("an advert", "a short poem", "a radio script", "a museum label", "a postcard", "a bedtime story")
READERS = ("tourists", "children", "sailors", "collectors", "cooks")


@dataclass
class Result:
    """What the timed part took."""

    n_replies: int
    seconds: float  # of the stage, as the manifest has it
    call_seconds: float  # of run_steps around it: opening, checks, the manifest
    cpu_seconds: float  # of this process in that call, user and system
    peak_mb: float  # largest resident memory since the process began


def instructions() -> list[Instruction]:
    """Return thirty instructions."""
    texts = [
        f"Write {form} about the main thing in the image for {reader}." for form, reader in product(FORMS, READERS)
    ]
    return [Instruction(content_id(text), text, "writing", [0], [], [], "made up", "") for text in texts]


def images(n_images: int) -> Iterator[Image]:
    """Yield captioned images that exist as rows only."""
    for number in range(n_images):
        name = f"{number:08d}.jpg"
        description = DESCRIPTION.format(number=number)
        yield Image(content_id(name), "stub", name, name, name, description, [description], 640, 480, "JPEG", name * 2)


def steps(n_requests: int) -> tuple[Step, ...]:
    """Return the pipeline up to `answer`, with generated rows in place of what the earlier stages would do."""
    known = instructions()

    async def write_images(run: Run) -> None:
        rows = images(-(-n_requests // PER_IMAGE))
        index = 0
        while shard := list(islice(rows, SHARD_SIZE)):
            run.tables.images.write_part(index, shard)
            index += 1

    async def write_raw_instructions(run: Run) -> None:
        run.tables.raw_instructions.write_part(0, [])

    async def write_instructions(run: Run) -> None:
        run.tables.instructions.write_part(0, known)

    async def write_matches(run: Run) -> None:
        n_left = n_requests
        for index in run.tables.images.parts():
            matches = list(_matches(run.tables.images.read_part(index), known))[:n_left]
            run.tables.matches.write_part(index, matches)
            n_left -= len(matches)

    async def write_exemplars(run: Run) -> None:
        run.tables.exemplars.write_part(0, list(map(exemplar_of, known)))

    work: dict[str, Callable[[Run], Awaitable[None]]] = {
        "images": write_images,
        "augment": write_raw_instructions,
        "summarize": write_instructions,
        "match": write_matches,
        "exemplars": write_exemplars,
    }
    by_name = {step.stage: step for step in STEPS}
    generated = (replace(by_name[name], settings=lambda run: n_requests, work=write) for name, write in work.items())
    return (*generated, by_name["answer"])


def _matches(some: list[Image], known: list[Instruction]) -> Iterator[Match]:
    for image in some:
        for rank in range(PER_IMAGE):
            instruction = known[(int(image.source_id[:8]) + 7 * rank) % len(known)]
            match_id = content_id(image.image_id, instruction.instruction_id)
            yield Match(match_id, image.image_id, instruction.instruction_id, 0.5 - rank / 10, rank)


def exemplar_of(instruction: Instruction) -> Exemplar:
    """Return a made-up exemplar."""
    return Exemplar(
        exemplar_id=content_id("exemplar", instruction.instruction_id),
        image_id=content_id("no image of this run"),
        instruction_id=instruction.instruction_id,
        description=DESCRIPTION.format(number="0"),
        instruction=instruction.text,
        answer=ANSWER,
        model="made up",
        request_id="",
    )


def config_of(folder: Path, base_url: str, concurrency: int) -> RunConfig:
    """Write the prompt template into `folder` and return the config of a run there."""
    (folder / "answer.j2").write_text(TEMPLATE, encoding="utf-8")
    text = f"""
run_dir: run
images: [{{format: jsonl, path: none.jsonl}}]
llm: {{base_url: "{base_url}", model: stub, concurrency: {concurrency}}}
answer: {{shots: 1, prompt: answer.j2}}
shard_size: {SHARD_SIZE}
"""
    return parse_config(text, "benchmark", folder)


def prompts(n_prompts: int) -> Iterator[str]:
    """Yield texts of one turn, as long as what the stage sends, for clients that send their prompts as they are."""
    example, known = DESCRIPTION.format(number=0), instructions()
    for number in range(n_prompts):
        instruction = known[number % len(known)].text
        description = DESCRIPTION.format(number=number)
        yield "\n\n".join([SYSTEM, example, instruction, ANSWER, description, instruction])


async def run_answer_stage(
    folder: Path, base_url: str, n_requests: int, concurrency: int, progress: Progress
) -> Result:
    """Make the tables before the stage, then run it, timed; the reply store is new."""
    config, pipeline = config_of(folder, base_url, concurrency), steps(n_requests)
    await run_steps(config, pipeline, Silent(), last="exemplars")
    started, cpu_started = time.perf_counter(), time.process_time()
    manifest = await run_steps(config, pipeline, progress, last="answer")
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
    record = manifest.stages["answer"]
    if record.n_rejected or record.requests != n_requests:
        raise SystemExit(f"expected {n_requests:,} requests and no reject, found {record}")
    return Result(record.n_out, record.seconds, seconds, cpu, peak_mb())


def peak_mb() -> float:
    """Return the largest resident memory of this process so far; Linux counts it in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Read the options, run, print the result as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-url", required=True, help="the endpoint, up to and with /v1")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--concurrency", type=int, default=256)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, progress_for(Console(stderr=True)) as progress:
        work = run_answer_stage(Path(folder), options.base_url, options.requests, options.concurrency, progress)
        result = asyncio.run(work)
    sys.stdout.write(json.dumps(vars(result)) + "\n")


if __name__ == "__main__":
    main()
