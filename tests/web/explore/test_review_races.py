"""The review while answers are late: nothing is decided twice, skipped, lost, or shown other than it was decided."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.browser import held_back, hold
from support.explored_run import NO_PICTURE, Row
from support.review_page import FIRST, SECOND, all_saved, reviewer, served_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytest.importorskip("playwright.sync_api")
pytest.importorskip("duckdb")
from playwright.sync_api import expect

from mminstruct.pipeline.decisions import FOLDER, read_decisions
from mminstruct.pipeline.tables import Folder

DECISIONS = "**/api/review"
ROWS_AHEAD = "**/api/review/next?*size=3*"
"""The request for the rows behind the one that is shown."""


@contextmanager
def ada(browser: Browser, run: Path) -> Iterator[tuple[Page, str]]:
    """A page of Ada's browser, and the address of the review of image 4's two rows."""
    refused = ("/api/review", *NO_PICTURE)
    with served_run(run) as address, reviewer(browser, address, refused=refused) as page:
        yield page, f"{address}/review?image={FIRST.image_id}"


@contextmanager
def review(browser: Browser, run: Path) -> Iterator[Page]:
    with ada(browser, run) as (page, link):
        page.goto(link)
        shows(page, FIRST)
        page.wait_for_load_state("networkidle")  # the next row is here
        yield page


@contextmanager
def review_of_one(browser: Browser, run: Path) -> Iterator[tuple[Page, list[Route]]]:
    """The review while the rows behind the first are on their way, and the request that waits for them."""
    with ada(browser, run) as (page, link):
        held = hold(page, ROWS_AHEAD, first_only=True)
        page.goto(link)
        shows(page, FIRST)
        yield page, held


def shows(page: Page, row: Row) -> None:
    expect(page.locator(".texts h2")).to_have_text(row.instruction)


def let_go(page: Page, route: Route) -> None:
    """Let a request go on, and wait until the page has its answer."""
    with page.expect_response(route.request.url) as answer:
        route.continue_()
    answer.value.finished()
    page.evaluate("new Promise((go) => setTimeout(go, 50))")  # the page takes it in before any timer


def standing(run: Path) -> dict[str, str]:
    return {row_id: str(one.decision) for row_id, one in read_decisions(Folder(str(run))).standing.items()}


def n_sent(run: Path) -> int:
    return sum(len(file.read_bytes().splitlines()) for file in (run / FOLDER).iterdir())


def test_a_decision_on_its_way_is_there_on_the_way_back(browser: Browser, run: Path) -> None:
    with review(browser, run) as page:
        held = hold(page, DECISIONS, first_only=True)
        page.keyboard.press("k")
        shows(page, SECOND)
        page.keyboard.press("ArrowLeft")
        shows(page, FIRST)
        expect(page.locator(".decided")).to_contain_text("Kept by Ada")
        let_go(page, held_back(page, held))
        page.keyboard.press("d")  # on second thoughts
        shows(page, SECOND)
        page.keyboard.press("ArrowLeft")
        expect(page.locator(".decided")).to_contain_text("Dropped by Ada")
        expect(page.locator(".done")).to_contain_text("1 decided, 1 left")
        page.reload()
        expect(page.locator(".decided")).to_contain_text("Dropped by Ada")
    assert standing(run) == {FIRST.row_id: "drop"}


def test_a_note_that_is_typed_is_not_taken_away_by_the_reply_to_a_decision(browser: Browser, run: Path) -> None:
    with review(browser, run) as page:
        held = hold(page, DECISIONS, first_only=True)
        page.keyboard.press("k")
        shows(page, SECOND)
        page.keyboard.press("ArrowLeft")
        shows(page, FIRST)
        page.keyboard.press("n")
        note = page.get_by_label("Note", exact=True)
        note.fill("dull")
        let_go(page, held_back(page, held))
        expect(note).to_have_value("dull")
        page.keyboard.press("Enter")
        expect(page.locator(".decided .note")).to_have_text("dull")
        page.keyboard.press("d")  # keys work again
        shows(page, SECOND)
        all_saved(page)
    assert standing(run) == {FIRST.row_id: "drop"}


def test_a_second_key_does_not_decide_the_row_that_is_being_left(browser: Browser, run: Path) -> None:
    with review_of_one(browser, run) as (page, held):
        page.keyboard.press("k")
        page.keyboard.press("k")
        let_go(page, held_back(page, held))
        shows(page, SECOND)
        expect(page.locator(".done")).to_contain_text("1 decided, 1 left")
        all_saved(page)
        assert n_sent(run) == 1
    assert standing(run) == {FIRST.row_id: "keep"}


def test_after_an_undo_the_row_stays_although_the_next_was_on_its_way(browser: Browser, run: Path) -> None:
    with review_of_one(browser, run) as (page, held):
        page.keyboard.press("k")
        expect(page.locator("#announcement")).to_have_text("Kept.")
        page.keyboard.press("u")
        let_go(page, held_back(page, held))
        shows(page, FIRST)
        expect(page.locator(".decided")).to_have_count(0)
        page.keyboard.press("d")
        shows(page, SECOND)
        all_saved(page)
    assert standing(run) == {FIRST.row_id: "drop"}


def test_an_edit_is_saved_once_however_often_the_key_is_pressed(browser: Browser, run: Path) -> None:
    with review(browser, run) as page:
        held = hold(page, DECISIONS, first_only=True)
        page.keyboard.press("e")
        page.get_by_label("Answer").fill("Boats.")
        page.keyboard.press("Control+Enter")
        page.keyboard.press("Control+Enter")
        page.keyboard.press("Escape")
        let_go(page, held_back(page, held))
        shows(page, SECOND)
        all_saved(page)
        assert n_sent(run) == 1
    assert standing(run) == {FIRST.row_id: "edit"}


def test_rows_that_come_late_for_another_row_skip_none(browser: Browser, run: Path) -> None:
    with ada(browser, run) as (page, link):
        link = link.replace(f"image={FIRST.image_id}", "status=kept")
        asked = "address => fetch(address).then((answer) => answer.json()).then((told) => told.items[0].id)"
        first = page.evaluate(asked, link.replace("/review?", "/api/review/next?") + "&size=1")
        second = page.evaluate(asked, link.replace("/review?", "/api/review/next?") + f"&size=1&after={first}")
        of_second = f"**/api/review/next?*after={second}*size=3*"
        held = hold(page, of_second, first_only=True)
        with page.expect_request(of_second):
            page.goto(f"{link}&at={second}")
        done = page.locator(".done")
        expect(done).to_contain_text("Row 2 of 68")
        with page.expect_response(f"**/api/review/next?*after={first}*size=3*") as answer:
            page.keyboard.press("ArrowLeft")
        answer.value.finished()
        expect(done).to_contain_text("Row 1 of 68")
        let_go(page, held_back(page, held))
        page.keyboard.press("k")
        expect(done).to_contain_text("1 decided, 67 left")
        expect(done).to_contain_text("Row 2 of 68")
        all_saved(page)


def test_a_count_that_comes_late_is_not_that_of_now(browser: Browser, run: Path) -> None:
    with review_of_one(browser, run) as (page, held):
        expect(page.locator(".done")).to_contain_text("0 decided, 2 left")
        before = held_back(page, held).fetch()  # before the decision
        page.keyboard.press("k")
        expect(page.locator("#announcement")).to_have_text("Kept.")
        all_saved(page)
        held_back(page, held).fulfill(response=before)
        shows(page, SECOND)
        expect(page.locator(".done")).to_contain_text("1 decided, 1 left")


def test_what_an_earlier_visit_left_unsent_is_sent_before_the_row_is_asked_for(browser: Browser, run: Path) -> None:
    with ada(browser, run) as (page, link):
        page.route(DECISIONS, lambda route: route.fulfill(status=503, body=json.dumps({"error": "Disk full."})))
        page.goto(link)
        shows(page, FIRST)
        page.keyboard.press("k")
        expect(page.locator(".unsaved")).to_contain_text("1 decision is not saved yet.")
        page.goto(link.replace("/review?", "/static/icon.svg?"))
        page.unroute(DECISIONS)
        held = hold(page, DECISIONS, first_only=True)
        with page.expect_request(DECISIONS):
            page.goto(f"{link}&at={FIRST.row_id}")
        page.wait_for_timeout(300)  # in which a page that does not wait shows the row as the server has it
        let_go(page, held_back(page, held))
        expect(page.locator(".decided")).to_contain_text("Kept by Ada")


def test_a_server_that_does_not_answer_to_what_was_left_unsent_keeps_no_row_back(browser: Browser, run: Path) -> None:
    with ada(browser, run) as (page, link):
        page.evaluate("localStorage.setItem('mminstruct-review:run:0-0', '{\"decision_id\": \"x\"}')")
        hold(page, DECISIONS, first_only=True)
        page.goto(link)
        shows(page, FIRST)
        page.unroute_all(behavior="ignoreErrors")


def test_decisions_of_one_millisecond_are_sent_in_their_order(browser: Browser, run: Path) -> None:
    with review(browser, run) as page:
        page.route(DECISIONS, lambda route: route.fulfill(status=503, body=json.dumps({"error": "Disk full."})))
        # The ids of later decisions come before those of earlier ones.
        page.evaluate("() => { let n = 255; Date.now = () => 1e12; crypto.getRandomValues = (a) => a.fill(n--); }")
        page.keyboard.press("k")
        shows(page, SECOND)
        page.keyboard.press("u")
        shows(page, FIRST)
        expect(page.locator(".unsaved")).to_contain_text("2 decisions are not saved yet.")
        page.unroute(DECISIONS)
        page.evaluate("document.querySelector('.unsaved button')?.click()")  # unless it has tried again by itself
        all_saved(page)
        expect(page.locator(".unsaved")).to_be_empty()
    assert standing(run) == {}
