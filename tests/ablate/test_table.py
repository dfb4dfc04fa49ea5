"""The table: what stands in it, and what is left out where there is nothing to say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mminstruct.ablate.judging import WinRate
from mminstruct.ablate.table import Ablation, Row, differences, legend, table, write_ablation

FULL = Row(
    variant="full",
    kind="all",
    changes=(),
    n_kept=1300,
    n_left_out=96,
    left_out={"held_out_image": 96},
    n_samples=1204,
    n_instructions=41,
    n_images=400,
    training_losses=[1.3],
    held_out_losses=[1.5],
    seconds=[318.4],
    held_out_before=3.25,
)
CHANCE = replace(
    FULL,
    variant="chance",
    kind="random_match",
    changes=("match.sampling=random",),
    held_out_losses=[1.58],
    win_rate=WinRate(0.41, 0.31, 0.52, 30, 45, 10, 14),
)
ABLATION = Ablation("runs/my", "recipe.yaml", [0], 99, 99, [FULL, CHANCE], judge="wise", notes=["Of note."])


def test_rows_and_their_difference_to_the_first() -> None:
    headings, rows = table(ABLATION)
    assert dict(zip(headings, rows[1], strict=True)) == {
        "variant": "chance",
        "samples": "1,204",
        "left out": "96",
        "instructions": "41",
        "training loss": "1.300",
        "held-out loss": "1.580",
        "to the first": "+0.080",
        "win rate": "0.41 (0.31 to 0.52)",
        "seconds": "318",
    }
    assert (rows[0][headings.index("to the first")], rows[0][headings.index("win rate")]) == ("", "")


def test_several_seeds_show_mean_and_range_and_differences_are_paired() -> None:
    first = replace(FULL, held_out_losses=[1.0, 2.0], seconds=[10.0, 12.0])
    second = replace(CHANCE, held_out_losses=[1.2, 2.1])
    headings, rows = table(replace(ABLATION, seeds=[0, 1], rows=[first, second]))
    assert rows[0][headings.index("held-out loss")] == "1.500 (1.000 to 2.000)"
    assert differences(second, first) == pytest.approx([0.2, 0.1])
    assert rows[1][headings.index("to the first")] == "+0.150 (+0.100 to +0.200)"
    assert rows[0][headings.index("seconds")] == "22"


def test_without_judge_and_references_their_columns_are_left_out() -> None:
    rows = [replace(row, held_out_losses=[], held_out_before=None, win_rate=None) for row in ABLATION.rows]
    bare = replace(ABLATION, rows=rows, judge="")
    headings, _ = table(bare)
    assert headings == ["variant", "samples", "left out", "instructions", "training loss", "seconds"]
    assert not any("Win rate" in text or "Held-out loss" in text for text in legend(bare))


def test_a_win_rate_that_nobody_knows_is_a_dash() -> None:
    unknown = replace(CHANCE, win_rate=WinRate(None, None, None, 0, 0, 0, 99))
    headings, rows = table(replace(ABLATION, rows=[FULL, unknown]))
    assert rows[1][headings.index("win rate")] == "–"


def test_the_files_hold_the_table_the_changes_and_the_notes(tmp_path: Path) -> None:
    write_ablation(ABLATION, tmp_path)
    page = (tmp_path / "ablation.md").read_text()
    assert "| chance | 1,204 | 96 | 41 | 1.300 | 1.580 | +0.080 | 0.41 (0.31 to 0.52) | 318 |" in page
    assert "- chance: `match.sampling=random`" in page and "- Of note." in page
    assert "Before this training it was 3.250." in page and "One training seed" in page
    values = json.loads((tmp_path / "ablation.json").read_text())
    assert values["rows"][1]["held_out_differences"] == pytest.approx([0.08])
    assert values["rows"][1]["win_rate"]["undecided"] == 14 and values["rows"][0]["win_rate"] is None
