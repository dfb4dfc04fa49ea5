"""A real run in a process of its own against a slow endpoint, to be watched while it goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.collection import make_collection, write_config
from support.llm_server import Body, LlmServer, plausible_reply
from support.patience import PATIENCE_S, wait_for


@dataclass
class GoingRun:
    """The run's folder, and how slowly its answers come."""

    folder: Path
    process: subprocess.Popen[bytes]
    pace: Pace

    def wait_for(self, found: Callable[[], bool]) -> None:
        """Return once `found` is true. Fails where the run ends before."""
        wait_for(found, self.process)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def finish(self) -> None:
        """Let the answers come at once, and wait for the end."""
        self.pace.between_answers_s = 0
        assert self.process.wait(PATIENCE_S) == 0


class Pace:
    """Answers one request after the other with a pause between; all other requests at once."""

    def __init__(self, between_answers_s: float) -> None:
        self.between_answers_s = between_answers_s

    def reply(self, body: Body) -> str:
        text = plausible_reply(body)
        if not text.startswith("Write "):
            time.sleep(self.between_answers_s)  # in the server's one thread: so they come one by one
        return text


@contextmanager
def going_run(folder: Path, between_answers_s: float = 0.25) -> Iterator[GoingRun]:
    """Start a run of 48 answers below `folder`; it is killed at the end, if it still goes on."""
    make_collection(folder)
    pace = Pace(between_answers_s)
    with LlmServer(reply=pace.reply) as server:
        price = "price: {prompt_per_million: 1, completion_per_million: 2}"
        llm = f"{{base_url: '{server.base_url}', model: teller, concurrency: 4, {price}}}"
        config = write_config(folder, server.base_url, shard_size="100", llm=llm)
        process = subprocess.Popen(
            [sys.executable, "-m", "mminstruct", "run", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield GoingRun(folder / "run", process, pace)
        finally:
            pace.between_answers_s = 0
            process.kill()
            process.wait()
