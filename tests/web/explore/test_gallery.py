"""Pages, facets and selections over HTTP, held against the rows that the run was written from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("duckdb")

from support.explored_run import HOSTILE, N_IMAGES, ROWS, Row
from support.http_asking import ask, post

N_ROWS = 2 * N_IMAGES + 1  # and one early reject
SORTS = ("order", "score", "-score", "words", "-words", "random")


def items(address: str, **query: Any) -> list[dict[str, Any]]:
    told = ask(address, "/api/items", {"size": 100, **query})
    assert told.status == 200, told.body
    found: list[dict[str, Any]] = told.json()["items"]
    return found


def is_rejected(row: Row) -> bool:
    return row.rank == 1 and row.number % 5 == 0


class TestItems:
    def test_every_row_is_there_once_with_its_own_texts(self, address: str) -> None:
        found = {item["id"]: item for item in items(address)}
        assert len(found) == N_ROWS
        for row in ROWS:
            item = found[row.row_id]
            assert item["answer"] == row.answer()[:400] and item["instruction"] == row.instruction
            assert item["truncated"] == (len(row.answer()) > 400)
            assert (item["image_id"], item["source"], item["category"]) == (row.image_id, row.source, row.category)
            assert item["score"] == row.score and item["n_words"] == len(row.answer().split())
            assert (item["status"] == "rejected") == is_rejected(row)
        early = found["77"]
        assert (early["status"], early["stage"], early["reason"]) == ("rejected", "images", "not_an_image")
        assert early["answer"] == "notes.jpg" and early["image_id"] is early["instruction"] is early["score"] is None

    def test_statuses(self, address: str) -> None:
        counts = Counter(item["status"] for item in items(address))
        n_rejected = sum(map(is_rejected, ROWS))
        assert counts == {
            "kept": 2 * N_IMAGES - n_rejected - 4, "benchmark": 2, "held_out": 2, "rejected": n_rejected + 1,
        }  # fmt: skip

    @pytest.mark.parametrize("sort", SORTS)
    def test_pages_are_the_whole_in_an_order_that_stays(self, address: str, sort: str) -> None:
        whole = [item["id"] for item in items(address, sort=sort)]
        pages = [[item["id"] for item in items(address, sort=sort, page=page, size=9)] for page in range(10)]
        assert [row_id for page in pages for row_id in page] == whole and len(set(whole)) == N_ROWS

    def test_sorting(self, address: str) -> None:
        for sort, column in (("score", "score"), ("words", "n_words")):
            rising = [item[column] for item in items(address, sort=sort) if item[column] is not None]
            falling = [item[column] for item in items(address, sort=f"-{sort}") if item[column] is not None]
            assert rising == sorted(rising) and falling == sorted(rising, reverse=True)
        assert items(address, sort="score")[-1]["score"] is None is items(address, sort="-score")[-1]["score"]

    @pytest.mark.parametrize(
        ("query", "holds"),
        [
            ({"category": "planning"}, lambda row: row.category == "planning"),
            ({"category": ["planning", "writing"]}, lambda row: row.category in ("planning", "writing")),
            ({"source": HOSTILE}, lambda row: row.source == HOSTILE),
            ({"image": ROWS[6].image_id}, lambda row: row.image_id == ROWS[6].image_id),
            ({"instruction": ROWS[6].instruction_id}, lambda row: row.which == ROWS[6].which),
            ({"reason": "refusal"}, lambda row: is_rejected(row) and row.number % 10 == 0),
            ({"stage": "filter"}, is_rejected),
            ({"score_min": 0.3, "score_max": 0.4}, lambda row: 0.3 <= row.score <= 0.4),
            ({"words_max": 12}, lambda row: len(row.answer().split()) <= 12),
            ({"q": "zeppelin"}, lambda row: "zeppelin" in row.answer()),
            ({"q": "poem", "source": "market"}, lambda row: "poem" in row.instruction and row.source == "market"),
            ({"status": "no such"}, lambda row: False),
            ({"category": "'; DROP TABLE rows; --"}, lambda row: False),
        ],
    )
    def test_filters(self, address: str, query: dict[str, Any], holds: Callable[[Row], bool]) -> None:
        expected = {row.row_id for row in ROWS if holds(row)}
        found = {item["id"] for item in items(address, **query)}
        assert found - {"77"} == expected

    @pytest.mark.parametrize(
        "query",
        [
            {"page": "-1"}, {"page": "x"}, {"page": "9" * 20}, {"size": "0"}, {"size": "101"}, {"size": "٣"},
            {"sort": "n; DROP TABLE rows"}, {"score_min": "nan"}, {"score_max": "inf"}, {"words_min": "many"},
            {"q": "x" * 1001}, {"selection": "none"}, {"selection": "../../config"},
        ],
    )  # fmt: skip
    def test_what_makes_no_sense_is_refused_with_a_sentence(self, address: str, query: dict[str, str]) -> None:
        told = ask(address, "/api/items", query)
        assert told.status in (400, 404) and told.json()["error"].endswith(".")

    def test_a_page_after_the_last_is_empty(self, address: str) -> None:
        told = ask(address, "/api/items", {"page": 10_000_000}).json()
        assert told["items"] == [] and told["total"] == N_ROWS

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.dictionaries(
            st.sampled_from(
                ["q", "category", "reason", "source", "image", "decision", "selection", "score_min", "sort"]
            ),
            st.text(max_size=20),
        )
    )
    def test_no_address_brings_an_error_of_ours(self, address: str, query: dict[str, str]) -> None:
        sent = {name: value.encode("utf-8", "surrogatepass") for name, value in query.items()}
        for path in ("/api/items", "/api/facets"):
            assert ask(address, path, sent).status in (200, 400, 404)


class TestFacets:
    def facets(self, address: str, **query: Any) -> dict[str, Any]:
        told = ask(address, "/api/facets", query)
        assert told.status == 200
        found: dict[str, Any] = told.json()
        return found

    def counts(self, facet: list[dict[str, Any]]) -> dict[str, int]:
        return {entry["value"]: entry["n"] for entry in facet}

    def test_of_all_rows(self, address: str) -> None:
        found = self.facets(address)
        assert self.counts(found["category"]) == Counter(row.category for row in ROWS)
        assert self.counts(found["source"]) == Counter(row.source for row in ROWS)
        assert self.counts(found["instruction"]) == Counter(row.instruction_id for row in ROWS)
        assert {entry["label"] for entry in found["instruction"]} == {row.instruction for row in ROWS}
        assert self.counts(found["reason"])["not_an_image"] == 1
        assert sum(found["score"]["bins"]) == len(ROWS) and sum(found["words"]["bins"]) == N_ROWS
        assert found["score"]["min"] == min(row.score for row in ROWS)

    def test_each_is_counted_under_all_other_filters(self, address: str) -> None:
        found = self.facets(address, category="planning", score_min=0.4)
        above = [row for row in ROWS if row.score >= 0.4]
        assert self.counts(found["category"]) == Counter(row.category for row in above)
        planned = [row for row in above if row.category == "planning"]
        assert self.counts(found["source"]) == Counter(row.source for row in planned)
        assert sum(found["score"]["bins"]) == sum(row.category == "planning" for row in ROWS)
        assert sum(found["words"]["bins"]) == len(planned)

    def test_every_count_is_what_choosing_it_shows(self, address: str) -> None:
        query = {"q": "gulls", "words_max": 30}
        found = self.facets(address, **query)
        for name in ("status", "category", "source", "reason", "instruction"):
            for entry in found[name]:
                shown = ask(address, "/api/items", {**query, name: entry["value"]}).json()["total"]
                assert shown == entry["n"], (name, entry)


class TestSelections:
    def test_a_selection_filters(self, address: str) -> None:
        ids = [ROWS[3].row_id, ROWS[30].row_id, ROWS[30].row_id, "unknown"]
        told = post(address, "/api/selections", {"ids": ids}).json()
        assert told["n"] == 3 and told == post(address, "/api/selections", {"ids": ids[::-1]}).json()
        assert [item["id"] for item in items(address, selection=told["key"])] == [ROWS[3].row_id, ROWS[30].row_id]
        facets = ask(address, "/api/facets", {"selection": told["key"]}).json()
        assert sum(entry["n"] for entry in facets["status"]) == 2

    @pytest.mark.parametrize("ids", [["a\nb"], [1], ["x" * 3000], "abc", [], None, [["a"]]])
    def test_what_is_no_list_of_ids_is_refused(self, address: str, ids: object) -> None:
        assert post(address, "/api/selections", {"ids": ids}).status == 400
