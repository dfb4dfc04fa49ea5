"""The gallery and a row's story at both widths, in light and dark, and with the keyboard alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.browser import NARROW, WIDE, assert_fits, watched_page
from support.explored_run import NO_PICTURE
from support.page_looks import assert_focus_is_seen, assert_nothing_moved, assert_readable

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import expect


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_both_widths_and_themes(browser: Browser, address: str, tmp_path: Path, width: int, dark: bool) -> None:
    link = f"{address}/gallery?status=kept&status=rejected&q=gulls"
    with watched_page(browser, link, width=width, dark=dark, refused=NO_PICTURE) as page:
        expect(page.locator(".chip")).to_have_count(3)
        assert_fits(page)
        assert_readable(page)
        page.screenshot(path=tmp_path / "gallery.png")
        page.locator(".cards a").nth(9).click()
        dialog = page.get_by_role("dialog")
        expect(dialog.locator(".story")).to_be_visible()
        dialog.locator("[data-part=prompt] summary").click()
        dialog.get_by_label("Other run", exact=True).select_option("other")
        expect(dialog.locator(".compare table").first).to_be_visible()
        assert_fits(page)
        body = dialog.locator(".body").evaluate("body => [body.scrollWidth, body.clientWidth]")
        assert body[0] <= body[1]
        assert_readable(page)
        page.screenshot(path=tmp_path / "sample.png")
    assert (tmp_path / "gallery.png").stat().st_size > 10_000
    assert (tmp_path / "sample.png").stat().st_size > 10_000


def test_tab_goes_through_everything_and_is_seen(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery?q=zeppelin") as page:
        expect(page.locator(".cards > article")).to_have_count(1)
        expect(page.locator(".chip")).to_have_count(1)  # the filters are there, too
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        expect(page.locator(".skip")).to_be_in_viewport()
        stops = []
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break
            assert_focus_is_seen(page)
            stops.append(
                page.evaluate(
                    "document.activeElement.closest('body > header, .facets, .bar, .chips, .cards')?.className"
                )
            )
        order = [name for index, name in enumerate(stops) if name is not None and name not in stops[:index]]
        assert order == ["", "facets", "bar", "chips", "cards"]


def test_the_keys_are_listed_and_work(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery?status=kept", refused=NO_PICTURE) as page:
        expect(page.locator(".cards > article")).to_have_count(60)
        expect(page.locator(".chip")).to_have_count(1)  # the filters are there, too
        page.keyboard.press("?")
        shown = page.get_by_role("dialog", name="Keys")
        expect(shown).to_contain_text("Next page")
        page.keyboard.press("j")  # is not taken by the page behind
        page.keyboard.press("Escape")
        expect(shown).to_be_hidden()
        page.keyboard.press("f")
        assert page.evaluate("document.activeElement.closest('.filters') !== null")
        page.keyboard.press("ArrowRight")
        cards = page.locator(".cards a")
        expect(cards.first).to_be_focused()
        page.keyboard.press("ArrowRight")
        expect(cards.nth(1)).to_be_focused()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowUp")
        expect(cards.nth(1)).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_contain_text("2 of 60 on this page")
        page.keyboard.press("Escape")
        expect(cards.nth(1)).to_be_focused()
        page.keyboard.press("/")
        page.keyboard.type("j")  # is a letter here
        expect(page.get_by_role("searchbox")).to_have_value("j")


def test_nothing_moves_while_the_page_loads(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/gallery?status=kept", refused=NO_PICTURE) as page:
        expect(page.locator(".cards > article")).to_have_count(60)
        page.wait_for_load_state("networkidle")
        assert_nothing_moved(page)
