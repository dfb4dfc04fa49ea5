"""Why a task gave no score, read from the log of lmms-eval, and what to do about it.

lmms-eval 0.7.3 ends with exit status 0 when a task breaks, gives an empty answer where the model breaks, and a zero or
a random letter where the judge does: without a look at its log, such a run has a score like any other.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mminstruct.evaluate.suite import SuiteTask

FailureKind = Literal["data set", "package", "key", "judge", "memory", "answers", "other"]

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LAST_LINES = 5
_MEMORY = re.compile(r"OutOfMemoryError|out of memory|not enough memory|can't allocate memory", re.IGNORECASE)
_PACKAGE = re.compile(r"^(?:ModuleNotFoundError|ImportError): .*", re.MULTILINE)
_KEY = re.compile(r"^.*(?:Missing credentials|api_key client option|Incorrect API key|API key not configured).*", re.M)
_DATA_SET = re.compile(
    r"^(?:\w+\.)*(?:ConnectionError|ConnectError|DatasetNotFoundError|LocalTokenNotFoundError|OfflineModeIsEnabled|"
    r"GatedRepoError|RepositoryNotFoundError|HfHubHTTPError|LocalEntryNotFoundError|DataFilesNotFoundError|"
    r"EmptyDatasetError|MaxRetryError)\b.*",
    re.MULTILINE,
)
_NO_ANSWER = re.compile(r"Error (.*) in generating")
_NO_JUDGMENT = re.compile(r"failed to get a score|Failed to Get a Proper Review|Error for Question ID|GPT API failed")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no score."""

    kind: FailureKind
    text: str  # what was found and what to do, in plain sentences


def read_log(log: Path) -> str:
    """Return what a task printed, without the colours."""
    return _COLOURS.sub("", log.read_text(encoding="utf-8", errors="replace"))


def why_no_result(task: SuiteTask, log: Path, status: int) -> Failure:
    """Return why a task wrote no results, from its log and its exit status."""
    said = read_log(log)
    if _MEMORY.search(said) or status in (-9, 137):
        return Failure("memory", _memory(log))
    if package := _PACKAGE.search(said):
        return Failure("package", f"{package[0]}. Install it where lmms-eval is. Log: {log}")
    if key := _KEY.search(said):
        return Failure("key", f"The judge refuses the key: {key[0].strip()} Log: {log}")
    if reason := _DATA_SET.search(said):
        return Failure("data set", f"{unreachable(task)} ({reason[0].strip()}) Log: {log}")
    last = " / ".join([line.strip() for line in said.splitlines() if line.strip()][-_LAST_LINES:])
    return Failure("other", f"lmms-eval wrote no results (exit status {status}). It ended with: {last} Log: {log}")


def why_no_trust(task: SuiteTask, log: Path) -> Failure | None:
    """Return what makes a task's results worthless though they were written, or nothing."""
    said = read_log(log)
    broken = _NO_ANSWER.findall(said)
    if broken and _MEMORY.search(broken[0]):
        return Failure("memory", f"The model gave no answer to {len(broken):,} questions. {_memory(log)}")
    if broken:
        return Failure("answers", f"The model gave no answer to {len(broken):,} questions: {broken[0]}. Log: {log}")
    n_unjudged = len(_NO_JUDGMENT.findall(said)) if task.needs_judge else 0
    if n_unjudged:
        return Failure(
            "judge",
            f"The judge failed, by {n_unjudged:,} lines of the log, and lmms-eval counts such answers as zero or takes "
            f"a random letter. See to the key, its limits and OPENAI_API_URL, and run it again. Log: {log}",
        )
    return None


def no_key(task: SuiteTask, variable: str) -> Failure:
    """Return the failure of a task whose judge has no key."""
    return Failure("key", f"Its answers are judged by a model of a paid endpoint, and {variable} is not set.")


def unreachable(task: SuiteTask) -> str:
    """Return how to get a task's data set."""
    if not task.data_set:
        return "Its data set could not be loaded."
    folder = shlex.quote(f"DATA/{task.data_set}")
    return (
        f"Its data set {task.data_set} could not be loaded. Where the hub can be reached: "
        f"hf download --repo-type dataset {task.data_set} --local-dir {folder}; then run this again with --data DATA."
    )


def _memory(log: Path) -> str:
    return f"The memory was used up: free the device, or choose another with --device. Log: {log}"
