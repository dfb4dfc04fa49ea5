"""A row's story as the page gets it, and what another run made of the same image."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

pytest.importorskip("duckdb")

from mminstruct.encoders.kept import text_keys, vector_file
from mminstruct.encoders.vectors import VectorFile
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.tables import Folder
from mminstruct.rows import Reason, Reject
from mminstruct.web.explore.library import RunExplorer
from mminstruct.web.explore.runners_up import RunnersUp
from mminstruct.web.explore.sample import whole_story
from support.explored_run import HOSTILE, ROWS
from support.http_asking import ask


def story_of(address: str, row_id: str) -> dict[str, Any]:
    told = ask(address, f"/api/items/{quote(row_id, safe='')}")
    assert told.status == 200, told.body
    found: dict[str, Any] = told.json()
    return found


class TestStory:
    def test_of_a_sample(self, address: str) -> None:
        row = ROWS[8]  # number 4
        story = story_of(address, row.row_id)
        assert story["item"]["answer"] == row.answer() and not story["item"]["truncated"]
        assert story["image"]["description"].startswith("Picture 4")
        assert "row of 07_samples" in story["became"]
        rules = {rule["rule"]: rule["outcome"] for rule in story["rules"]}
        assert rules["refusal"] == rules["off_topic"] == rules["near_duplicate_answer"] == "passed"
        assert [turn["role"] for turn in story["prompt"]] == ["system", "user"]
        assert story["prompt"][1]["text"] == f"Tell me. {HOSTILE}"
        assert story["reply"] == "A reply." and story["tokens"] == {"prompt": 211, "completion": 34}
        assert story["exemplars"][0]["answer"] == "An exemplary answer."
        assert story["exemplars"][0]["description"] == "Boats."
        members = story["cluster"]["members"]
        assert len(members) == story["instruction"]["n_members"] and story["cluster"]["seeds"] == [HOSTILE]
        assert story["runners_up"] == [] and "not kept" in story["runners_up_note"]

    def test_of_a_reject(self, address: str) -> None:
        row = ROWS[1]  # image 0, rejected as a refusal
        story = story_of(address, row.row_id)
        assert story["item"]["reason"] == "refusal"
        rules = {rule["rule"]: rule for rule in story["rules"]}
        assert rules["refusal"] == {"rule": "refusal", "outcome": "failed", "detail": f"found {HOSTILE}"}
        assert rules["near_duplicate_answer"]["outcome"] == "not applicable"

    def test_of_an_early_reject(self, address: str) -> None:
        story = story_of(address, "77")
        assert story["item"]["answer"] == "notes.jpg" and story["rules"] == story["prompt"] == []

    @pytest.mark.parametrize("row_id", ["none", ROWS[0].row_id[:8], "a/b", "%", "'", "\x00", "é", "x" * 3000])
    def test_what_is_no_rows_id(self, address: str, row_id: str) -> None:
        told = ask(address, f"/api/items/{quote(row_id, safe='')}")
        assert told.status == 404 and "no row" in told.json()["error"]


@pytest.fixture
def run(run: Path, explored_run: Path) -> Path:
    """The copy, whose config names the copied replies."""
    config = (run / "config.yaml").read_text().replace(str(explored_run), str(run))
    (run / "config.yaml").write_text(config)
    return run


@pytest.fixture
def explorer(run: Path) -> Iterator[RunExplorer]:
    with closing(RunExplorer(str(run))) as opened:
        yield opened


class TestOddIds:
    @pytest.mark.parametrize("row_id", ["a/b.jpg", "a/compare", "ünï côdé", "?#&", "..", "<b>"])
    def test_a_source_may_call_its_records_anything(self, run: Path, row_id: str) -> None:
        from mminstruct.web.explore.app import run_app
        from mminstruct.web.explore.safety import Guard
        from support.browser import served

        tables = Tables(Folder(str(run)))
        reject = Reject(row_id, "images", Reason.MISSING_IMAGE, "", "")
        tables.images.write_part(0, tables.images.read_part(0), [reject])
        with served(run_app(RunExplorer(str(run)), Guard())) as address:
            told = ask(address, f"/api/items/{quote(row_id, safe='')}")
            assert told.status == 200 and told.json()["item"]["id"] == row_id


class TestTwin:
    def test_the_answer_that_a_near_copy_repeats_is_shown(self, run: Path, explorer: RunExplorer) -> None:
        tables = Tables(Folder(str(run)))
        rejects = tables.kept.read_rejects(0)
        detail = f"repeats the answer of {ROWS[6].row_id} with a similarity of 0.8 or more"
        first = replace(rejects[0], reason=Reason.NEAR_DUPLICATE_ANSWER, detail=detail)
        tables.kept.write_part(0, tables.kept.read_part(0), [first, *rejects[1:]])
        explorer.refresh_now()
        story = whole_story(explorer, RunnersUp(explorer), first.row_id)
        assert story["twin"]["id"] == ROWS[6].row_id and story["twin"]["answer"] == ROWS[6].answer()
        rules = {rule["rule"]: rule["outcome"] for rule in story["rules"]}
        assert rules["near_duplicate_answer"] == "failed"


class TestRunnersUp:
    def test_similarities_come_from_the_vectors_that_the_match_kept(self, run: Path, explorer: RunExplorer) -> None:
        pytest.importorskip("tokenizers")
        row = ROWS[8]
        vectors = self._keep(run, explorer, row.which, row.score)
        story = whole_story(explorer, RunnersUp(explorer), row.row_id)
        scores = [other["score"] for other in story["runners_up"]]
        assert scores == sorted(scores, reverse=True) and len(scores) == len(vectors)
        own = next(other for other in story["runners_up"] if other["instruction_id"] == row.instruction_id)
        assert own["score"] == pytest.approx(row.score, abs=1e-5) and own["text"] == row.instruction

    def test_vectors_of_another_encoder_are_not_shown(self, run: Path, explorer: RunExplorer) -> None:
        row = ROWS[8]
        self._keep(run, explorer, row.which, row.score + 0.1)
        story = whole_story(explorer, RunnersUp(explorer), row.row_id)
        assert story["runners_up"] == [] and "not those" in story["runners_up_note"]

    def _keep(self, run: Path, explorer: RunExplorer, which: int, score: float) -> list[Any]:
        """Keep vectors by which the description of image 4 and instruction `which` have this cosine."""
        pytest.importorskip("tokenizers")
        file = VectorFile(vector_file(explorer.config.embedder, run / "replies" / "embeddings"))
        texts = {row.which: row.instruction for row in ROWS}
        axis = np.eye(384, dtype=np.float32)
        others = [axis[0] * 0.1 + axis[1 + place] * np.float32(0.99) ** 0.5 for place in range(len(texts))]
        own = axis[0] * np.float32(score) + axis[1] * np.float32((1 - score**2) ** 0.5)
        vectors = [own if place == which else others[place] for place in texts]
        description = "Picture 4: boats at a quay, and gulls above them."
        keys = text_keys([description, *texts.values()])
        file.add(keys, np.stack([axis[0], *vectors]))
        file.close()
        return vectors


class TestCompare:
    def test_the_other_run_rows_of_the_image(self, address: str) -> None:
        row = ROWS[8]
        told = ask(address, "/api/compare", {"id": row.row_id, "run": "other"}).json()
        assert told["run"] == "other" and told["mine"]["answer"] == row.answer()
        same, another = told["theirs"]
        assert same["id"] == row.row_id and same["answer"] == row.answer(" of the old town")
        assert another["id"] == ROWS[9].row_id and another["image_id"] == row.image_id
        assert same["model"] == told["mine"]["model"] == "teller"
        assert same["description"] == told["mine"]["description"] and same["status"] == "kept"

    @pytest.mark.parametrize("name", ["", ".", "..", "run", "/etc", "../explored", "other/", "images", "o" * 500])
    def test_only_a_neighbour_that_is_a_run(self, address: str, name: str) -> None:
        told = ask(address, "/api/compare", {"id": ROWS[8].row_id, "run": name})
        assert told.status == 404 and "no run" in told.json()["error"]

    def test_a_row_without_image_has_nothing_to_compare(self, address: str) -> None:
        assert ask(address, "/api/compare", {"id": "77", "run": "other"}).status == 422

    def test_a_row_that_is_none(self, address: str) -> None:
        assert ask(address, "/api/compare", {"run": "other"}).status == 404

    def test_about_names_the_neighbours(self, address: str) -> None:
        about = ask(address, "/api/about").json()
        assert about["kind"] == "run" and about["other_runs"] == [{"name": "other"}] and about["writable"]
        assert about["views"][0] == "gallery" and about["n_items"] == len(ROWS) + 1
