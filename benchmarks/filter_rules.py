"""Measure every rule of the filter on the labelled answers: precision and recall on all splits.

Input: `tests/data/labelled_answers.jsonl`, one hand-written answer a line: `reasons` are the rules that must fire (none
for a sound answer), `also` those that may as well. Output: `benchmarks/results/filter_rules.md`, printed too. Run with
`python benchmarks/filter_rules.py`; it needs the embedded sentence encoder.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mminstruct.config.encoders import EmbeddedTextEncoder
from mminstruct.config.filter import FilterConfig
from mminstruct.encoders.protocols import TextEncoder
from mminstruct.encoders.text import load_text_encoder
from mminstruct.rules.table import RULES
from mminstruct.stages.filter import Candidate, Verdict, judge

HERE = Path(__file__).parent
LABELLED = HERE.parent / "tests" / "data" / "labelled_answers.jsonl"
RESULTS = HERE / "results" / "filter_rules.md"
SPLITS = ("dev", "test", "holdout")


@dataclass
class Count:
    """How often a rule was right and wrong."""

    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0

    def add(self, fired: bool, expected: bool, allowed: bool) -> None:
        """Count one answer; where the rule may fire but need not, a firing counts neither for it nor against it."""
        self.true_positives += fired and expected
        self.false_positives += fired and not expected and not allowed
        self.false_negatives += expected and not fired

    def __add__(self, other: Count) -> Count:
        return Count(
            self.true_positives + other.true_positives,
            self.false_positives + other.false_positives,
            self.false_negatives + other.false_negatives,
        )

    @property
    def precision(self) -> float:
        """Share of the firings that are right."""
        n_fired = self.true_positives + self.false_positives
        return self.true_positives / n_fired if n_fired else 1.0

    @property
    def recall(self) -> float:
        """Share of the bad answers that are found."""
        n_bad = self.true_positives + self.false_negatives
        return self.true_positives / n_bad if n_bad else 1.0

    def cells(self) -> str:
        """Return the cells of a table row."""
        n_bad = self.true_positives + self.false_negatives
        return (
            f"{n_bad} | {self.true_positives} | {self.false_positives} | {self.false_negatives} | "
            f"{self.precision:.2f} | {self.recall:.2f}"
        )


def read_labelled(split: str) -> list[dict[str, Any]]:
    """Return the labelled answers of one split, in the order of the file."""
    rows = [json.loads(line) for line in LABELLED.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["split"] == split]


def judge_rows(rows: Sequence[dict[str, Any]], encoder: TextEncoder | None) -> list[Verdict]:
    """Judge the rows in their order with the default config."""
    candidates = [
        Candidate(row["id"], row["instruction"], row["answer"], row["description"], row["finish_reason"])
        for row in rows
    ]
    return judge(candidates, encoder, FilterConfig())


def count_rules(rows: Iterable[dict[str, Any]], verdicts: Iterable[Verdict]) -> dict[str, Count]:
    """Return the counts of each rule, in the order of the table."""
    counts = {rule.reason.value: Count() for rule in RULES}
    for row, verdict in zip(rows, verdicts, strict=True):
        fired = {finding.rule.value for finding in verdict.failures}
        for name, count in counts.items():
            count.add(name in fired, name in row["reasons"], name in row.get("also", ()))
    return counts


def mistakes(rows: Iterable[dict[str, Any]], verdicts: Iterable[Verdict]) -> list[str]:
    """Return one line for each wrong firing and each miss."""
    lines = []
    for row, verdict in zip(rows, verdicts, strict=True):
        fired = {finding.rule.value: finding.detail for finding in verdict.failures}
        allowed = {*row["reasons"], *row.get("also", ())}
        lines += [
            f"{row['id']}: {name} fired wrongly: {detail}" for name, detail in fired.items() if name not in allowed
        ]
        lines += [f"{row['id']}: {name} missed" for name in row["reasons"] if name not in fired]
    return lines


def table(title: str, counts: dict[str, Count]) -> str:
    """Return a Markdown table of all rules and their sum."""
    lines = [f"## {title}", "", "| rule | bad answers | TP | FP | FN | precision | recall |", "|---|" + "---:|" * 6]
    lines += [f"| {name} | {count.cells()} |" for name, count in counts.items()]
    lines.append(f"| **all** | {sum(counts.values(), Count()).cells()} |")
    return "\n".join(lines)


def report(encoder: TextEncoder) -> str:
    """Return the whole report as Markdown."""
    parts = []
    sums = {rule.reason.value: Count() for rule in RULES}
    errors: list[str] = []
    for split in SPLITS:
        rows = read_labelled(split)
        verdicts = judge_rows(rows, encoder)
        counts = count_rules(rows, verdicts)
        sums = {name: sums[name] + counts[name] for name in sums}
        sound = [verdict.kept for row, verdict in zip(rows, verdicts, strict=True) if not row["reasons"]]
        parts.append(table(f"{split}: {len(rows)} answers, {sum(sound)} of {len(sound)} sound ones kept", counts))
        errors += mistakes(rows, verdicts)
    head = (
        "# The filter's rules on hand-labelled answers\n\n"
        f"Written by `python benchmarks/filter_rules.py`; default thresholds, encoder {encoder.name}.\n\n"
        "The rules were mended after each split had been measured once, so these figures say that the rules do what\n"
        "they are meant to do, not how they fare on new wording. `docs/filter.md` has the first measures."
    )
    tail = "## Mistakes\n\n" + ("\n".join(f"- {line}" for line in errors) or "None.")
    return "\n\n".join([head, table("All splits", sums), *parts, tail]) + "\n"


def main() -> None:
    """Measure, write the report and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the report is written")
    arguments = parser.parse_args()
    text = report(load_text_encoder(EmbeddedTextEncoder()))
    arguments.out.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
