"""`mminstruct plan --scale`: how the number is written, what is printed, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from mminstruct.cli.commands import plan
from mminstruct.cli.scale import count

PAPER = str(Path(__file__).parents[2] / "configs" / "paper.yaml")


def planned(*options: str) -> Result:
    return CliRunner().invoke(plan, [PAPER, *options])


@pytest.mark.parametrize(
    ("text", "number"),
    [("100000000", 10**8), ("100_000_000", 10**8), ("1e8", 10**8), ("100M", 10**8), ("2.5k", 2500), ("1b", 10**9)],
)
def test_a_number_may_be_written_in_several_ways(text: str, number: int) -> None:
    assert count(text) == number


@pytest.mark.parametrize("text", ["", "many", "0", "-5", "1.5", "nan", "inf", "1e400", "M", "1e13"])
def test_what_is_no_number_of_images_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="expected a whole number"):
        count(text)


def test_the_table_names_stages_storage_limits_and_what_is_assumed() -> None:
    told = planned("--scale", "100M", "-o", "match.max_per_instruction=null")
    assert told.exit_code == 0, told.output
    for expected in ("A run of 100,000,000 images", "06_answers", "reply store", "What runs out first", "1. ", "3. "):
        assert expected in told.output
    assert "4. " not in told.output and "Not read: sa1b, datacomp" in told.output
    assert "skip: [near_duplicate_answer]" in told.output  # brackets are no markup
    assert "Assumed: clip_images_per_gpu_s" in told.output


def test_a_small_run_has_nothing_that_runs_out() -> None:
    assert "What runs out first" not in planned("--scale", "10k").output


def test_json_holds_the_same_with_every_rate(tmp_path: Path) -> None:
    rates = tmp_path / "rates.yaml"
    rates.write_text("requests_per_s: 100\n")
    told = json.loads(planned("--scale", "1e8", "--rates", str(rates), "--json").output)
    assert told["n_images"] == 10**8 and told["captions_read"] == 0
    assert told["stages"][0]["stage"] == "images"
    assert told["rates"]["requests_per_s"]["basis"] == "given"
    reached = [limit["reached_at"] for limit in told["limits"] if limit["is_reached"]]
    assert reached and all(place <= 10**8 for place in reached)


def test_rates_without_a_scale_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rates.yaml").write_text("requests_per_s: 100\n")
    told = planned("--rates", str(tmp_path / "rates.yaml"))
    assert told.exit_code == 2 and "--scale" in told.output
