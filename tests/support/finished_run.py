"""A finished run of the small collection, with the endpoint that answered it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mminstruct.config.file import load_config
from mminstruct.pipeline.progress import Silent
from mminstruct.pipeline.run import run_steps
from mminstruct.pipeline.steps import STEPS
from support.collection import make_collection, write_config
from support.llm_server import LlmServer


@dataclass(frozen=True)
class FinishedRun:
    """The run's folder, its config file and its endpoint, which is still there."""

    folder: Path
    config_file: Path
    server: LlmServer


@contextmanager
def finished_run(folder: Path) -> Iterator[FinishedRun]:
    """Make the collection and the run below `folder`."""
    make_collection(folder)
    with LlmServer() as server:
        config_file = write_config(folder, server.base_url)
        asyncio.run(run_steps(load_config(config_file), STEPS, Silent()))
        yield FinishedRun(folder / "run", config_file, server)
