"""A row's whole story in a real browser: the dialog, its neighbours, its provenance, the comparison of two runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from support.browser import watched_page
from support.explored_run import NO_PICTURE, Row

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import expect


def test_a_click_opens_the_story_and_escape_closes_it(browser: Browser, address: str) -> None:
    row = Row(7, 0)
    with watched_page(browser, f"{address}/gallery?q=zeppelin") as page:
        page.locator(".cards a").click()
        expect(page).to_have_url(f"{address}/gallery?q=zeppelin&sample={row.row_id}")
        dialog = page.get_by_role("dialog")
        expect(dialog.locator(".texts h2")).to_have_text(row.instruction)
        expect(dialog.locator(".texts .answer")).to_have_text(row.answer())
        expect(dialog.locator("figcaption .text")).to_have_text("Picture 7: boats at a quay, and gulls above them.")
        assert dialog.locator(".seen img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 127
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(page).to_have_url(f"{address}/gallery?q=zeppelin")
        expect(page.locator(".cards a")).to_be_focused()


def test_back_closes_the_story(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery?q=zeppelin") as page:
        page.locator(".cards a").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        page.go_back()
        expect(page.get_by_role("dialog")).to_be_hidden()
        page.go_forward()
        expect(page.get_by_role("dialog").locator(".texts h2")).to_be_visible()


def test_a_deep_link_tells_the_whole_provenance(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery?sample={Row(8, 0).row_id}", refused=NO_PICTURE) as page:
        story = page.get_by_role("dialog").locator(".story")
        parts = story.locator("details.part")
        for name in ("cluster", "exemplars", "prompt", "ids"):
            story.locator(f"[data-part={name}] summary").click()
        expect(story.locator("[data-part=rules] .badge.good", has_text="too short")).to_be_visible()
        expect(story.locator("[data-part=match] .own")).to_contain_text(f"{Row(8, 0).score:.3f}")
        expect(story.locator("[data-part=cluster]")).to_contain_text("Raw of picture")
        expect(story.locator("[data-part=cluster] h4", has_text="Seeds")).to_be_visible()
        expect(story.locator("[data-part=exemplars]")).to_contain_text("An exemplary answer.")
        prompt = story.locator("[data-part=prompt]")
        expect(prompt.locator("h4")).to_have_text(["System", "User", "Reply"])
        expect(prompt.locator("pre").first).to_have_text("You describe images.")
        expect(prompt).to_contain_text("teller · 211 tokens in, 34 out")
        expect(story.locator("[data-part=ids]")).to_contain_text(Row(8, 0).image_id)
        n_open = parts.evaluate_all("parts => parts.filter(part => part.open).length")
        page.keyboard.press("ArrowRight")  # what is unfolded stays so
        expect(page).not_to_have_url(re.compile(Row(8, 0).row_id))
        expect(story.locator("[data-part=prompt] pre").first).to_be_visible()
        assert parts.evaluate_all("parts => parts.filter(part => part.open).length") == n_open


def test_a_reject_says_by_which_rule_and_why(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery?sample={Row(5, 1).row_id}", refused=NO_PICTURE) as page:
        texts = page.get_by_role("dialog").locator(".texts")
        expect(texts.locator(".badge")).to_have_text(["Rejected", "too short"])
        expect(texts.locator(".why")).to_contain_text("Rejected by filter: found")


def test_arrows_go_to_the_neighbours_and_over_the_end_of_the_page(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery", refused=NO_PICTURE) as page:
        last = page.locator(".cards > article").nth(59)
        last_id = last.get_attribute("data-id")
        last.locator("a").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.locator("header")).to_contain_text("60 of 60 on this page")
        page.keyboard.press("ArrowRight")
        expect(dialog.locator("header")).to_contain_text("1 of 21 on this page")
        expect(page).to_have_url(re.compile("page=1"))
        page.keyboard.press("k")
        expect(page).to_have_url(re.compile(f"sample={last_id}"))
        page.get_by_role("button", name="Previous row").click()
        expect(dialog.locator("header")).to_contain_text("59 of 60 on this page")


def test_another_run_of_the_same_image_beside_this_one(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery?q=zeppelin&sample={Row(7, 0).row_id}", refused=NO_PICTURE) as page:
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Other run", exact=True).select_option("other")
        answer = dialog.locator(".compare tbody tr", has_text="Answer").first
        expect(answer.locator("ins")).to_contain_text("of the old town")
        same = dialog.locator(".compare tbody tr", has_text="Instruction").first
        expect(same).to_contain_text("the same")


def test_a_row_that_does_not_exist_is_told(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery?q=zeppelin&sample=nosuch", refused=("/api/items/nosuch",)) as page:
        expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
        page.get_by_role("button", name="Close").click()
        expect(page.locator(".cards > article")).to_have_count(1)
