"""The pages of a benchmark while answers are late or come again: what stands there stays as the reader left it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.browser import held_back, hold, watched_page
from support.patience import PATIENCE_S

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("playwright.sync_api")
pytest.importorskip("evalica")
from playwright.sync_api import expect

BROKEN = ("/thumb/q2", "/picture/q2")
"""Its file is no sound image."""
GO_TO = "(query) => (history.pushState(null, '', query), dispatchEvent(new PopStateEvent('popstate')), null)"


def test_figures_stay_as_they_are_while_newer_ones_are_computed(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/leaderboard") as page:
        expect(page.locator("#judge")).to_be_visible(timeout=1000 * PATIENCE_S)
        told = page.evaluate("fetch('/api/leaderboard').then(answer => answer.json())")
        body = json.dumps({**told, "state": "computing"})
        page.route("**/api/leaderboard", lambda route: route.fulfill(body=body, content_type="application/json"))
        page.reload()
        expect(page.get_by_role("status")).to_be_visible()
        page.locator("#judge").focus()
        for _ in range(2):
            with page.expect_response("**/api/leaderboard"):
                pass
        expect(page.locator("#judge")).to_be_focused()


def test_a_question_that_is_on_its_way_is_drawn_once_it_is_there(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/questions", refused=BROKEN) as page:
        expect(page.locator(".list > li")).to_have_count(6)
        held = hold(page, "**/api/questions/q3*")
        with page.expect_request("**/api/questions/q3*"):
            page.locator(".list a").nth(3).click()
        page.evaluate(GO_TO, "?id=q3&page=0")  # the list's page is turned meanwhile
        assert page.locator(".story .badge").count() == 0
        held_back(page, held).continue_()
        expect(page.locator(".story .badge").first).to_have_text("Question q3")


def test_the_way_back_to_a_question_is_not_undone_by_the_one_that_comes_late(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/questions?id=q3", refused=BROKEN) as page:
        expect(page.locator(".story .badge").first).to_have_text("Question q3")
        held = hold(page, "**/api/questions/q4*")
        with page.expect_request("**/api/questions/q4*"):
            page.evaluate(GO_TO, "?id=q4")
        page.go_back()
        expect(page).to_have_url(f"{address}/questions?id=q3")
        with page.expect_response("**/api/questions/q4*") as answer:
            held_back(page, held).continue_()
        answer.value.finished()
        page.wait_for_timeout(100)  # in which it would be drawn
        expect(page.locator(".story .badge").first).to_have_text("Question q3")


def test_what_was_typed_a_moment_ago_is_searched_for_beside_a_filter(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/questions", refused=BROKEN) as page:
        expect(page.locator(".list > li")).to_have_count(6)
        page.get_by_role("searchbox").evaluate(
            """field => {
              field.focus();
              field.value = "caption";
              field.dispatchEvent(new Event("input"));
              field.blur();
              const category = document.querySelector("#filter-category");
              category.value = "poems";
              category.dispatchEvent(new Event("change", { bubbles: true }));
            }"""
        )
        expect(page.locator(".list > li")).to_have_count(3)
        expect(page.get_by_role("searchbox")).to_have_value("caption")
        assert "q=caption" in page.url and "category=poems" in page.url
