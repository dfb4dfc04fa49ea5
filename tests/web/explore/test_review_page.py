"""The review in a real browser: by keyboard alone, over reloads and restarts, with a server that fails, with markup."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.browser import NARROW, WIDE, assert_fits, watched_page
from support.explored_run import HOSTILE, NO_PICTURE, Row
from support.review_page import FIRST, SECOND, all_saved, reviewer, served_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("playwright.sync_api")
pytest.importorskip("duckdb")
from playwright.sync_api import expect

from mminstruct.pipeline.decisions import FOLDER, Decision, read_decisions
from mminstruct.pipeline.tables import Folder


@contextmanager
def review(browser: Browser, address: str, refused: tuple[str, ...] = (), **more: Any) -> Iterator[Page]:
    """Open the review of image 4's two rows as Ada."""
    with reviewer(browser, address, refused=(*NO_PICTURE, *refused), **more) as page:
        page.goto(f"{address}/review?image={FIRST.image_id}")
        expect(page.locator(".texts h2")).to_have_text(FIRST.instruction)
        yield page


def standing(run: Path) -> dict[str, Decision]:
    return read_decisions(Folder(str(run))).standing


def test_the_name_is_asked_once_and_a_row_is_kept_by_key(browser: Browser, run: Path) -> None:
    with served_run(run) as address, watched_page(browser, f"{address}/review?image={FIRST.image_id}") as page:
        page.get_by_label("Your name").fill("Ada")
        page.keyboard.press("Enter")
        expect(page.locator(".texts h2")).to_have_text(FIRST.instruction)
        expect(page.locator(".texts .answer")).to_have_text(FIRST.answer())
        expect(page.locator(".done")).to_contain_text("Row 1 of 2")
        page.keyboard.press("k")
        expect(page.locator(".texts h2")).to_have_text(SECOND.instruction)
        expect(page.locator(".done")).to_contain_text("1 decided, 1 left")
        page.keyboard.press("d")
        expect(page.get_by_role("heading", name="All decided")).to_be_visible()
        page.reload()
        expect(page.get_by_role("heading", name="All decided")).to_be_visible()
    found = standing(run)
    assert {row_id: (str(one.decision), one.reviewer) for row_id, one in found.items()} == {
        FIRST.row_id: ("keep", "Ada"),
        SECOND.row_id: ("drop", "Ada"),
    }


def test_a_decision_survives_a_reload_and_a_restart_and_stands_on_the_cards(browser: Browser, run: Path) -> None:
    with served_run(run) as address, review(browser, address) as page:
        page.keyboard.press("d")
        expect(page.locator(".texts h2")).to_have_text(SECOND.instruction)
        page.keyboard.press("ArrowLeft")
        expect(page.locator(".decided")).to_contain_text("Dropped by Ada")
        page.reload()
        expect(page.locator(".texts h2")).to_have_text(FIRST.instruction)
        expect(page.locator(".decided")).to_contain_text("Dropped by Ada")
    with served_run(run) as address, review_at(browser, address, FIRST) as page:
        expect(page.locator(".decided")).to_contain_text("Dropped by Ada")
        page.goto(f"{address}/gallery?image={FIRST.image_id}&decision=drop")
        expect(page.locator(".cards .badge", has_text="drop")).to_be_visible()


@contextmanager
def review_at(browser: Browser, address: str, row: Row) -> Iterator[Page]:
    with reviewer(browser, address, "Bo") as page:
        page.goto(f"{address}/review?image={row.image_id}&at={row.row_id}")
        yield page


