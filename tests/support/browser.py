"""Debian's Chromium, driven through Playwright: a page that fails its test on any error in the console.

Playwright's synchronous interface keeps an event loop running in this thread while a browser is open. So what needs
`asyncio.run` (making a run, say) must be done before, or in another thread; the explorer itself runs in a thread.
`page.wait_for_function` is not for the explorer's pages: it needs `unsafe-eval`, which their policy refuses.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Response, Route
    from starlette.applications import Starlette

CHROMIUM = Path("/usr/bin/chromium")
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 120_000  # of every wait; a busy machine is no fault of a page
NARROW, WIDE = 390, 1600
"""Widths in CSS pixels at which every view must work."""


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    """Serve an explorer's app on a free port in a thread; its address, without a slash at the end."""
    import uvicorn

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server ended before it served"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """Start Chromium, with more arguments where given; skip the test where there is none, or no Playwright."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}")
    playwright.expect.set_options(timeout=PATIENCE_MS)
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=str(CHROMIUM), args=[*_ARGUMENTS, *arguments], timeout=PATIENCE_MS
        )
        yield browser
        browser.close()


@dataclass
class Errors:
    """What went wrong on a page: errors and warnings of the console, exceptions, answers of 400 and above."""

    found: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()
    """Parts of addresses that may be refused; Chromium writes each refusal to the console as well."""

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"exception: {error}"))
        page.on("response", self._refused)
        page.on("dialog", self._dialog)

    def _console(self, message: ConsoleMessage) -> None:
        address = message.location.get("url", "")
        if "GL Driver Message (OpenGL, Performance" in message.text:
            return  # without a GPU, Chromium's own drawing says so of itself
        if message.type in ("error", "warning") and not self._is_expected(address):
            self.found.append(f"{message.type}: {message.text} ({address})")

    def _refused(self, response: Response) -> None:
        if response.status >= 400 and not self._is_expected(response.url):
            self.found.append(f"{response.status}: {response.url}")

    def _dialog(self, dialog: Dialog) -> None:
        self.found.append(f"a script ran: {dialog.message}")
        dialog.dismiss()

    def _is_expected(self, address: str) -> bool:
        return any(part in address for part in self.expected)


@contextmanager
def watched_page(
    browser: Browser,
    address: str,
    *,
    width: int = WIDE,
    height: int = 1000,
    dark: bool = False,
    refused: tuple[str, ...] = (),
) -> Iterator[Page]:
    """Open `address` and fail on any error that the page had by the end; `refused` names what the server may refuse."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    # Chromium needs a moment to begin to intercept: the first route of a test would come too late for the next key.
    page.route("**/intercepted-from-the-start", lambda route: route.abort())
    errors = Errors(expected=refused)
    errors.watch(page)
    try:
        page.goto(address)
        yield page
        assert not errors.found, "\n".join(errors.found)
    finally:
        context.close()


def assert_fits(page: Page) -> None:
    """Fail where the page can be scrolled sideways."""
    widths = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert widths[0] <= widths[1], f"the page is {widths[0]} pixels wide in a window of {widths[1]}"


def hold(page: Page, requests: str, first_only: bool = False) -> list[Route]:
    """Let the requests of this address wait until the test lets them go on; they are in the list once they are made."""
    held: list[Route] = []

    def take(route: Route) -> None:
        if first_only and held:
            route.continue_()
        else:
            held.append(route)

    page.route(requests, take)
    return held


def held_back(page: Page, routes: list[Route]) -> Route:
    """Return the last request that a test holds back, once there is one: the page may ask a moment later."""
    while not routes:
        page.wait_for_timeout(10)  # in which Playwright hands it over
    return routes[-1]
