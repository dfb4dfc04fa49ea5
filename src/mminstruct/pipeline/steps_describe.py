"""The stage that asks a model which sees, wired to its tables: describe."""

from __future__ import annotations

from mminstruct.pipeline.run import Run
from mminstruct.pipeline.steps_text import ask_by_part, llm_settings


async def describe_step(run: Run) -> None:
    """01_images → 01_described, part by part."""
    config, table = run.config.describe, run.tables.described
    chat = await ask_by_part(run)
    n_written = sum(1 for image in table.rows() if image.described_by)
    checked = ", and each was checked" if config.check else ""
    run.record.notes.append(f"{n_written:,} of {table.count():,} descriptions are by {chat.model}{checked}")


def describe_settings(run: Run) -> object:
    """Return the settings that decide the stage's result."""
    check = run.backends.check_prompt.fingerprint if run.config.describe.check else ""
    return [llm_settings("describe")(run), check]
