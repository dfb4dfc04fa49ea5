"""Scores beside LLaVA-1.5's published ones: the rows of the table, as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mminstruct.evaluate.run import Outcome
from mminstruct.evaluate.suite import Size

DASH = "–"
_HEADINGS = ("benchmark", "score", "published", "difference", "note")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, as it is shown."""

    title: str
    score: str
    published: str
    difference: str
    note: str  # the number of its note, or nothing

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells from left to right."""
        return (self.title, self.score, self.published, self.difference, self.note)


@dataclass(frozen=True, slots=True)
class Table:
    """The whole of it."""

    headings: tuple[str, ...]
    rows: Sequence[Row]
    notes: Sequence[str]  # note 1 first
    failures: Sequence[str]


def make_table(outcomes: Sequence[Outcome], against: Size) -> Table:
    """Return the table of all outcomes, one row each; what has no score is a row with a dash and a failure below."""
    rows: list[Row] = []
    notes: list[str] = []
    failures: list[str] = []
    for outcome in outcomes:
        task = outcome.task
        published = None if task.published is None else task.published[against]
        note = _note(outcome)
        if note:
            notes.append(note)
        gap = difference(outcome, against)
        rows.append(
            Row(
                task.title,
                _score(outcome),
                DASH if published is None else f"{published:,.1f}",
                DASH if gap is None else f"{gap:+,.1f}",
                str(len(notes)) if note else "",
            )
        )
        if outcome.failure is not None:
            failures.append(f"{task.title} ({task.name}): {outcome.failure.text}")
    headings = (*_HEADINGS[:2], f"LLaVA-1.5-{against.upper()}", *_HEADINGS[3:])
    return Table(headings, rows, notes, failures)


def difference(outcome: Outcome, against: Size) -> float | None:
    """Return score − published; None without one of them, and for a part of the questions, which says nothing."""
    if outcome.score is None or outcome.task.published is None or outcome.is_limited:
        return None
    return outcome.score - outcome.task.published[against]


def _score(outcome: Outcome) -> str:
    if outcome.failure is not None:
        return DASH
    if outcome.score is not None:
        return f"{outcome.score:,.1f}"
    return ", ".join(f"{name} {value:,.4g}" for name, value in outcome.metrics.items())


def _note(outcome: Outcome) -> str:
    if outcome.failure is not None:
        return ""
    parts = [outcome.remark] if outcome.remark else []
    parts += [f"judge: {outcome.judge}"] if outcome.judge else []
    if outcome.is_limited:
        parts.append(f"only {outcome.n_asked:,} of {outcome.n_questions:,} questions, so no score to compare")
    return "; ".join(parts)


def write_tables(outcomes: Sequence[Outcome], against: Size, out: Path, facts: dict[str, Any]) -> None:
    """Write `out/results.md` and `out/results.json`; `facts` stand at the top of both."""
    contents = {
        **facts,
        "against": f"LLaVA-1.5-{against.upper()}",
        "tasks": [_record(one, against) for one in outcomes],
    }
    _write(out / "results.json", json.dumps(contents, indent=2, ensure_ascii=False) + "\n")
    _write(out / "results.md", as_markdown(make_table(outcomes, against), facts))


def as_markdown(table: Table, facts: dict[str, Any]) -> str:
    """Return the table with its notes and failures."""
    lines = ["# Evaluation", "", *(f"- {name}: {value}" for name, value in facts.items() if value is not None), ""]
    lines += ["| " + " | ".join(table.headings) + " |", "|---|--:|--:|--:|--:|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row.cells) + " |" for row in table.rows]
    for number, note in enumerate(table.notes, 1):
        lines += ["", f"{number}. {note}"] if number == 1 else [f"{number}. {note}"]
    if table.failures:
        lines += ["", "No score:", "", *(f"- {failure}" for failure in table.failures)]
    return "\n".join([*lines, ""])


def _record(outcome: Outcome, against: Size) -> dict[str, Any]:
    task, failure = outcome.task, outcome.failure
    return {
        "name": task.name,
        "lmms_eval_task": task.task,
        "metric": task.metric or None,
        "score": outcome.score,
        "published": None if task.published is None else task.published[against],
        "difference": difference(outcome, against),
        "n_asked": outcome.n_asked,
        "n_questions": outcome.n_questions,
        "judge": outcome.judge or None,
        "remark": outcome.remark or None,
        "seconds": round(outcome.seconds, 1),
        "metrics": dict(outcome.metrics),
        "failure": None if failure is None else {"kind": failure.kind, "text": failure.text},
    }


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
