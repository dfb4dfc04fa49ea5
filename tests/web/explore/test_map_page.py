"""The map in a real browser: both maps are drawn, the lasso leads to the gallery, and the keyboard alone is enough."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from support.browser import NARROW, WIDE, assert_fits, held_back, hold, watched_page
from support.explored_run import NO_PICTURE, ROWS
from support.patience import PATIENCE_S, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("playwright.sync_api")
pytest.importorskip("sklearn")
from playwright.sync_api import expect

_LAID_OUT_MS = 1000 * PATIENCE_S  # a map is made on the first look
_PAINTED = """() => {
    const canvas = document.querySelector(".stage canvas");
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    let painted = 0;
    for (let at = 3; at < data.length; at += 4) painted += data[at] > 0;
    return painted;
}"""


def drawn(page: Page, which: str) -> None:
    """Wait until the map is drawn."""
    expect(page.locator(f".stage[data-drawn={which}]")).to_be_visible(timeout=_LAID_OUT_MS)
    expect(page.locator(".stage > .notice")).to_be_hidden()


def n_painted(page: Page) -> int:
    """Return how many pixels of the canvas show anything."""
    return int(page.evaluate(_PAINTED))


def lasso_all(page: Page) -> None:
    """Draw around the whole stage with the mouse."""
    box = page.locator(".stage canvas").bounding_box()
    assert box
    left, top, right, bottom = box["x"] + 4, box["y"] + 4, box["x"] + box["width"] - 4, box["y"] + box["height"] - 4
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom), (left, top + 20)):
        page.mouse.move(x, y, steps=25)
    page.mouse.up()


def test_the_lasso_leads_to_the_gallery(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/map", refused=NO_PICTURE) as page:
        drawn(page, "samples")
        assert n_painted(page) > 80
        expect(page.locator(".total")).to_have_text(f"{len(ROWS)} answers")
        page.get_by_role("button", name="Lasso").click()
        expect(page.get_by_role("button", name="Lasso")).to_have_attribute("aria-pressed", "true")
        lasso_all(page)
        expect(page.locator(".chosen .acts strong")).to_have_text(f"{len(ROWS)} chosen")
        expect(page.locator(".chosen .picture")).to_have_count(16)
        page.get_by_role("button", name="Show in the gallery").click()
        expect(page).to_have_url(re.compile(r"/gallery\?selection=[0-9a-f]+$"))
        expect(page.locator(".total")).to_have_text(f"{len(ROWS)} of 81 rows")


def test_the_legend_switches_points_off(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/map?colour=status") as page:
        drawn(page, "samples")
        all_painted = n_painted(page)
        page.locator(".legend li", has_text="Kept").get_by_role("checkbox").uncheck()
        n_rejected = len([row for row in ROWS if row.rank == 1 and row.number % 5 == 0])
        expect(page.locator(".total")).to_have_text(f"{n_rejected + 4} answers")  # and benchmark and held out
        page.wait_for_function(f"before => ({_PAINTED})() < before", arg=all_painted)
        page.get_by_role("button", name="Show all").click()
        expect(page.locator(".total")).to_have_text(f"{len(ROWS)} answers")


def test_a_number_has_a_range_for_a_legend(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/map") as page:
        drawn(page, "samples")
        page.get_by_label("Colour by").select_option("score")
        expect(page.get_by_role("img", name=re.compile(r"Match score from 0\.\d\d to 0\.\d\d"))).to_be_visible()
        expect(page).to_have_url(re.compile(r"colour=score$"))
        page.reload()
        drawn(page, "samples")
        expect(page.get_by_label("Colour by")).to_have_value("score")


def test_the_keyboard_alone_opens_a_row_and_chooses(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/map", refused=NO_PICTURE) as page:
        drawn(page, "samples")
        page.locator(".stage canvas").focus()
        page.keyboard.press("ArrowRight")
        expect(page.locator(".tip")).to_be_visible()
        for key in ("+", "-", "ArrowLeft", "0"):
            page.keyboard.press(key)
        page.keyboard.press("s")
        expect(page.locator(".chosen .acts strong")).to_have_text(f"{len(ROWS)} chosen")
        page.keyboard.press("Escape")
        expect(page.locator(".chosen")).to_be_hidden()
        page.keyboard.press("Enter")
        expect(page.locator("dialog.sample .story")).to_be_visible(timeout=_LAID_OUT_MS)
        page.keyboard.press("Escape")
        expect(page.locator("dialog.sample")).to_be_hidden()


def test_keys_that_come_within_one_frame_mean_what_is_asked_then(browser: Browser, address: str) -> None:
    press = (
        "keys => keys.forEach(key => document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true})))"
    )
    with watched_page(browser, f"{address}/map", refused=NO_PICTURE) as page:
        drawn(page, "samples")
        page.evaluate(press, ["+", "+", "+", "s"])
        expect(page.locator(".chosen .acts strong")).to_have_text(re.compile(r"^\d+ chosen"))
        n_near = int((page.locator(".chosen .acts strong").text_content() or "").split()[0])
        assert 0 < n_near < len(ROWS) / 2
        page.evaluate(press, ["0", "s"])
        expect(page.locator(".chosen .acts strong")).to_have_text(f"{len(ROWS)} chosen")


def test_keys_in_the_frame_after_a_resize_mean_the_new_window(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/map?map=instructions", width=1200) as page:
        drawn(page, "instructions")
        for _ in range(4):
            page.keyboard.press("+")
        page.keyboard.press("s")
        page.evaluate(
            """() => new Promise((watching) => {
              window.counts = [];
              const tell = () => {
                document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "s", bubbles: true }));
                window.counts.push(document.querySelector(".chosen:not([hidden]) .acts strong")?.textContent ?? "none");
              };
              // After the page's own observer, which sets the new size, and then when its frame has been drawn.
              let n = 0; // of what the observer says: it begins with the size as it is
              const frame = () => new Promise(requestAnimationFrame);
              const look = () => (n++ ? (tell(), frame().then(frame).then(frame).then(tell)) : watching());
              new ResizeObserver(look).observe(document.querySelector(".stage"));
            })"""
        )
        page.set_viewport_size({"width": 480, "height": 1000})
        wait_for(lambda: page.evaluate("window.counts.length") >= 2)
        at_once, later = page.evaluate("window.counts.slice(0, 2)")
        assert at_once == later


def test_two_colours_within_one_frame_end_with_the_second(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/map") as page:
        drawn(page, "samples")
        page.get_by_label("Colour by").evaluate(
            """select => ["score", "status"].forEach(colour => {
              select.value = colour;
              select.dispatchEvent(new Event("change"));
            })"""
        )
        expect(page.get_by_label("Colour by")).to_have_value("status")
        expect(page.locator(".legend li", has_text="Kept")).to_be_visible()
        expect(page).to_have_url(re.compile("colour=status"))
        page.evaluate("new Promise(go => requestAnimationFrame(() => requestAnimationFrame(go)))")


def test_a_map_that_is_on_its_way_takes_clicks_and_keys_without_a_fault(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/map", refused=NO_PICTURE) as page:
        drawn(page, "samples")
        held = hold(page, "**/api/map/instructions")
        with page.expect_request("**/api/map/instructions"):
            page.keyboard.press("m")
        page.evaluate("history.pushState(null, '', '?map=instructions&colour=kind'), 0")
        page.get_by_role("tab").nth(1).click()  # takes the colour away again
        for key in ("+", "s", "Enter", "ArrowLeft"):
            page.keyboard.press(key)
        expect(page.locator(".stage[data-drawn]")).to_have_count(0)
        held_back(page, held).continue_()
        drawn(page, "instructions")


def test_instructions_tell_what_they_became(browser: Browser, address: str) -> None:
    with watched_page(browser, f"{address}/map") as page:
        drawn(page, "samples")
        page.keyboard.press("m")
        drawn(page, "instructions")
        expect(page).to_have_url(re.compile(r"map=instructions"))
        expect(page.locator(".total")).to_have_text("46 instructions")
        expect(page.locator(".legend li")).to_have_count(6)
        page.keyboard.press("s")
        expect(page.locator(".chosen .acts strong")).to_have_text("46 chosen")
        assert "instruction=" in (page.locator(".chosen a").get_attribute("href") or "")
        page.get_by_text("Clusters as a list").click()
        expect(page.locator(".list tbody tr")).to_have_count(6)
        page.locator(".list tbody a").first.click()
        expect(page).to_have_url(re.compile(r"/gallery\?instruction="))


@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_in_any_window(browser: Browser, address: str, width: int, dark: bool) -> None:
    with watched_page(browser, f"{address}/map?map=instructions", width=width, dark=dark) as page:
        drawn(page, "instructions")
        assert_fits(page)
        page.set_viewport_size({"width": NARROW + WIDE - width, "height": 700})
        assert_fits(page)
        page.keyboard.press("s")
        expect(page.locator(".chosen .acts strong")).to_have_text("46 chosen")