def test_an_edit_is_saved_by_key_and_what_is_wrong_is_told(browser: Browser, run: Path) -> None:
    with served_run(run) as address, review(browser, address, refused=("/api/review",)) as page:
        page.keyboard.press("e")
        answer = page.get_by_label("Answer")
        expect(answer).to_be_focused()
        expect(answer).to_have_value(FIRST.answer())
        answer.fill("  ")
        page.keyboard.press("Control+Enter")
        expect(page.locator(".fault")).to_contain_text("The answer is empty")
        answer.fill("An <image> of boats.")
        page.keyboard.press("Control+Enter")
        expect(page.locator(".fault")).to_contain_text("The answer holds <image>")
        answer.fill("Boats, and keys: k, d, u.")
        page.keyboard.press("Escape")  # leaves without saving; what was typed is there again
        expect(page.locator(".texts .answer")).to_have_text(FIRST.answer())
        assert not standing(run)
        page.keyboard.press("e")
        expect(page.get_by_label("Answer")).to_have_value("Boats, and keys: k, d, u.")
        page.keyboard.press("Control+Enter")
        expect(page.locator(".texts h2")).to_have_text(SECOND.instruction)
        page.keyboard.press("ArrowLeft")
        expect(page.locator(".texts > .answer")).to_have_text("Boats, and keys: k, d, u.")
        page.locator(".original summary").click()
        expect(page.locator(".original .text")).to_have_text(FIRST.answer())
    edited = standing(run)[FIRST.row_id]
    assert (edited.answer, edited.instruction) == ("Boats, and keys: k, d, u.", None)


def test_undo_goes_back_to_the_row_and_takes_the_decision_back(browser: Browser, run: Path) -> None:
    with served_run(run) as address, review(browser, address) as page:
        page.keyboard.press("k")
        expect(page.locator(".texts h2")).to_have_text(SECOND.instruction)
        page.keyboard.press("u")
        expect(page.locator(".texts h2")).to_have_text(FIRST.instruction)
        expect(page.locator(".decided")).to_have_count(0)
        expect(page.locator(".done")).to_contain_text("0 decided, 2 left")
        page.keyboard.press("d")
        expect(page.locator(".texts h2")).to_have_text(SECOND.instruction)
        page.reload()
        expect(page.locator(".texts h2")).to_have_text(SECOND.instruction)
        page.keyboard.press("ArrowLeft")
        expect(page.locator(".decided")).to_contain_text("Dropped by Ada")
        page.keyboard.press("u")  # of an earlier visit
        expect(page.locator(".decided")).to_have_count(0)
        all_saved(page)
    assert standing(run) == {}


def test_a_note_goes_with_the_decision(browser: Browser, run: Path) -> None:
    with served_run(run) as address, review(browser, address) as page:
        page.keyboard.press("n")
        page.get_by_label("Note", exact=True).fill("dull")
        page.keyboard.press("Enter")
        expect(page.locator(".note-place")).to_have_text("Note for your decision: dull")
        page.keyboard.press("k")
        expect(page.locator(".texts h2")).to_have_text(SECOND.instruction)
        page.keyboard.press("ArrowLeft")
        expect(page.locator(".decided .note")).to_have_text("dull")
        page.keyboard.press("n")
        page.get_by_label("Note", exact=True).fill("not so dull")
        page.keyboard.press("Enter")
        expect(page.locator(".decided .note")).to_have_text("not so dull")
        all_saved(page)
    assert standing(run)[FIRST.row_id].note == "not so dull"


def test_what_cannot_be_saved_is_shown_kept_and_sent_later(browser: Browser, run: Path) -> None:
    with served_run(run) as address, review(browser, address, refused=("/api/review",)) as page:
        page.route("**/api/review", lambda route: route.fulfill(status=503, body=json.dumps({"error": "Disk full."})))
        page.keyboard.press("k")
        expect(page.locator(".unsaved")).to_contain_text("1 decision is not saved yet. Disk full.")
        expect(page.locator(".texts h2")).to_have_text(SECOND.instruction)
        page.keyboard.press("d")
        expect(page.locator(".unsaved")).to_contain_text("2 decisions are not saved yet.")
        assert standing(run) == {}
        page.reload()  # they outlast the page
        expect(page.locator(".unsaved")).to_contain_text("2 decisions are not saved yet.")
        page.unroute("**/api/review")
        page.evaluate("document.querySelector('.unsaved button')?.click()")  # unless it has tried again by itself
        expect(page.locator(".unsaved")).to_be_empty()
        all_saved(page)
    assert {row_id: str(one.decision) for row_id, one in standing(run).items()} == {
        FIRST.row_id: "keep",
        SECOND.row_id: "drop",
    }


