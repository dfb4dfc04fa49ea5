"""What can be measured of a page's looks: contrast, visible focus, and whether it moved while it loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

_QUESTIONS = Path(__file__).with_suffix(".js").read_text()


def _ask(page: Page, question: str) -> Any:
    return page.evaluate(f"{_QUESTIONS.rstrip().removesuffix(';')}.{question}()")


def assert_readable(page: Page) -> None:
    """Fail where a visible text has less contrast than WCAG 2.2 asks for at level AA: 4.5, or 3 for large text."""
    faint = _ask(page, "faintTexts")
    assert not faint, "\n".join(faint)


def assert_focus_is_seen(page: Page) -> None:
    """Fail where the element that has the focus, or the card that it stands for, has no outline of two pixels."""
    focused = page.evaluate("document.activeElement.outerHTML.slice(0, 120)")
    assert _ask(page, "focusIsSeen"), f"nothing shows that {focused} has the focus"


def assert_nothing_moved(page: Page) -> None:
    """Fail where what was drawn moved while the page loaded: by more than 0.1 of the browser's own measure."""
    moved = _ask(page, "shift")
    assert moved < 0.1, f"the page moved by {moved}"
