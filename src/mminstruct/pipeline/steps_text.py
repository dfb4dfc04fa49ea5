"""The stages that ask a language model, wired to their tables: augment, summarize, exemplars, answer."""

from __future__ import annotations

import heapq
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from mminstruct.config.filter import FilterConfig
from mminstruct.config.run import RunConfig
from mminstruct.config.section import Section
from mminstruct.encoders.clustering import cluster, nearest_members
from mminstruct.engines.local import run_shards
from mminstruct.errors import BudgetError
from mminstruct.llm.chat import Reply
from mminstruct.llm.models import StageChat
from mminstruct.pipeline.asking import ASKING, PartAsked
from mminstruct.pipeline.run import Run
from mminstruct.pipeline.tables import part_rejects
from mminstruct.rows import Image, Reject, content_id
from mminstruct.stages.augment import augment, drop_near_copies, plan_augment
from mminstruct.stages.exemplars import ExemplarTask, choose_matches, write_exemplar
from mminstruct.stages.filter import Candidate, judge_text, to_reject
from mminstruct.stages.summarize import merge_drafts, nearest_as_it_is, plan_summaries, summarize

Task = TypeVar("Task")
Row = TypeVar("Row")


async def augment_step(run: Run) -> None:
    """01_images → 02_raw_instructions."""
    config, seeds = run.config.augment, run.backends.seeds
    images = _draw_images(run.tables.captioned.rows(), config.n_instructions, run.config.seed)
    tasks = plan_augment(images, seeds, config, run.config.seed)
    chat, prompt = await open_chat(run), run.backends.prompt("augment")
    results = await _ask_all(run, chat, tasks, partial(augment, chat=chat, prompt=prompt, config=config))
    raws, rejects = part_rejects(results)
    raws, copies = drop_near_copies(raws, seeds, config.near_copy_similarity)
    run.tables.raw_instructions.write_part(0, raws, [*rejects, *copies])


async def summarize_step(run: Run) -> None:
    """02_raw_instructions → 03_instructions."""
    config, encoder = run.config.summarize, run.backends.kept_text_encoder
    raws = list(run.tables.raw_instructions.rows())
    embeddings = encoder.encode_texts([raw.text for raw in raws])
    clusters = cluster(embeddings, config.n_clusters, run.config.seed)
    shown = nearest_members(embeddings, clusters, config.n_members)
    drawn = {raw.image_id for raw in raws}
    descriptions = {
        image.image_id: image.description for image in run.tables.captioned.rows() if image.image_id in drawn
    }
    tasks = plan_summaries(raws, clusters.labels, shown, descriptions, config)
    rejects: list[Reject] = []
    if config.method == "raw":
        drafts = [nearest_as_it_is(task) for task in tasks]
        run.progress.stage_started("summarize", len(tasks), len(tasks))
    else:
        chat, prompt = await open_chat(run), run.backends.prompt("summarize")
        work = partial(summarize, chat=chat, prompt=prompt, config=config)
        drafts, rejects = part_rejects(await _ask_all(run, chat, tasks, work))
    instructions, merged = merge_drafts(
        drafts,
        encoder.encode_texts([draft.text for draft in drafts]),
        run.backends.seeds,
        encoder.encode_texts([seed.instruction for seed in run.backends.seeds]),
        config,
    )
    run.record.n_in = len(raws)
    run.tables.instructions.write_part(0, instructions, [*rejects, *merged])


async def exemplars_step(run: Run) -> None:
    """04_matches, 03_instructions, 01_images → 05_exemplars."""
    config = run.config.exemplars
    matches = choose_matches(run.tables.matches.rows(), config.per_instruction)
    instructions = run.tables.instructions_by_id()
    needed = {match.image_id for match in matches}
    images = {image.image_id: image for image in run.tables.captioned.rows() if image.image_id in needed}
    tasks = [ExemplarTask(images[match.image_id], instructions[match.instruction_id], match) for match in matches]
    chat, prompt = await open_chat(run), run.backends.prompt("exemplars")
    rules = exemplar_rules(run.config)

    def check(task: ExemplarTask, reply: Reply) -> Reject | None:
        candidate = Candidate(
            task.match.match_id,
            task.instruction.text,
            reply.text,
            task.image.description,
            reply.finish_reason,
            reply.request_id,
        )
        verdict = judge_text(candidate, rules)
        return None if verdict.kept else replace(to_reject(candidate, verdict), stage="exemplars")

    work = partial(write_exemplar, chat=chat, prompt=prompt, config=config, check=check)
    exemplars, rejects = part_rejects(await _ask_all(run, chat, tasks, work))
    run.tables.exemplars.write_part(0, exemplars, rejects)


