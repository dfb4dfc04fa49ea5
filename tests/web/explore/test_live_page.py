"""The live view in a real browser: a run that really goes on, its end, what a hidden page asks, markup, both widths."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.browser import NARROW, WIDE, assert_fits, served, watched_page
from support.explored_run import HOSTILE, Row
from support.going_run import going_run
from support.patience import PATIENCE_S

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("playwright.sync_api")
pytest.importorskip("duckdb")
from playwright.sync_api import expect

from mminstruct.pipeline.lock import locked
from mminstruct.web.explore.app import run_app
from mminstruct.web.explore.library import RunExplorer
from mminstruct.web.explore.safety import Guard

COMES_MS = 1000 * PATIENCE_S


@contextmanager
def served_run(run: Path) -> Iterator[str]:
    with served(run_app(RunExplorer(str(run)), Guard())) as address:
        yield address


def test_rows_come_in_as_they_are_answered_and_a_kill_is_told(browser: Browser, tmp_path: Path) -> None:
    with going_run(tmp_path, between_answers_s=2.5) as run:
        run.wait_for(lambda: (run.folder / "04_matches" / "part-00000.parquet").exists())
        with served_run(run.folder) as address, watched_page(browser, f"{address}/live") as page:
            expect(page.locator(".state .badge")).to_have_text("Running")
            answers = page.locator(".stage-table tr", has_text="answer")
            expect(answers).to_have_class("running", timeout=COMES_MS)
            newest = page.locator(".newest-list").first.locator("li")
            expect(newest.nth(1).locator(".answer")).not_to_be_empty(timeout=COMES_MS)
            first = newest.first.locator(".answer").inner_text()
            expect(newest.first.locator(".answer")).not_to_have_text(first, timeout=COMES_MS)
            expect(newest.locator(".answer", has_text=first).first).to_be_visible()  # it has moved down
            assert newest.first.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
            expect(answers.locator(".rows span")).to_contain_text("of 48")
            expect(page.locator(".figures-now")).to_contain_text("rows/")
            expect(page.locator(".cost tbody tr", has_text="answer")).to_contain_text("teller")
            run.kill()
            expect(page.locator(".state .badge")).to_have_text("Ended without a word", timeout=COMES_MS)
            expect(page.locator(".state")).to_contain_text("mminstruct run CONFIG")
            expect(answers.locator(".rows span")).to_have_text("unfinished")


@pytest.fixture
def run(run: Path) -> Path:
    """The copy says that it is answering; hostile texts are its newest."""
    now, row = time.time(), Row(4, 0)
    answer = {"row": "Answer", "answer_id": "x", "image_id": row.image_id, "instruction_id": row.instruction_id}
    progress = {
        "stage": "answer",
        "n_rows": 120,
        "n_done": 60,
        "n_rejected": 1,
        "started_at": now - 60,
        "written_at": now,
        "points": [(now - 60, 0, 0), (now - 30, 20, 2000), (now, 60, 6000)],
        "usage": {"requests": 60, "cached": 3, "retries": 0, "prompt_tokens": 900, "completion_tokens": 6000},
        "newest": [{**answer, "answer": HOSTILE}],
        "newest_rejects": [{"row": "Reject", "row_id": "y", "reason": HOSTILE, "detail": HOSTILE, "raw_text": HOSTILE}],
    }
    (run / "progress.json").write_text(json.dumps(progress))
    return run


def test_markup_stays_text(browser: Browser, run: Path) -> None:
    with locked(str(run)), served_run(run) as address, watched_page(browser, f"{address}/live") as page:
        expect(page.locator(".newest .answer").first).to_have_text(HOSTILE)
        expect(page.locator(".newest_rejects h3").first).to_have_text(HOSTILE)
        assert page.locator("main script, main img[src=x]").count() == 0


def test_a_hidden_page_asks_nothing(browser: Browser, run: Path) -> None:
    with locked(str(run)), served_run(run) as address, watched_page(browser, f"{address}/live") as page:
        expect(page.locator(".newest .answer").first).to_be_visible()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "/api/live" in request.url else None)
        hide = "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
        hide += " document.dispatchEvent(new Event('visibilitychange')); }"
        page.wait_for_timeout(500)
        page.evaluate(hide, True)
        page.wait_for_timeout(300)  # what was on its way
        asked.clear()
        page.wait_for_timeout(4500)
        assert asked == []
        with page.expect_request("**/api/live"):
            page.evaluate(hide, False)


def test_what_has_not_changed_is_not_drawn_again(browser: Browser, run: Path) -> None:
    with locked(str(run)), served_run(run) as address, watched_page(browser, f"{address}/live") as page:
        expect(page.locator(".newest .answer").first).to_be_visible()
        page.evaluate("for (const part of document.querySelectorAll('li, .cost table')) part.dataset.mark = 'old'")
        with page.expect_response("**/api/live"):
            pass
        with page.expect_response("**/api/live"):
            pass
        assert page.locator("main li:not([data-mark])").count() == 0


def test_a_server_that_is_gone_is_told(browser: Browser, run: Path) -> None:
    refused = ("/api/live",)
    with served_run(run) as address, watched_page(browser, f"{address}/live", refused=refused) as page:
        expect(page.locator(".state .badge")).to_be_visible()
        page.route("**/api/live", lambda route: route.abort())
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        expect(page.get_by_role("alert")).to_contain_text("does not answer")
        page.unroute("**/api/live")
        page.evaluate("document.querySelector('[role=alert] button')?.click()")  # unless it has tried again by itself
        expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize("dark", [False, True])
def test_both_widths_and_themes(browser: Browser, run: Path, width: int, dark: bool) -> None:
    with (
        locked(str(run)),
        served_run(run) as address,
        watched_page(browser, f"{address}/live", width=width, dark=dark) as page,
    ):
        expect(page.locator(".newest .answer").first).to_be_visible()
        assert_fits(page)
