"""The gallery while answers are late: what was chosen, typed, moved or closed in the meantime stays so."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING

import pytest

from support.browser import held_back, hold, watched_page
from support.explored_run import NO_PICTURE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import expect

COUNTS = "**/api/facets*"


def box(page: Page, label: str) -> Locator:
    return page.locator(".facet label.value", has_text=label).locator("input")


def total(page: Page) -> Locator:
    return page.locator(".total")


def test_a_second_tick_before_the_counts_keeps_the_first(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery?status=rejected", refused=NO_PICTURE) as page:
        expect(page.locator(".chip")).to_have_count(1)
        hold(page, COUNTS)
        box(page, "refusal").check()
        expect(total(page)).to_have_text("4 of 81 rows")
        box(page, "too short").check()
        expect(total(page)).to_have_text("8 of 81 rows")


def test_a_second_chip_taken_away_before_the_counts_does_not_bring_the_first_back(
    browser: Browser, address: str
) -> None:
    link = f"{address}/gallery?reason=refusal&reason=too_short"
    with watched_page(browser, link, refused=NO_PICTURE) as page:
        expect(page.locator(".chip")).to_have_count(2)
        hold(page, COUNTS)
        page.locator(".chip", has_text="refusal").click()
        expect(total(page)).to_have_text("4 of 81 rows")
        page.locator(".chip", has_text="too short").click()
        expect(total(page)).to_have_text("81 rows")


def test_who_goes_back_before_the_counts_leaves_no_box_ticked(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery", refused=NO_PICTURE) as page:
        expect(total(page)).to_have_text("81 rows")
        box(page, "Rejected").wait_for()
        held = hold(page, COUNTS)
        box(page, "Rejected").check()
        expect(total(page)).to_have_text("9 of 81 rows")
        page.go_back()
        expect(total(page)).to_have_text("81 rows")
        expect(box(page, "Rejected")).to_be_checked()  # still
        held_back(page, held).continue_()
        expect(box(page, "Rejected")).not_to_be_checked()


def test_a_slider_that_moves_while_counts_come_loses_no_step(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/static/icon.svg", refused=NO_PICTURE) as page:
        page.clock.install()
        page.goto(f"{address}/gallery")
        lower = page.get_by_label("Match score: at least")
        expect(lower).to_have_value("0.15")
        expect(total(page)).to_have_text("81 rows")
        page.clock.pause_at(datetime.datetime.now() + datetime.timedelta(hours=1))
        held = hold(page, COUNTS)
        lower.evaluate("slider => { slider.dataset.mark = 'old'; slider.focus(); }")
        page.keyboard.press("ArrowRight")
        page.clock.run_for(200)
        expect(page).to_have_url(re.compile(r"score_min=0\.16$"))
        expect(total(page)).to_have_text(re.compile("of 81 rows"))
        page.keyboard.press("ArrowRight")
        held_back(page, held).continue_()
        expect(lower).not_to_have_attribute("data-mark", "old")  # the counts are there
        expect(lower).to_have_value("0.17")
        page.keyboard.press("ArrowRight")
        page.clock.run_for(200)
        expect(page).to_have_url(re.compile(r"score_min=0\.18$"))


def test_what_was_typed_a_moment_ago_is_searched_for_beside_a_filter(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery", refused=NO_PICTURE) as page:
        expect(total(page)).to_have_text("81 rows")
        box(page, "Rejected").wait_for()
        page.get_by_role("searchbox").evaluate(
            """field => {
              field.focus();
              field.value = "gulls";
              field.dispatchEvent(new Event("input"));
              field.blur();
              document.querySelector(".facet label.value input").click();
            }"""
        )
        expect(page).to_have_url(re.compile(r"\?status=[a-z]+&q=gulls$|\?q=gulls&status=[a-z]+$"))
        expect(page.get_by_role("searchbox")).to_have_value("gulls")


def test_a_story_that_is_closed_before_its_neighbour_comes_stays_closed(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery", refused=NO_PICTURE) as page:
        page.locator(".cards a").nth(59).click()
        dialog = page.get_by_role("dialog")
        expect(dialog.locator("header")).to_contain_text("60 of 60 on this page")
        held = hold(page, "**/api/items?*page=1*")
        with page.expect_request("**/api/items?*page=1*"):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        with page.expect_response("**/api/items?*page=1*") as answer:
            held_back(page, held).continue_()
        answer.value.finished()
        page.wait_for_timeout(100)  # in which it would open
        expect(page).to_have_url(f"{address}/gallery")
        expect(dialog).to_be_hidden()