async def answer_step(run: Run) -> None:
    """04_matches, 05_exemplars, 03_instructions, 01_images → 06_answers, part by part."""
    await ask_by_part(run)


async def ask_by_part(run: Run) -> StageChat:
    """Work on the parts that the running stage has not done yet, here or elsewhere; return its language model."""
    chat = await open_chat(run)
    asking = ASKING[run.stage](run.site, chat)
    done = set(asking.output.parts())
    todo = [index for index in asking.inputs.parts() if index not in done]
    run.record.n_in = asking.inputs.count()
    run.progress.stage_started(run.stage, run.record.n_in, asking.output.count())
    if run.engine.asks_elsewhere and not run.config.llm_for(run.stage).is_gathered:
        await _ask_elsewhere(run, chat, todo)
        return chat
    shards = ((index, asking.rows_of(index)) for index in todo)
    await run_shards(shards, with_progress(run, asking.ask), asking.finish, chat.rows_at_once)
    return chat


async def _ask_elsewhere(run: Run, chat: StageChat, todo: Sequence[int]) -> None:
    usage = chat.usage
    async for _, part in run.engine.results(run.stage, zip(todo, todo, strict=True), in_order=False):
        assert isinstance(part, PartAsked)
        run.usage = usage = usage.plus(part.usage)
        run.progress.advanced(part.n_rows, part.n_rejected, usage)
        run.save_now_and_then()
        if reached := run.backends.models.budget_reached():
            run.engine.stop(BudgetError(reached))  # which those who are asking raise, once all in flight is stored


def exemplar_rules(config: RunConfig) -> FilterConfig:
    """Return the rules that exemplars are held to: the filter's own, without its lengths and thresholds of taste.

    They do not follow the `filter` section, but for the language: else a new threshold there would ask for new
    exemplars, and with them for every answer anew.
    """
    return FilterConfig(language=config.filter.language, skip=("too_short", "too_long"))


def content_of(section: Section) -> object:
    """Return a section's values without those that change an encoder's pace and nothing else."""

    def without_pace(values: object) -> object:
        if not isinstance(values, dict):
            return values
        return {key: without_pace(value) for key, value in values.items() if key not in ("device", "batch_size")}

    return without_pace(section.model_dump(mode="json"))


def llm_settings(stage: str) -> Callable[[Run], object]:
    """Return the function that gives the settings which decide an LLM stage's result."""

    def settings(run: Run) -> object:
        section = getattr(run.config, stage)
        return {
            "section": section.model_dump(mode="json", exclude={"llm", "prompt", "check_prompt", "seeds"}),
            "llm": run.config.llm_for(stage).content(),
            "prompt": run.backends.prompt(stage).fingerprint,
        }

    return settings


def seeds_fingerprint(run: Run) -> str:
    """Return a hash of the seed instructions."""
    return content_id(*(f"{seed.category}\n{seed.instruction}" for seed in run.backends.seeds))


async def open_chat(run: Run) -> StageChat:
    """Return the running stage's language model, its usage and name on the run's record."""
    chat = await run.backends.chat(run.stage, run.progress.note)
    run.usage = chat.usage
    run.record.model = chat.model
    return chat


async def _ask_all(
    run: Run, chat: StageChat, tasks: Sequence[Task], work: Callable[[Task], Awaitable[Row | Reject]]
) -> list[Row | Reject]:
    """Work on all tasks of a stage whose whole result fits in memory; results in the tasks' order."""
    run.record.n_in = len(tasks)
    run.progress.stage_started(run.stage, len(tasks), 0)
    collected: list[Row | Reject] = []

    def finish(index: int, results: list[Row | Reject]) -> None:
        collected.extend(results)

    await run_shards([(0, tasks)], with_progress(run, work), finish, chat.rows_at_once)
    return collected


def with_progress(
    run: Run, work: Callable[[Task], Awaitable[Row | Reject]]
) -> Callable[[Task], Awaitable[Row | Reject]]:
    """Return `work` that tells the run's progress of each row that is through."""

    async def reported(task: Task) -> Row | Reject:
        result = await work(task)
        run.progress.saw(result)
        run.progress.advanced(1, isinstance(result, Reject), run.usage)
        run.save_now_and_then()
        return result

    return reported


def _draw_images(images: Iterator[Image], n_instructions: int, seed: int) -> list[Image]:
    """Return at most `n_instructions` images, drawn by hash in one pass, so that their number does not matter."""
    keyed = ((content_id(str(seed), image.image_id), image) for image in images)
    return [image for _, image in heapq.nsmallest(n_instructions, keyed, key=lambda item: item[0])]
