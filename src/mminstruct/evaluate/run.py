"""A model on one task after the other: what is done stays done, and a task that fails stops no other.

OUT/tasks/NAME/outcome.json   its score, with a fingerprint of the model's files and the settings
               log.txt        what lmms-eval said
               lmms_eval/     what lmms-eval wrote, each answer among it
    OUT/asked/NAME/               links to the model's files, where it is asked with another chat template

A failure is not stored: the task is run again.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mminstruct.errors import RunError
from mminstruct.evaluate.failures import Failure, no_key, why_no_result, why_no_trust
from mminstruct.evaluate.harness import Call, Measured, read_results, run_task
from mminstruct.evaluate.model import check_model, folder_fingerprint, with_template
from mminstruct.evaluate.suite import SuiteTask
from mminstruct.rows import content_id

DEFAULT_JUDGE = "gpt-4o-2024-11-20"  # of lmms-eval 0.7.3, where MODEL_VERSION is not set
_NO_JUDGE = "measured without a judge, which is asked where no letter is found in an answer"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one task: a score, or the reason why there is none."""

    task: SuiteTask
    score: float | None = None  # on the scale of the published ones
    metrics: Mapping[str, float] = field(default_factory=dict)  # all that lmms-eval gives, on its own scales
    n_asked: int = 0
    n_questions: int = 0
    judge: str = ""
    remark: str = ""
    seconds: float = 0.0
    failure: Failure | None = None
    is_new: bool = False  # measured now, not taken from an earlier run

    @property
    def is_limited(self) -> bool:
        """Whether only a part of the questions was asked, so that the score says nothing about the model."""
        return self.n_asked < self.n_questions


def judge_key(variables: Mapping[str, str] = os.environ) -> tuple[str, bool]:
    """Return the variable that lmms-eval takes a judge's key from, and whether it is set."""
    name = "AZURE_API_KEY" if variables.get("API_TYPE", "openai") == "azure" else "OPENAI_API_KEY"
    return name, bool(variables.get(name))


def judge_name(variables: Mapping[str, str] = os.environ) -> str:
    """Return the model that lmms-eval asks for judgments."""
    return variables.get("MODEL_VERSION", DEFAULT_JUDGE)


def as_runnable(task: SuiteTask) -> SuiteTask | Failure:
    """Return the task as it can be run with the keys at hand, or why it cannot."""
    variable, has_key = judge_key()
    if not task.needs_judge or has_key:
        return task
    if not task.task_without_judge:
        return no_key(task, variable)
    remark = "; ".join(filter(None, (task.remark, _NO_JUDGE)))
    return replace(task, task=task.task_without_judge, n_judgments=0, remark=remark)


def evaluate(
    call: Call,
    tasks: Sequence[SuiteTask],
    out: Path,
    template: str | None,
    overwrite: bool = False,
    begins: Callable[[SuiteTask, Path], None] = lambda task, log: None,
) -> Iterator[Outcome]:
    """Yield the outcome of each task, in order; `begins` is called before one is run, with its log.

    The model is asked with the chat template `template`, or with its own.

    Raises RunError, before anything is run, where `out` holds scores of another model or other settings and
    `overwrite` is not set; ModelError where the model is no LLaVA or lacks a template.
    """
    check_model(call.model)
    runnable = [(task, as_runnable(task)) for task in tasks]
    keys = {task.name: _fingerprint(call, able, template) for task, able in runnable if isinstance(able, SuiteTask)}
    if not overwrite:
        _refuse_others(out, keys)
    asked = replace(call, model=with_template(call.model, template, out / "asked"))
    for task, able in runnable:
        folder = out / "tasks" / task.name
        if isinstance(able, Failure):
            yield Outcome(task, failure=able)
            continue
        done = None if overwrite else _read_outcome(folder, able, keys[task.name])
        if done is None:
            begins(able, folder / "log.txt")
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            done = _run(asked, able, folder)
            if done.failure is None:
                _write_outcome(folder, done, keys[task.name])
        yield done


def earlier_outcomes(call: Call, tasks: Sequence[SuiteTask], out: Path, template: str | None) -> Iterator[Outcome]:
    """Yield what `out` holds already of these tasks, for the same model files and settings."""
    for task in tasks:
        able = as_runnable(task)
        if isinstance(able, SuiteTask):
            done = _read_outcome(out / "tasks" / task.name, able, _fingerprint(call, able, template))
            if done is not None:
                yield done


def _run(call: Call, task: SuiteTask, folder: Path) -> Outcome:
    started = time.monotonic()
    status = run_task(call, task.task, folder, task.judge_url_ends)
    seconds = time.monotonic() - started
    log = folder / "log.txt"
    measured = read_results(folder, task.task)
    if measured is None:
        return Outcome(task, seconds=seconds, failure=why_no_result(task, log, status), is_new=True)
    failure = why_no_trust(task, log)
    if failure is None and (not measured.metrics or (task.metric and task.metric not in measured.metrics)):
        metrics = ", ".join(measured.metrics) or "none"
        failure = Failure("other", f"Its results lack {task.metric or 'numbers'}; numbers there: {metrics}. Log: {log}")
    if failure is not None:
        return Outcome(task, seconds=seconds, failure=failure, is_new=True)
    return _scored(task, measured, seconds)


def _scored(task: SuiteTask, measured: Measured, seconds: float) -> Outcome:
    return Outcome(
        task,
        measured.metrics[task.metric] * task.factor if task.metric else None,
        measured.metrics,
        measured.n_asked,
        measured.n_questions,
        judge_name() if task.needs_judge else "",
        task.remark,
        seconds,
        is_new=True,
    )


def _read_outcome(folder: Path, task: SuiteTask, fingerprint: str) -> Outcome | None:
    """Return the outcome of an earlier run with this fingerprint, or nothing."""
    stored = _stored(folder)
    if stored is None or stored.get("fingerprint") != fingerprint:
        return None
    return Outcome(task, **{name: stored[name] for name in _STORED})


_STORED = ("score", "metrics", "n_asked", "n_questions", "judge", "remark", "seconds")


def _write_outcome(folder: Path, outcome: Outcome, fingerprint: str) -> None:
    contents = {name: value for name, value in asdict(outcome).items() if name in _STORED}
    partial = folder / ".outcome.partial"
    partial.write_text(json.dumps({"fingerprint": fingerprint, **contents}, indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / "outcome.json")


def _stored(folder: Path) -> dict[str, Any] | None:
    file = folder / "outcome.json"
    if not file.is_file():
        return None
    try:
        contents = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(f"{file} is no JSON ({error}). Remove it, and its task is run again.") from error
    return contents if isinstance(contents, dict) else None


def _refuse_others(out: Path, keys: Mapping[str, str]) -> None:
    others = []
    for name, fingerprint in keys.items():
        stored = _stored(out / "tasks" / name)
        if stored is not None and stored.get("fingerprint") != fingerprint:
            others.append(name)
    if others:
        raise RunError(
            f"{out} holds scores of other model files or other settings for {', '.join(others)}. Name another folder "
            "with --out, or replace them with --overwrite."
        )


def _fingerprint(call: Call, task: SuiteTask, template: str | None) -> str:
    own = call.task_folder is not None and task.published is None
    return content_id(
        folder_fingerprint(call.model),
        "own" if template is None else template,
        task.task,
        str(call.limit),
        call.environment.version,
        judge_name() if task.needs_judge else "",
        folder_fingerprint(call.task_folder) if own and call.task_folder is not None else "",
    )
