"""The review's API: the walk through the rows, decisions and what is refused of them, two servers at one run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")

from mminstruct.pipeline.decisions import FOLDER
from mminstruct.pipeline.run_tables import Tables
from mminstruct.pipeline.tables import Folder
from mminstruct.web.explore.app import run_app
from mminstruct.web.explore.library import RunExplorer
from mminstruct.web.explore.safety import Guard
from support.browser import served
from support.explored_run import HOSTILE, ROWS, Row
from support.explorer_api import Api

N_REJECTED, N_APART = 8, 4  # by the filter; held out or left out by the split
N_TO_REVIEW = len(ROWS) - N_APART


@contextmanager
def served_run(run: Path) -> Iterator[Api]:
    with served(run_app(RunExplorer(str(run)), Guard())) as address:
        yield Api(address)


@pytest.fixture
def api(run: Path) -> Iterator[Api]:
    with served_run(run) as api:
        yield api


def decide(api: Api, row_id: str, decision: str, **more: Any) -> Any:
    return api.post("/api/review", id=row_id, decision=decision, reviewer="Ada", **more)


def refused(api: Api, **body: Any) -> tuple[int, str]:
    status, answer = api.ask("POST", "/api/review", body)
    assert status >= 400
    return status, answer["error"]


class TestTheWalk:
    def test_it_goes_through_what_can_be_decided_in_the_run_s_order(self, api: Api) -> None:
        seen: list[str] = []
        found = api.get("/api/review/next", size="20")
        assert (found["total"], found["n_done"], found["n_left"]) == (N_TO_REVIEW, 0, N_TO_REVIEW)
        while found["items"]:
            assert found["item"]["position"] == len(seen) + 1
            seen += [item["id"] for item in found["items"]]
            found = api.get("/api/review/next", size="20", after=seen[-1])
        assert found["item"] is None and len(set(seen)) == len(seen) == N_TO_REVIEW
        held_out = {item["id"] for item in api.get("/api/items?status=benchmark&status=held_out&size=50")["items"]}
        assert len(held_out) == N_APART and held_out.isdisjoint(seen)

    def test_an_item_has_its_whole_answer_and_what_ties_a_decision_to_it(self, api: Api) -> None:
        item = api.get("/api/review/next", at=Row(8, 0).row_id)["item"]
        assert item["id"] == Row(8, 0).row_id and item["answer"] == Row(8, 0).answer() and not item["truncated"]
        assert item["standing"] is None and len(item["answer_hash"]) == 16

    def test_the_gallery_s_filters_hold(self, api: Api) -> None:
        found = api.get("/api/review/next?reason=refusal&reason=too_short&size=20")
        assert found["total"] == N_REJECTED == len(found["items"])
        assert api.get("/api/review/next", q="zeppelin")["item"]["id"] == Row(7, 0).row_id
        assert api.get("/api/review/next", status="benchmark") == {
            "item": None, "items": [], "total": 0, "n_done": 0, "n_left": 0,
        }  # fmt: skip
        assert api.ask("GET", "/api/review/next?score_min=x")[0] == 400

    def test_before_leads_back(self, api: Api) -> None:
        ids = [item["id"] for item in api.get("/api/review/next", size="5")["items"]]
        back = api.get("/api/review/next", before=ids[3], size="2")["items"]
        assert [item["id"] for item in back] == [ids[2], ids[1]]
        assert api.get("/api/review/next", before=ids[0])["item"] is None

    def test_what_is_decided_is_passed_over_and_the_end_leads_to_the_start(self, api: Api) -> None:
        ids = [item["id"] for item in api.get("/api/review/next", size="5")["items"]]
        for row_id in (ids[0], ids[2]):
            decide(api, row_id, "keep")
        found = api.get("/api/review/next", undecided="1", size="2", after=ids[1])
        assert [item["id"] for item in found["items"]] == [ids[3], ids[4]]
        assert (found["n_done"], found["n_left"]) == (2, N_TO_REVIEW - 2)
        end = api.get("/api/review/next", size="20", after=ids[4])["items"]
        while end:
            last_id = end[-1]["id"]
            end = api.get("/api/review/next", size="20", after=last_id)["items"]
        assert api.get("/api/review/next", undecided="1", after=last_id)["item"]["id"] == ids[1]

    def test_those_that_were_dropped_can_be_looked_at_again(self, api: Api) -> None:
        decide(api, Row(4, 0).row_id, "drop")
        decide(api, Row(6, 0).row_id, "keep")
        found = api.get("/api/review/next", decision="drop", size="9")
        assert [item["id"] for item in found["items"]] == [Row(4, 0).row_id]
        assert found["item"]["standing"]["reviewer"] == "Ada"


class TestDecisions:
    def test_it_is_on_disk_and_on_the_cards(self, api: Api, run: Path) -> None:
        row_id = Row(4, 0).row_id
        answer = decide(api, row_id, "edit", answer="A better one.", note="was dull", decision_id="d1")
        assert answer["saved"] == answer["standing"]
        (file,) = (run / FOLDER).iterdir()
        line = json.loads(file.read_bytes())
        assert line["sample_id"] == row_id and line["answer"] == "A better one." and line["note"] == "was dull"
        assert api.get("/api/items", image=Row(4, 0).image_id)["items"][0]["decision"] == "edit"
        assert api.get("/api/items", decision="edit")["total"] == 1
        assert api.get("/api/items", decision="none")["total"] == api.get("/api/items")["total"] - 1
        assert api.get(f"/api/items/{row_id}")["item"]["decision"] == "edit"

    def test_undo_brings_back_what_stood_before(self, api: Api) -> None:
        row_id = Row(4, 0).row_id
        kept = decide(api, row_id, "keep")["saved"]
        dropped = decide(api, row_id, "drop")["saved"]
        assert decide(api, row_id, "undo", undoes=dropped["decision_id"])["standing"] == kept
        assert decide(api, row_id, "undo")["standing"] is None
        assert api.get("/api/items", decision="keep")["total"] == 0
        assert refused(api, id=row_id, decision="undo", reviewer="Ada")[0] == 422

    def test_a_rejected_row_can_be_decided_about(self, api: Api) -> None:
        decide(api, Row(5, 1).row_id, "keep")
        assert api.get("/api/items", decision="keep", status="rejected")["total"] == 1

    def test_what_is_held_out_cannot(self, api: Api) -> None:
        for status in ("benchmark", "held_out"):
            row_id = api.get("/api/items", status=status)["items"][0]["id"]
            assert refused(api, id=row_id, decision="keep", reviewer="Ada") == (
                422, "This row is held out for the benchmark, or because of it; no decision can bring it back.",
            )  # fmt: skip

    def test_nor_what_never_had_an_answer(self, api: Api) -> None:
        assert "before it had an answer" in refused(api, id="77", decision="keep", reviewer="Ada")[1]

    @pytest.mark.parametrize(
        ("body", "status", "said"),
        [
            ({"decision": "keep", "reviewer": "Ada"}, 400, "lacks id"),
            ({"id": Row(4, 0).row_id, "reviewer": "Ada"}, 400, "lacks decision"),
            ({"id": Row(4, 0).row_id, "decision": "keep"}, 400, "lacks reviewer"),
            ({"id": 4, "decision": "keep", "reviewer": "Ada"}, 400, "id is '4'; expected text"),
            ({"id": Row(4, 0).row_id, "decision": "keep", "reviewer": ["Ada"]}, 400, "expected text"),
            ({"id": "0123456789abcdef", "decision": "keep", "reviewer": "Ada"}, 404, "no row with this id"),
            ({"id": "\ud800", "decision": "keep", "reviewer": "Ada"}, 404, "no row with this id"),
            ({"id": Row(4, 0).row_id, "decision": "edit", "answer": " ", "reviewer": "Ada"}, 422, "answer is empty"),
            ({"id": Row(4, 0).row_id, "decision": "edit", "answer": "<image>", "reviewer": "A"}, 422, "<image>"),
            ({"id": Row(4, 0).row_id, "decision": "like", "reviewer": "Ada"}, 422, "'like' is no decision"),
            ({"id": Row(4, 0).row_id, "decision": "keep", "reviewer": "A", "answer_hash": "x"}, 422, "made anew"),
        ],
    )
    def test_what_is_refused_and_why(self, api: Api, run: Path, body: Any, status: int, said: str) -> None:
        found, why = refused(api, **body)
        assert found == status and said in why
        assert not (run / FOLDER).exists()

    def test_another_site_s_page_cannot_decide(self, api: Api, run: Path) -> None:
        import http.client

        connection = http.client.HTTPConnection(api.address.removeprefix("http://"), timeout=30)
        body = json.dumps({"id": Row(4, 0).row_id, "decision": "drop", "reviewer": "Eve"})
        headers = {"Origin": "http://elsewhere.example", "Content-Type": "application/json"}
        connection.request("POST", "/api/review", body, headers)
        assert connection.getresponse().status == 403
        connection.close()
        assert not (run / FOLDER).exists()

    def test_markup_comes_back_as_it_was_sent(self, api: Api) -> None:
        saved = decide(api, Row(4, 0).row_id, "edit", answer=HOSTILE, note=HOSTILE)["saved"]
        assert (saved["answer"], saved["note"]) == (HOSTILE, HOSTILE)

    def test_a_folder_that_cannot_be_written_is_told(self, api: Api, run: Path) -> None:
        (run / "explore").mkdir(exist_ok=True)
        (run / FOLDER).write_text("a file in the way")
        status, why = refused(api, id=Row(4, 0).row_id, decision="keep", reviewer="Ada")
        assert status == 503 and "Make it a readable folder" in why


class TestSeveralServers:
    def test_each_sees_what_the_other_keeps_and_a_restart_loses_nothing(self, api: Api, run: Path) -> None:
        with served_run(run) as other:
            decide(api, Row(4, 0).row_id, "keep")
            other.post("/api/review", id=Row(4, 0).row_id, decision="drop", reviewer="Bo")
            assert api.get("/api/review/next", at=Row(4, 0).row_id)["item"]["standing"]["decision"] == "drop"
        with served_run(run) as again:
            summary = again.get("/api/review/summary")
            assert summary["decisions"] == {"drop": 1} and summary["reviewers"] == {"Bo": 1}
            assert summary["run_id"] == "run"
            assert again.get("/api/items", decision="drop")["total"] == 1


class TestARunMadeAnew:
    def test_a_decision_on_another_answer_is_told_and_not_shown(self, api: Api, run: Path) -> None:
        decide(api, Row(4, 0).row_id, "drop")
        decide(api, Row(6, 0).row_id, "keep")
        table = Tables(Folder(str(run))).answers
        rows = [replace(row, answer="Made anew.") if row.answer_id == Row(4, 0).row_id else row for row in table.rows()]
        table.write_part(0, rows)
        with served_run(run) as again:
            assert again.get("/api/items", decision="drop")["total"] == 0
            assert again.get("/api/review/next", at=Row(4, 0).row_id)["item"]["standing"] is None
            summary = again.get("/api/review/summary")
            assert summary["n_not_holding"] == 1 and summary["decisions"] == {"keep": 1}
