"""The gallery in a real browser: cards, filters with counts, search, sorting, pages, links that keep the state."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from support.browser import watched_page
from support.explored_run import CHANGED, GONE, ROWS, Row

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import expect

NO_PICTURE = tuple(f"/thumb/{Row(number, 0).image_id}" for number in (GONE, CHANGED))
KEPT = "Kept for training"


def box(page: Page, label: str) -> Locator:
    return page.locator(".facet label.value", has_text=label).locator("input")


def total(page: Page) -> Locator:
    return page.locator(".total")


def ids(page: Page) -> list[str]:
    return [card.get_attribute("data-id") or "" for card in page.locator(".cards > article").all()]


def test_cards_show_picture_instruction_answer_and_fate(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery?q=zeppelin") as page:
        card = page.locator(".cards > article")
        expect(card).to_have_count(1)
        row = Row(7, 0)
        expect(card.locator("h3")).to_have_text(row.instruction)
        expect(card.locator(".answer")).to_contain_text("A zeppelin hums.")
        expect(card.locator(".badge")).to_have_text(["Kept"])
        expect(card.locator(".figures")).to_contain_text(f"{row.score:.2f}")
        assert card.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") > 0


def test_a_facet_filters_and_the_others_count_beside_it(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery", refused=NO_PICTURE) as page:
        expect(total(page)).to_have_text("81 rows")
        box(page, "Rejected").check()
        expect(total(page)).to_have_text("9 of 81 rows")
        expect(page).to_have_url(re.compile(r"\?status=rejected$"))
        kept = page.locator(".facet label.value", has_text=KEPT)
        expect(kept.locator(".n")).to_have_text("68")  # the facet's own choice does not count in it
        reasons = page.locator("fieldset", has_text="Why rejected").locator(".value")
        expect(reasons).to_have_count(3)
        box(page, "refusal").check()
        expect(total(page)).to_have_text("4 of 81 rows")
        box(page, "too short").check()
        expect(total(page)).to_have_text("8 of 81 rows")
        page.locator(".chip", has_text="refusal").click()
        expect(total(page)).to_have_text("4 of 81 rows")
        page.get_by_role("button", name="Clear all").click()
        expect(total(page)).to_have_text("81 rows")
        expect(page).to_have_url(f"{address}/gallery")


def test_search_waits_for_the_last_letter_and_finds(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery", refused=NO_PICTURE) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "/api/items?" in request.url else None)
        expect(total(page)).to_have_text("81 rows")
        asked.clear()
        page.keyboard.press("/")
        page.keyboard.type("zeppelin", delay=15)
        expect(total(page)).to_have_text("1 of 81 rows")
        assert len(asked) < len("zeppelin")  # one, but for a machine that is busier than a person types
        page.get_by_role("searchbox").fill("no such word anywhere")
        expect(page.get_by_role("heading", name="No row fits")).to_be_visible()
        page.get_by_role("button", name="Clear all filters").click()
        expect(total(page)).to_have_text("81 rows")
        expect(page.get_by_role("searchbox")).to_have_value("")


def test_a_range_is_taken_with_the_keyboard(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery", refused=NO_PICTURE) as page:
        lower = page.get_by_label("Match score: at least")
        lower.focus()
        for _ in range(5):
            page.keyboard.press("ArrowRight")
        expect(page).to_have_url(re.compile(r"score_min=0\.20$"))
        n_left = sum(row.score >= 0.2 for row in ROWS)
        expect(total(page)).to_have_text(f"{n_left} of 81 rows")
        expect(page.get_by_label("Match score: at least")).to_be_focused()
        page.keyboard.press("Home")
        expect(total(page)).to_have_text("81 rows")


def test_sorting(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery?status=kept", refused=NO_PICTURE) as page:
        expect(total(page)).to_have_text("68 of 81 rows")
        page.get_by_label("Sort by").select_option("Weakest match first")
        expect(page).to_have_url(re.compile("sort=score"))
        expect(page.locator(".cards > article").first).to_have_attribute("data-id", Row(1, 1).row_id)
        page.get_by_label("Sort by").select_option("Best match first")
        expect(page.locator(".cards > article").first).not_to_have_attribute("data-id", Row(1, 1).row_id)


def test_pages_by_button_by_key_and_back(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery", refused=NO_PICTURE) as page:
        expect(page.locator(".cards > article")).to_have_count(60)
        first = ids(page)
        page.keyboard.press("j")
        expect(page).to_have_url(f"{address}/gallery?page=1")
        expect(page.locator(".cards > article")).to_have_count(21)
        assert not set(first) & set(ids(page))
        expect(page.get_by_role("button", name="Next")).to_be_disabled()
        page.get_by_role("button", name="Previous").click()
        expect(page.locator(".cards > article")).to_have_count(60)
        page.go_back()
        expect(page.locator(".cards > article")).to_have_count(21)
        page.get_by_label("Number of the page").fill("1")
        page.keyboard.press("Enter")
        expect(page.locator(".cards > article")).to_have_count(60)
        assert ids(page) == first


def test_a_link_keeps_the_state(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery", refused=NO_PICTURE) as page:
        box(page, "bazaar").check()
        box(page, "planning").check()
        page.get_by_label("Sort by").select_option("Longest answer first")
        page.get_by_role("searchbox").fill("gulls")
        expect(page).to_have_url(re.compile("q=gulls"))
        expect(page.locator(".cards:not([aria-busy])")).to_be_visible()
        expect(total(page)).to_have_text(re.compile("of 81 rows"))
        link, told, shown = page.url, total(page).inner_text(), ids(page)
    with watched_page(browser, link, refused=NO_PICTURE) as page:
        expect(total(page)).to_have_text(told)
        expect(page.get_by_role("searchbox")).to_have_value("gulls")
        expect(page.get_by_label("Sort by")).to_have_value("-words")
        expect(box(page, "bazaar")).to_be_checked()
        assert ids(page) == shown
        page.reload()
        expect(total(page)).to_have_text(told)


def test_a_picture_that_is_gone_says_why(browser: Browser, address: str) -> None:
    for number in (GONE, CHANGED):
        image_id = Row(number, 0).image_id
        with watched_page(browser, f"{address}/gallery?image={image_id}", refused=NO_PICTURE) as page:
            broken = page.locator(".picture.broken").first
            expect(broken).to_contain_text("No picture")
            expect(broken.locator("span")).to_have_text(re.compile("file|changed"))


def test_an_error_is_told_and_can_be_tried_again(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery?status=kept", refused=("/api/items", *NO_PICTURE)) as page:
        expect(total(page)).to_have_text("68 of 81 rows")
        page.route("**/api/items?*", lambda route: route.abort())
        page.keyboard.press("j")
        expect(page.get_by_role("alert")).to_contain_text("does not answer")
        page.unroute("**/api/items?*")
        page.get_by_role("button", name="Try again").click()
        expect(page.locator(".cards > article")).to_have_count(8)


def test_a_page_beyond_the_last_leads_back(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery?page=40", refused=NO_PICTURE) as page:
        page.get_by_role("button", name="Go to the first page").click()
        expect(page.locator(".cards > article")).to_have_count(60)


def test_a_selection_from_the_map_is_a_chip(browser: Browser, address: str) -> None:
    chosen = [Row(number, 0).row_id for number in (5, 6, 7)]
    with watched_page(browser, f"{address}/gallery?status=kept", refused=NO_PICTURE) as page:
        key = page.evaluate(
            """ids => fetch("/api/selections", {method: "POST", headers: {"Content-Type": "application/json"},
            body: JSON.stringify({ids})}).then(answer => answer.json()).then(told => told.key)""",
            chosen,
        )
        page.goto(f"{address}/gallery?selection={key}")
        expect(total(page)).to_have_text("3 of 81 rows")
        assert sorted(ids(page)) == sorted(chosen)
        page.locator(".chip", has_text="Selection of 3 from the map").click()
        expect(total(page)).to_have_text("81 rows")


def test_the_theme_is_kept(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery?status=benchmark") as page:
        ground = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(ground)
        button = page.get_by_role("button", name=re.compile("Colours"))
        button.click()
        button.click()
        expect(button).to_contain_text("Dark")
        dark = page.evaluate(ground)
        assert dark != light
        page.reload()
        assert page.evaluate(ground) == dark
