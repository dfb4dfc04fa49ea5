"""Captions, answers, instructions, file names and source names that hold markup: they are text and nothing runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.browser import watched_page
from support.explored_run import HOSTILE, Row

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import expect

HOSTILE_ROW = Row(0, 0)


def assert_nothing_ran(page: Page) -> None:
    """No element came of the text; that no script ran, `watched_page` sees by the dialog that none opened."""
    made = page.locator("img[src='x'], [onerror], main script, dialog script, a[href^='javascript:']")
    expect(made).to_have_count(0)


def test_in_the_gallery(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery?image={HOSTILE_ROW.image_id}") as page:
        expect(page.locator(".cards > article")).to_have_count(2)
        card = page.locator(f"article[data-id='{HOSTILE_ROW.row_id}']")
        expect(card.locator("h3")).to_contain_text(HOSTILE)
        expect(card.locator(".answer")).to_contain_text(HOSTILE)
        source = page.locator("fieldset", has_text="Source").locator(".label", has_text="onerror")
        expect(source).to_have_text(HOSTILE)
        source.click()
        expect(page.locator(".chip", has_text="Source")).to_contain_text(HOSTILE)
        assert_nothing_ran(page)


def test_in_the_story_and_beside_another_run(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery?image={HOSTILE_ROW.image_id}&sample={HOSTILE_ROW.row_id}") as page:
        dialog = page.get_by_role("dialog")
        expect(dialog.locator(".texts h2")).to_contain_text(HOSTILE)
        expect(dialog.locator(".texts .answer")).to_have_text(HOSTILE_ROW.answer())
        expect(dialog.locator("figcaption .text")).to_have_text(HOSTILE)
        expect(dialog.locator("figcaption")).to_contain_text("onerror")  # the file's name, too
        for name in ("cluster", "exemplars", "prompt", "ids"):
            dialog.locator(f"[data-part={name}] summary").click()
        expect(dialog.locator("[data-part=prompt] pre").nth(1)).to_have_text(f"Tell me. {HOSTILE}")
        expect(dialog.locator("[data-part=cluster]")).to_contain_text(HOSTILE)
        dialog.get_by_label("Other run", exact=True).select_option("other")
        expect(dialog.locator(".compare tbody tr", has_text="Answer").first).to_contain_text(HOSTILE)
        assert_nothing_ran(page)


def test_in_the_address(browser: Browser, address: str) -> None:
    text = "<img src=x onerror=alert('xss')>"
    refused = ("/api/items",)
    with watched_page(browser, f"{address}/gallery?q={text}&category={text}&sample={text}", refused=refused) as page:
        expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator(".chip", has_text="Category")).to_contain_text(text)
        assert_nothing_ran(page)


def test_a_script_in_the_page_would_not_run(browser: Browser, address: str) -> None:
    page = browser.new_page()  # one whose console may complain
    answer = page.goto(f"{address}/gallery?status=benchmark")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy and "default-src 'none'" in policy
    assert "style=" not in answer.text() and "onclick" not in answer.text()
    refused = page.evaluate(
        """() => new Promise(tell => {
          document.addEventListener("securitypolicyviolation", (event) => tell(event.violatedDirective));
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.body.append(script);
        })"""
    )
    assert refused.startswith("script-src")
    assert page.evaluate("window.ran") is None
    page.close()
