"""The table that an ablation ends with: rows to cells, to Markdown and to JSON.

variant   samples  left out  instructions  training loss  held-out loss  to the first  win rate           seconds
full        1,204        96            41          1.312          1.481                                       318
chance      1,188       112            41          1.350          1.562        +0.081  0.41 (0.31 to 0.52)    315
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean

from mminstruct import __version__
from mminstruct.ablate.judging import WinRate
from mminstruct.bench.folder import write_text

DASH = "–"


@dataclass(frozen=True)
class Row:
    """One variant; losses and seconds are one number for each training seed."""

    variant: str
    kind: str
    changes: Sequence[str]  # of the run's config
    n_kept: int  # samples that its run kept
    n_left_out: int  # as they, or what looks like them, are tested
    left_out: Mapping[str, int]  # by reason
    n_samples: int  # of those that remain, trained on
    n_instructions: int
    n_images: int
    training_losses: Sequence[float]  # at the end
    held_out_losses: Sequence[float]  # empty where no question has a reference answer
    seconds: Sequence[float]  # of training
    held_out_before: float | None = None  # of the model that training began with, with the first seed
    win_rate: WinRate | None = None


@dataclass(frozen=True)
class Ablation:
    """All that an ablation found."""

    run: str
    recipe: str
    seeds: Sequence[int]
    n_questions: int
    n_held_out: int  # of them, those with a reference answer
    rows: Sequence[Row]
    judge: str = ""  # empty: nobody judged
    notes: Sequence[str] = field(default_factory=list)


def differences(row: Row, first: Row) -> list[float]:
    """Return by how much a variant's held-out losses are over the first one's, seed by seed."""
    return [loss - other for loss, other in zip(row.held_out_losses, first.held_out_losses, strict=True)]


def table(ablation: Ablation) -> tuple[list[str], list[list[str]]]:
    """Return the headings, and the cells of each row; columns that would say nothing are left out."""
    first = ablation.rows[0]
    columns = {
        "variant": [row.variant for row in ablation.rows],
        "samples": [f"{row.n_samples:,}" for row in ablation.rows],
        "left out": [f"{row.n_left_out:,}" for row in ablation.rows],
        "instructions": [f"{row.n_instructions:,}" for row in ablation.rows],
        "training loss": [_spread(row.training_losses) for row in ablation.rows],
    }
    if first.held_out_losses:
        columns["held-out loss"] = [_spread(row.held_out_losses) for row in ablation.rows]
        told = [_spread(differences(row, first), signed=True) for row in ablation.rows[1:]]
        columns["to the first"] = ["", *told]
    if ablation.judge:
        columns["win rate"] = ["", *(_rate(row.win_rate) for row in ablation.rows[1:])]
    columns["seconds"] = [f"{sum(row.seconds):,.0f}" for row in ablation.rows]
    return list(columns), [list(cells) for cells in zip(*columns.values(), strict=True)]


def write_ablation(ablation: Ablation, out: Path) -> None:
    """Write `ablation.md` and `ablation.json`, each whole or not at all."""
    values = {"version": __version__, **asdict(ablation)}
    for row, written in zip(ablation.rows, values["rows"], strict=True):
        written["held_out_differences"] = differences(row, ablation.rows[0])
    write_text(out / "ablation.json", json.dumps(values, indent=2, ensure_ascii=False) + "\n")
    write_text(out / "ablation.md", _markdown(ablation))


def _markdown(ablation: Ablation) -> str:
    headings, rows = table(ablation)
    lines = [
        f"# Ablation of {Path(ablation.run).name}",
        "",
        f"The recipe `{Path(ablation.recipe).name}`, trained with the seeds {', '.join(map(str, ablation.seeds))} on "
        f"each variant of the run's data, and tested on {ablation.n_questions:,} questions. The first variant is what "
        "the others are compared with.",
        "",
        _line(headings),
        _line(["---", *["---:"] * (len(headings) - 1)]),
        *(_line(row) for row in rows),
        "",
        *(f"- {text}" for text in legend(ablation)),
    ]
    changes = [f"- {row.variant}: {', '.join(f'`{change}`' for change in row.changes)}" for row in ablation.rows[1:]]
    changes = [line for line in changes if not line.endswith(": ")]
    lines += ["", "What the variants change in the run's config:", "", *changes] if changes else []
    lines += ["", "To know:", "", *(f"- {note}" for note in ablation.notes)] if ablation.notes else []
    return "\n".join(lines) + "\n"


def legend(ablation: Ablation) -> list[str]:
    """Return what the columns mean, in whole sentences."""
    told = ["Left out: samples whose image or instruction is tested, or looks like one that is."]
    if ablation.rows[0].held_out_losses:
        told.append(
            f"Held-out loss: in nats a token, on the {ablation.n_held_out:,} reference answers to the benchmark's "
            "questions. Where the run wrote them, it favours variants whose answers are like the run's."
        )
        before = ablation.rows[0].held_out_before
        told += [] if before is None else [f"Before this training it was {before:.3f}."]
    if ablation.judge:
        told.append(
            f"Win rate: against {ablation.rows[0].variant}, by {ablation.judge}, with its 95 % interval, which holds "
            "for other questions, not for another training seed."
        )
    if len(ablation.seeds) > 1:
        told.append(
            f"Losses: the mean and the range over {len(ablation.seeds)} training seeds; the data are the same. "
            "Differences are taken seed by seed, and the first seed's models are judged."
        )
    else:
        told.append("One training seed: how far losses would differ with another is not known (`seeds` tells).")
    return told


def _spread(values: Sequence[float], signed: bool = False) -> str:
    """Return a mean with its range, if there is one.

    >>> _spread([1.25]), _spread([0.01, 0.03], signed=True)
    ('1.250', '+0.020 (+0.010 to +0.030)')
    """
    if not values:
        return DASH
    sign = "+" if signed else ""
    mean, low, high = (f"{value:{sign}.3f}" for value in (fmean(values), min(values), max(values)))
    return mean if len(values) == 1 else f"{mean} ({low} to {high})"


def _rate(rate: WinRate | None) -> str:
    if rate is None or rate.value is None:
        return DASH
    if rate.low is None or rate.high is None:
        return f"{rate.value:.2f}"
    return f"{rate.value:.2f} ({rate.low:.2f} to {rate.high:.2f})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
