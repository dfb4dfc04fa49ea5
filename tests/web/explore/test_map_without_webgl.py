"""The map in a browser that cannot draw it: the page says so and what to do, and the list does its work."""

from __future__ import annotations

import re

import pytest

from support.browser import chromium, watched_page
from support.patience import PATIENCE_S

pytest.importorskip("playwright.sync_api")
pytest.importorskip("sklearn")
from playwright.sync_api import expect


def test_without_webgl_the_page_says_so_and_shows_the_list(address: str) -> None:
    with chromium("--disable-3d-apis") as browser, watched_page(browser, f"{address}/map") as page:
        heading = page.get_by_role("heading", name="This browser cannot draw the map")
        expect(heading).to_be_visible(timeout=1000 * PATIENCE_S)
        expect(page.locator(".stage .notice")).to_contain_text("hardware acceleration")
        expect(page.locator(".view-tools")).to_be_hidden()
        expect(page.locator(".list tbody tr")).to_have_count(6)
        for key in ("ArrowLeft", "+", "s", "Enter", "Escape"):
            page.keyboard.press(key)
        page.locator(".list tbody a").first.click()
        expect(page).to_have_url(re.compile(r"/gallery\?instruction="))
