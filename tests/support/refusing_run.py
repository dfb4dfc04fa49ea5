"""A finished run whose endpoint refused now and then, so that the filter has rejected something."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path

from mminstruct.config.file import load_config
from mminstruct.pipeline.progress import Silent
from mminstruct.pipeline.run import run_steps
from mminstruct.pipeline.steps import STEPS
from support.collection import make_collection, write_config
from support.llm_server import Body, LlmServer, plausible_reply

REFUSAL = "I'm sorry, but I can't help with that."


def sometimes_refuse(body: Body) -> str:
    """Refuse every third request for an answer or so; which ones depends on the request alone."""
    reply = plausible_reply(body)
    is_answer = not reply.startswith("Write ")
    number = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()[0]
    return REFUSAL if is_answer and number % 3 == 0 else reply


def make_refusing_run(folder: Path, n_images: int = 16) -> Path:
    """Make the collection and a run below `folder`; return the run's folder."""
    make_collection(folder, n_images)
    with LlmServer(reply=sometimes_refuse) as server:
        config_file = write_config(folder, server.base_url)
        asyncio.run(run_steps(load_config(config_file), STEPS, Silent()))
    return folder / "run"
