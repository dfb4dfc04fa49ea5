"""The page in Chromium, from disk: no request, no error, no sideways scrolling, light and dark, and text as text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def opened(browser: Browser, file: Path, width: int = WIDE, dark: bool = False) -> Iterator[Page]:
    """Open a page with all its figures; it must have asked for nothing but the pictures inside of it."""
    with watched_page(browser, "about:blank", width=width, dark=dark) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-drawn]")
        yield page
        assert {url for url in asked if not url.startswith("data:")} == {file.as_uri()}


@pytest.mark.parametrize("name", ["run", "benchmark"])
@pytest.mark.parametrize(("width", "dark"), [(WIDE, False), (NARROW, True)])
def test_it_opens_from_disk(browser: Browser, pages: Path, name: str, width: int, dark: bool) -> None:
    with opened(browser, pages / f"{name}.html", width=width, dark=dark) as page:
        assert_fits(page)
        places = page.evaluate(
            "[...document.querySelectorAll('[data-figure]')].map((place) => place.querySelectorAll('svg').length)"
        )
        assert places and all(places)


def test_pictures_show(browser: Browser, pages: Path) -> None:
    with opened(browser, pages / "run.html") as page:
        widths = page.evaluate(
            "Promise.all([...document.images].map((image) => (image.loading = 'eager', image.decode()"
            ".then(() => image.naturalWidth))))"
        )
        assert widths and all(width == 40 for width in widths)


def test_colours_follow_the_page(browser: Browser, pages: Path) -> None:
    with opened(browser, pages / "run.html") as page:
        bar = page.locator('[data-figure="stages"] .bars path').first
        light = bar.evaluate("(path) => getComputedStyle(path).fill")
        page.emulate_media(color_scheme="dark")
        page.wait_for_function(
            "(light) => getComputedStyle(document.querySelector('[data-figure=\"stages\"] .bars path')).fill !== light",
            arg=light,
        )


def test_text_of_others_is_only_text(browser: Browser, pages: Path) -> None:
    with opened(browser, pages / "hostile.html") as page:  # which fails on any dialog or error
        assert page.evaluate('document.querySelectorAll(\'img[src="x"], main a[href*="evil"]\').length') == 0
        names = page.locator('[data-figure="categories"] .ytick text').all_text_contents()
        assert any("<b>" in name or "</script>" in name for name in names)
        bar = page.locator('[data-figure="balance"] .bars .point').first
        bar.hover(force=True)  # an invisible area over it takes the pointer
        told = page.locator('[data-figure="balance"] .hoverlayer')
        told.locator("text").first.wait_for()
        assert MARK in (told.text_content() or "")
        assert told.locator("a").count() == 0
