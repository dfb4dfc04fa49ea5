"""The review of one run in a browser, as a reviewer whose name the browser knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.browser import served, watched_page
from support.explored_run import Row
from support.patience import wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FIRST, SECOND = Row(4, 0), Row(4, 1)
"""The two rows of image 4."""


@contextmanager
def served_run(run: Path) -> Iterator[str]:
    """Serve the run's explorer; its address."""
    from mminstruct.web.explore.app import run_app
    from mminstruct.web.explore.library import RunExplorer
    from mminstruct.web.explore.safety import Guard

    with served(run_app(RunExplorer(str(run)), Guard())) as address:
        yield address


@contextmanager
def reviewer(browser: Browser, address: str, name: str = "Ada", **more: Any) -> Iterator[Page]:
    """Open a page that knows the reviewer's name; `more` goes to `watched_page`."""
    with watched_page(browser, f"{address}/static/icon.svg", **more) as page:
        page.evaluate("name => localStorage.setItem('mminstruct-reviewer', name)", name)
        yield page


def all_saved(page: Page) -> None:
    """Wait until the server has every decision: those that it has not are in the browser's storage."""
    unsent = "Object.keys(localStorage).some((key) => key.startsWith('mminstruct-review:'))"
    wait_for(lambda: not page.evaluate(unsent))