def test_a_decision_whose_answer_was_lost_counts_once(browser: Browser, run: Path) -> None:
    with served_run(run) as address, review(browser, address, refused=("/api/review",)) as page:
        lost: list[Any] = []

        def lose(route: Any) -> None:
            if not lost:
                lost.append(route.fetch())  # the server has it, the page never hears of it
                route.fulfill(status=502, body="gone")
            else:
                route.continue_()

        page.route("**/api/review", lose)
        page.keyboard.press("k")
        expect(page.locator(".unsaved")).to_contain_text("1 decision is not saved yet.")
        expect(page.locator(".unsaved")).to_be_empty()
    (file,) = (run / FOLDER).iterdir()
    assert len(file.read_bytes().splitlines()) == 1


def test_a_decision_that_is_refused_is_told_and_taken_back(browser: Browser, run: Path) -> None:
    with served_run(run) as address, review(browser, address, refused=("/api/review",)) as page:
        why = json.dumps({"error": "The row was made anew since it was shown."})
        page.route("**/api/review", lambda route: route.fulfill(status=422, body=why))
        page.keyboard.press("k")
        expect(page.locator(".unsaved")).to_contain_text("A decision was not taken. The row was made anew")
        page.get_by_role("button", name="Go to the row").click()
        expect(page.locator(".texts h2")).to_have_text(FIRST.instruction)
        expect(page.locator(".decided")).to_have_count(0)
        page.get_by_role("button", name="Dismiss").click()
        expect(page.locator(".unsaved")).to_be_empty()


def test_markup_stays_text(browser: Browser, run: Path) -> None:
    row = Row(0, 0)
    with served_run(run) as address, reviewer(browser, address, HOSTILE[:90]) as page:
        page.goto(f"{address}/review?at={row.row_id}&image={row.image_id}")
        expect(page.locator(".texts h2")).to_contain_text(HOSTILE)
        page.keyboard.press("n")
        page.get_by_label("Note", exact=True).fill(HOSTILE)
        page.keyboard.press("Enter")
        page.keyboard.press("e")
        page.get_by_label("Answer").fill(f"Edited. {HOSTILE}")
        page.keyboard.press("Control+Enter")
        expect(page.locator(".texts h2")).not_to_contain_text("script")
        page.keyboard.press("ArrowLeft")
        expect(page.locator(".texts > .answer")).to_have_text(f"Edited. {HOSTILE}")
        expect(page.locator(".decided .note")).to_have_text(HOSTILE)
        assert page.locator("main script, main img[src=x]").count() == 0


def test_filters_come_from_the_address_and_can_be_taken_away(browser: Browser, run: Path) -> None:
    with served_run(run) as address, review(browser, address) as page:
        page.goto(f"{address}/review?reason=refusal")
        expect(page.locator(".texts .why")).to_contain_text("Rejected by filter")
        expect(page.locator(".done")).to_contain_text("Row 1 of 4")
        page.locator(".chip").click()
        expect(page.locator(".done")).to_contain_text("Row 1 of 76")
        page.goto(f"{address}/review?status=benchmark")
        expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
        page.goto(f"{address}/gallery?category=writing")
        page.get_by_role("link", name="Review these").click()
        expect(page).to_have_url(re.compile(r"/review\?category=writing"))


def test_the_next_row_is_there_before_it_is_asked_for(browser: Browser, run: Path) -> None:
    with served_run(run) as address, review(browser, address) as page:
        page.goto(f"{address}/review?status=kept")
        expect(page.locator(".provenance")).to_be_visible()
        page.wait_for_load_state("networkidle")
        page.route("**/api/**", lambda route: None)  # from here on nothing is answered
        before = page.locator(".texts h2 + .answer").inner_text()
        page.keyboard.press("k")
        expect(page.locator(".texts h2 + .answer")).not_to_have_text(before)
        expect(page.locator(".provenance")).to_be_visible()
        expect(page.locator(".seen h3").first).to_have_text("Description")
        page.unroute_all(behavior="ignoreErrors")


@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize("dark", [False, True])
def test_both_widths_and_themes(browser: Browser, run: Path, width: int, dark: bool) -> None:
    with served_run(run) as address, review(browser, address, width=width, dark=dark) as page:
        assert_fits(page)
        for name in ("Keep the row as it is", "Drop it from the training set", "Edit its texts"):
            expect(page.get_by_role("button", name=name)).to_be_in_viewport()
        page.keyboard.press("e")
        assert_fits(page)
