"""What a recipe did, as a table: StageResult, StageResult  ─►  out/report.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mminstruct.train.progress import StageResult

COLUMNS = ("stage", "rows", "left out", "steps", "learning", "training loss", "held-out loss", "seconds")


def write_report(out: Path, results: Sequence[StageResult]) -> Path:
    """Write `out/report.md` and return it."""
    rows = [COLUMNS, tuple("---" for _ in COLUMNS), *(table_row(result) for result in results)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    notes = "\n".join(f"- {note}" for result in results for note in result_notes(result))
    text = (
        f"# Training\n\n{table}\n\nLosses are in nats per answer token, before → after. The model is "
        f"`{results[-1].folder.name}/`; each stage's metrics and plot are in `training/`.\n\n{notes}\n"
    )
    path = out / "report.md"
    path.write_text(text.rstrip() + "\n", encoding="utf-8")
    return path


def table_row(result: StageResult) -> tuple[str, ...]:
    """Return the result's cells, one for each of COLUMNS."""
    held_out = "–"
    if result.held_out_before is not None and result.held_out_after is not None:
        held_out = f"{result.held_out_before:.3f} → {result.held_out_after:.3f} ({result.n_held_out:,} rows)"
    return (
        result.stage,
        f"{result.n_rows:,}",
        f"{result.counts.n_left_out:,}",
        f"{result.n_steps:,}",
        f"{result.n_learning / 1e6:,.1f} M",
        f"{result.first_loss:.3f} → {result.last_loss:.3f}",
        held_out,
        f"{result.seconds:,.0f}",
    )


def result_notes(result: StageResult) -> list[str]:
    """Return what else a user should know of the rows, one sentence each."""
    counts, notes = result.counts, []
    if counts.left_out:
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in counts.left_out.items())
        notes.append(f"{result.stage}: {counts.n_left_out:,} of {counts.n_read:,} rows were left out: {reasons}.")
    if counts.n_truncated:
        notes.append(f"{result.stage}: {counts.n_truncated:,} rows are cut off at max_tokens, without their end.")
    if counts.n_text_only:
        notes.append(f"{result.stage}: {counts.n_text_only:,} rows are text without an image.")
    return notes
