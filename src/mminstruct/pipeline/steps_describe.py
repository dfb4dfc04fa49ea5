"""The stage that asks a model which sees, wired to its tables: describe."""

from __future__ import annotations

from functools import partial

from mminstruct.engines.local import run_shards
from mminstruct.pipeline.run import Run
from mminstruct.pipeline.steps_text import llm_settings, open_chat, with_progress
from mminstruct.pipeline.tables import part_rejects
from mminstruct.rows import Image, Reject
from mminstruct.stages.describe import describe


async def describe_step(run: Run) -> None:
    """01_images → 01_described, part by part."""
    config, table = run.config.describe, run.tables.described
    done = set(table.parts())
    run.record.n_in = run.tables.images.count()
    run.progress.stage_started("describe", run.record.n_in, sum(len(table.read_part(index)) for index in done))
    chat, prompt, check_prompt = await open_chat(run), run.backends.prompt("describe"), run.backends.check_prompt

    def finish(index: int, results: list[Image | Reject]) -> None:
        table.write_part(index, *part_rejects(results))

    work = with_progress(run, partial(describe, chat=chat, prompt=prompt, check_prompt=check_prompt, config=config))
    shards = ((index, run.tables.images.read_part(index)) for index in run.tables.images.parts() if index not in done)
    await run_shards(shards, work, finish, chat.rows_at_once)
    n_written = sum(1 for image in table.rows() if image.described_by)
    checked = ", and each was checked" if config.check else ""
    run.record.notes.append(f"{n_written:,} of {table.count():,} descriptions are by {chat.model}{checked}")


def describe_settings(run: Run) -> object:
    """Return the settings that decide the stage's result."""
    check = run.backends.check_prompt.fingerprint if run.config.describe.check else ""
    return [llm_settings("describe")(run), check]
