"""Raw and final instructions on one map: who became what, and why the others did not."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from mminstruct.encoders.clustering import cluster
from mminstruct.encoders.text import load_text_encoder
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.story import open_run
from mminstruct.rows import Instruction, RawInstruction, Reason, Reject, content_id
from mminstruct.web.maps.instruction_map import NOWHERE, InstructionMap, instruction_map

THINGS = ("a poem about the sea", "a plan for a trip", "an advert for a bicycle")
DETAIL = "cluster {} of 8 members: names what few images show: sea"


def made(run: Path, n_at_most: int | None = None) -> InstructionMap:
    config, folder = open_run(str(run))
    return instruction_map(config, Tables(folder), n_at_most)


def by_id(found: InstructionMap) -> dict[str, dict[str, object]]:
    """Return each row as a dictionary, but for its place."""
    names = [field.name for field in fields(found) if field.name not in ("xy", "ids", "note")]
    return {row_id: {name: getattr(found, name)[number] for name in names} for number, row_id in enumerate(found.ids)}


@pytest.fixture
def summarised(run: Path) -> Path:
    """A run whose 24 raw instructions went to three clusters, one of which was rejected."""
    with (run / "config.yaml").open("a") as file:
        file.write("summarize: {n_clusters: 3}\n")
    config, folder = open_run(str(run))
    tables = Tables(folder)
    texts = [f"Write {thing}, number {number}." for number in range(8) for thing in THINGS]
    raws = [RawInstruction(content_id(text), text, "image", [], "m", "r") for text in texts]
    labels = cluster(load_text_encoder(config.embedder).encode_texts(texts), 3, config.seed).labels.tolist()
    of_sea = labels[0]
    copy = Reject("copy", "augment", Reason.NEAR_COPY, "repeats another", "Write a poem about the sea.", "r")
    empty = Reject("empty", "augment", Reason.REQUEST_FAILED, "no answer", "", "r")
    tables.raw_instructions.write_part(0, raws, [copy, empty])
    finals = []
    for number in sorted({*labels} - {of_sea}):
        members = [raw.raw_id for raw, label in zip(raws, labels, strict=True) if label == number]
        finals.append(
            Instruction(f"final {number}", f"Write {number}.", "writing", [number], members, members, "m", "r")
        )
    reject = Reject("draft", "summarize", Reason.OVER_SPECIFIC, DETAIL.format(of_sea), "Write of the sea.", "r")
    tables.instructions.write_part(0, finals, [reject])
    return run


class TestInstructionMap:
    def test_every_text_has_a_point(self, summarised: Path) -> None:
        found = made(summarised)
        assert found.xy.shape == (24 + 1 + 2, 2)
        assert all(len(getattr(found, field.name)) == 27 for field in fields(found) if field.name != "note")
        assert found.note == ""

    def test_a_raw_one_tells_its_cluster_and_what_it_became(self, summarised: Path) -> None:
        rows = by_id(made(summarised))
        trip = rows[content_id("Write a plan for a trip, number 0.")]
        final = rows[str(trip["became"])]
        assert trip["kind"] == "raw"
        assert final["kind"] == "final"
        assert trip["cluster"] == final["cluster"] != NOWHERE
        assert trip["category"] == "writing"
        assert final["became"] == trip["became"]

    def test_a_raw_one_of_a_rejected_cluster_tells_why(self, summarised: Path) -> None:
        rows = by_id(made(summarised))
        poems = [row for row in rows.values() if row["reason"] == "over_specific"]
        assert len(poems) == 8
        assert {(row["kind"], row["became"]) for row in poems} == {("rejected", "")}
        assert len({row["cluster"] for row in poems}) == 1
        assert "Write of the sea. (names what few images show: sea)" in str(poems[0]["detail"])

    def test_a_reply_that_augment_rejected_is_there_with_its_reason(self, summarised: Path) -> None:
        rows = by_id(made(summarised))
        assert "empty" not in rows  # there is no text to place
        assert rows["copy"]["reason"] == "near_copy"
        assert rows["copy"]["cluster"] == NOWHERE

    def test_tables_that_contradict_the_clusters_are_believed(self, run: Path) -> None:
        rows = by_id(made(run))  # its members were dealt round, not clustered
        raws = [row for row in rows.values() if row["kind"] == "raw"]
        assert {row["cluster"] for row in raws} == set(range(6))

    def test_a_sample_has_all_final_ones(self, summarised: Path) -> None:
        found = made(summarised, n_at_most=10)
        assert len(found.ids) == 12
        assert found.kind.count("final") == 2
        assert found.ids == made(summarised, n_at_most=10).ids

    def test_a_run_without_instructions_has_an_empty_map(self, run: Path) -> None:
        config, folder = open_run(str(run))
        tables = Tables(folder)
        tables.raw_instructions.clear()
        tables.instructions.clear()
        assert instruction_map(config, tables).xy.shape == (0, 2)

    def test_replies_of_an_older_place_are_no_obstacle(self, run: Path) -> None:
        """Where nothing is kept and nothing can be, the embedded encoder computes all the same."""
        config, folder = open_run(str(run))
        elsewhere = config.model_copy(update={"replies": str(run / "gone" / "replies")})
        assert len(instruction_map(elsewhere, Tables(folder)).ids) == 46
        assert not (run / "gone").exists()
