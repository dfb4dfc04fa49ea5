"""One task of lmms-eval 0.7.3 in a child process: its command, its log, and the results file that it writes."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mminstruct.errors import ConfigError, RunError
from mminstruct.evaluate.environment import Environment

_SPLIT_AT = frozenset(",'\"{}[]")  # lmms-eval reads its arguments as a list of NAME=VALUE
_JUDGE_URL = "OPENAI_API_URL"


@dataclass(frozen=True, slots=True)
class Call:
    """What all tasks of one evaluation are run with."""

    environment: Environment
    model: Path
    limit: int | None = None  # questions a task
    data: Path | None = None  # data sets as folders, data/OWNER/NAME
    task_folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What lmms-eval found: its metrics on its own scales, and how many questions were asked of how many."""

    metrics: Mapping[str, float]
    n_asked: int
    n_questions: int


def run_task(call: Call, task: str, folder: Path, judge_url_ends: str = "") -> int:
    """Run `task` of lmms-eval and return its exit status; 0 says nothing: see whether there are results.

    Writes `folder/log.txt` and `folder/lmms_eval/`, in place of what an earlier run left there.

    Raises ConfigError where a path cannot be handed on to lmms-eval.
    """
    output = folder.resolve() / "lmms_eval"
    for path in (call.model, output):
        if _SPLIT_AT & set(str(path)):
            raise ConfigError(f"lmms-eval splits its arguments at commas, quotes and brackets: rename {path}.")
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    with (folder / "log.txt").open("wb") as log:
        done = subprocess.run(
            command(call, task, output),
            cwd=call.data or folder,  # a folder OWNER/NAME there is loaded in place of the hub's data set
            env=_surroundings(judge_url_ends),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    return done.returncode


def command(call: Call, task: str, output: Path) -> list[str]:
    """Return the command of one task."""
    device = call.environment.device
    line = [str(call.environment.python), "-m", "lmms_eval", "--model", "llava_hf"]
    line += ["--model_args", f"pretrained={call.model},device={device},device_map={device}"]
    line += ["--tasks", task, "--batch_size", "1"]  # its LLaVA takes no other
    line += ["--log_samples", "--output_path", str(output)]
    if call.task_folder is not None:
        line += ["--include_path", str(call.task_folder.resolve())]
    if call.limit is not None:
        line += ["--limit", str(call.limit)]
    return line


def _surroundings(judge_url_ends: str) -> dict[str, str]:
    """Return the environment variables: PYTHONSAFEPATH keeps a folder of data from being taken for a package.

    OPENAI_API_URL is the base URL of a judge to some tasks of lmms-eval and the whole address to others.
    """
    variables = {**os.environ, "PYTHONSAFEPATH": "1"}
    url = variables.get(_JUDGE_URL, "").rstrip("/")
    if url and judge_url_ends and not url.endswith(judge_url_ends):
        variables[_JUDGE_URL] = url + judge_url_ends
    return variables


def read_results(folder: Path, task: str) -> Measured | None:
    """Return what the run in `folder` found; None where it wrote no results.

    Raises RunError where the file is not as lmms-eval 0.7.3 writes it.
    """
    files = sorted((folder / "lmms_eval").glob("*/*_results.json"))
    if not files:
        return None
    try:
        contents = json.loads(files[-1].read_text(encoding="utf-8"))
        found, counts = contents["results"][task], contents["n-samples"][task]
        return Measured(_metrics(found), int(counts["effective"]), int(counts["original"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{files[-1]} is not as lmms-eval 0.7.3 writes it: {type(error).__name__} {error}.") from error


def _metrics(found: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers, by metric; standard errors, and what is no number ("N/A"), are left to lmms-eval's file."""
    metrics = {}
    for key, value in found.items():
        name, _, extraction = key.partition(",")
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if extraction == "none" and number and "_stderr" not in name:
            metrics[name] = float(value)
    return metrics
