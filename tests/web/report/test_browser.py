"""The page in Chromium, from disk: no request, no error, no sideways scrolling, light and dark, and text as text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mminstruct.web.report.contents import RunReport
from mminstruct.web.report.page import render_benchmark, render_run
from support.browser import NARROW, WIDE, assert_fits, chromium, watched_page
from support.hostile_report import MARK, hostile
from support.sample_report import sample_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_DRAWN_MS = 60_000  # on a machine that has much else to do


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def pages(run_report: RunReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    (folder / "run.html").write_text(render_run(run_report), encoding="utf-8")
    (folder / "hostile.html").write_text(render_run(hostile(run_report)), encoding="utf-8")
    (folder / "benchmark.html").write_text(render_benchmark(sample_report(), {}), encoding="utf-8")
    return folder


def drawn(page: Page) -> None:
    """Wait for all figures, and check that nothing was asked for but the file itself and pictures inside of it."""
    page.wait_for_selector("html[data-drawn]", timeout=_DRAWN_MS)
    names = page.evaluate("performance.getEntriesByType('resource').map((each) => each.name)")
    assert [name for name in names if not name.startswith("data:")] == []


@pytest.mark.parametrize("name", ["run", "benchmark"])
@pytest.mark.parametrize(("width", "dark"), [(WIDE, False), (NARROW, True)])
def test_it_opens_from_disk(browser: Browser, pages: Path, name: str, width: int, dark: bool) -> None:
    with watched_page(browser, (pages / f"{name}.html").as_uri(), width=width, dark=dark) as page:
        drawn(page)
        assert_fits(page)
        places = page.evaluate(
            "[...document.querySelectorAll('[data-figure]')].map((place) => place.querySelectorAll('svg').length)"
        )
        assert places and all(places)


def test_pictures_show(browser: Browser, pages: Path) -> None:
    with watched_page(browser, (pages / "run.html").as_uri()) as page:
        drawn(page)
        widths = page.evaluate(
            "Promise.all([...document.images].map((image) => (image.loading = 'eager', image.decode()"
            ".then(() => image.naturalWidth))))"
        )
        assert widths and all(width == 40 for width in widths)


def test_colours_follow_the_page(browser: Browser, pages: Path) -> None:
    with watched_page(browser, (pages / "run.html").as_uri()) as page:
        drawn(page)
        bar = page.locator('[data-figure="stages"] .bars path').first
        light = bar.evaluate("(path) => getComputedStyle(path).fill")
        page.emulate_media(color_scheme="dark")
        page.wait_for_function(
            "(light) => getComputedStyle(document.querySelector('[data-figure=\"stages\"] .bars path')).fill !== light",
            arg=light,
        )


def test_text_of_others_is_only_text(browser: Browser, pages: Path) -> None:
    with watched_page(browser, (pages / "hostile.html").as_uri()) as page:  # which fails on any dialog or error
        drawn(page)
        assert page.evaluate('document.querySelectorAll(\'img[src="x"], main a[href*="evil"]\').length') == 0
        names = page.locator('[data-figure="categories"] .ytick text').all_text_contents()
        assert any("<b>" in name or "</script>" in name for name in names)
        page.locator('[data-figure="balance"] .bars .point').first.hover(
            force=True
        )  # an invisible area over it takes the pointer
        told = page.locator('[data-figure="balance"] .hoverlayer')
        told.locator("text").first.wait_for()
        assert MARK in told.text_content().replace("\n", "")
        assert told.locator("a").count() == 0
