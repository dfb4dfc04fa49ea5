"""The core of `mminstruct filter FILE --out DIR`: the filter's rules on anybody's instruction data.

`DIR/kept.jsonl` holds the kept rows as they came, `DIR/rejected.jsonl` the others with `reason` and `detail`. A row
of several turns falls when any of its answers does. Rows are read, judged and written in batches, so that memory holds
no more than what the search for near-duplicate answers must remember.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from mminstruct.config.filter import FilterConfig
from mminstruct.encoders.protocols import TextEncoder
from mminstruct.errors import ExportError
from mminstruct.filter_rows import InputRow, iterate_rows
from mminstruct.rows import Reason
from mminstruct.stages.filter import AnswerFilter, Outcome, Verdict
from mminstruct.writers.folder import whole_folder

KEPT_FILE = "kept.jsonl"
REJECTED_FILE = "rejected.jsonl"
_BATCH_ROWS = 256


@dataclass(slots=True)
class FilterReport:
    """What came of a file.

    `left_out` and `in_part` count the rows that a rule could not judge, or not wholly: `(rule, what was missing)`.
    """

    out: Path
    n_in: int = 0
    n_kept: int = 0
    rejected: Counter[Reason] = field(default_factory=Counter)
    left_out: Counter[tuple[Reason, str]] = field(default_factory=Counter)
    in_part: Counter[tuple[Reason, str]] = field(default_factory=Counter)

    @property
    def n_rejected(self) -> int:
        """How many rows were rejected."""
        return self.rejected.total()


def filter_file(
    source: Path,
    out: Path,
    config: FilterConfig,
    encoder: TextEncoder | None = None,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> FilterReport:
    """Judge every row of `source` and write the two files into the folder `out`, which appears whole or not at all.

    `progress` is called with the number of rows judged so far.

    Raises SourceError where the file cannot be read at all, ExportError where `out` is in the way, MissingExtraError
    where a rule's package is missing.
    """
    if source.resolve().is_relative_to(out.resolve()):
        raise ExportError(f"{source} lies in {out}, which would be replaced. Name another folder.")
    rows = iterate_rows(source)
    first = list(itertools.islice(rows, 1))  # so that an unreadable file is found before anything is written
    answer_filter = AnswerFilter(config, encoder)
    report = FilterReport(out)
    with (
        whole_folder(out, overwrite, KEPT_FILE) as folder,
        (folder / KEPT_FILE).open("w", encoding="utf-8", newline="\n") as kept,
        (folder / REJECTED_FILE).open("w", encoding="utf-8", newline="\n") as rejected,
    ):
        for batch in _batches(itertools.chain(first, rows)):
            _judge_batch(batch, answer_filter, report, kept, rejected)
            if progress is not None:
                progress(report.n_in)
    return report


def _batches(rows: Iterable[InputRow]) -> Iterable[list[InputRow]]:
    iterator = iter(rows)
    while batch := list(itertools.islice(iterator, _BATCH_ROWS)):
        yield batch


def _judge_batch(
    batch: Sequence[InputRow],
    answer_filter: AnswerFilter,
    report: FilterReport,
    kept: IO[str],
    rejected: IO[str],
) -> None:
    verdicts = iter(answer_filter.judge_groups([row.candidates for row in batch if row.fault is None]))
    for row in batch:
        report.n_in += 1
        found = _fault(row) if row.fault else _first_failure(next(verdicts), report)
        if found is None:
            report.n_kept += 1
            kept.write(row.text + "\n")
            continue
        reason, detail = found
        report.rejected[reason] += 1
        rejected.write(_rejected_line(row, reason, detail) + "\n")


def _fault(row: InputRow) -> tuple[Reason, str]:
    assert row.fault is not None
    return row.fault.reason, str(row.fault)


def _first_failure(verdicts: Sequence[Verdict], report: FilterReport) -> tuple[Reason, str] | None:
    """Return reason and detail of the first turn that failed; count what could not be judged, once a row."""
    findings = [finding for verdict in verdicts for finding in verdict.findings]
    report.left_out.update({(f.rule, f.detail) for f in findings if f.outcome is Outcome.NOT_APPLICABLE})
    report.in_part.update({(f.rule, f.detail) for f in findings if f.outcome is Outcome.PASSED and f.detail})
    for turn, verdict in enumerate(verdicts, start=1):
        if verdict.failures:
            first = verdict.failures[0]
            return first.rule, first.detail if len(verdicts) == 1 else f"turn {turn}: {first.detail}"
    return None


def _rejected_line(row: InputRow, reason: Reason, detail: str) -> str:
    # A row that is no object is kept as the text that it was.
    shown: dict[str, Any] = row.record or {"line": row.number, "raw": row.text}
    line = json.dumps({**shown, "reason": reason.value, "detail": detail}, ensure_ascii=False)
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps({**shown, "reason": reason.value, "detail": detail})
    return line
