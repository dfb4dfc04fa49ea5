"""The pages of a benchmark in a real browser: figures, both orders, votes without names, markup that stays text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from mminstruct.bench.folder import Benchmark, load_benchmark
from mminstruct.bench.report.formats import decimal, percent
from mminstruct.bench.report.writing import write_report
from mminstruct.bench.trust.votes import load_votes
from support.browser import NARROW, WIDE, assert_fits, watched_page
from support.judged_benchmark import INJECTION, MODELS
from support.patience import PATIENCE_S

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("playwright.sync_api")
pytest.importorskip("evalica")
from playwright.sync_api import expect

BROKEN = ("/thumb/q2", "/picture/q2")
"""Its file is no sound image: the page shows a placeholder with the reason, and Chromium logs the refusal."""
N_PAIRS = 18


def interval(low: float | None, high: float | None) -> str:
    """Return a rating's interval as the report's page writes it."""
    ends = [None if end is None else decimal(end, 0) for end in (low, high)]
    if None not in ends:
        return " to ".join(end or "" for end in ends)
    return f"{ends[0]} and up" if ends[0] else "–" if ends[1] is None else f"up to {ends[1]}"


def assert_no_markup(page: Page) -> None:
    """No element came of what a model wrote; that no script ran, `watched_page` sees."""
    expect(page.locator("main script, main img[src='x'], main b:text-is('bold'), main [onerror]")).to_have_count(0)


def enter_arena(page: Page, name: str = "anna") -> None:
    page.get_by_label("Your name").fill(name)
    page.keyboard.press("Enter")
    expect(page.locator(".answer")).to_have_count(2)


def wait_for_figures(page: Page) -> None:
    """Wait until the leaderboard is computed: bootstrap rounds, after the first import of what does them."""
    expect(page.locator("main.leaderboard h1")).to_be_visible(timeout=1000 * PATIENCE_S)


def headings(page: Page) -> list[str]:
    return page.locator(".answer h2").all_inner_texts()


class TestLeaderboard:
    def test_figures_are_those_of_the_report(self, browser: Browser, address: str, benchmark: Benchmark) -> None:
        write_report(load_benchmark(benchmark.path))
        report = json.loads((benchmark.path / "report.json").read_text())
        with watched_page(browser, f"{address}/leaderboard?judge=hasty") as page:
            wait_for_figures(page)
            expect(page.locator(".ranks tbody tr")).to_have_count(3)
            ratings = sorted(
                (each for each in report["ratings"] if each["judge"] == "hasty"), key=lambda r: -r["rating"]
            )
            for row, rating in zip(page.locator(".ranks tbody tr").all(), ratings, strict=True):
                expect(row.locator("th")).to_have_text(rating["model"])
                expect(row.locator("[data-label=Rating]")).to_have_text(decimal(rating["rating"], 0))
                ends = interval(rating["ci_low"], rating["ci_high"])
                expect(row.locator("[data-label='95 % interval']")).to_have_text(ends)
            places = [float(each[:-1]) for each in page.locator(".ranks circle").evaluate_all(_ACROSS)]
            assert places == sorted(places, reverse=True)
            pairs = [pair for pair in report["pairs"] if pair["judge"] == "hasty"]
            for row, pair in zip(page.locator(".pairs tbody tr").all(), pairs, strict=True):
                expect(row.locator("th a")).to_have_text(pair["model_a"])
                expect(row.locator("[data-label='Win rate'] b")).to_have_text(percent(pair["win_rate"]))
                expect(row.locator("[data-label='Length-controlled'] b")).to_have_text(
                    percent(pair["length_controlled"])
                )
                expect(row.locator("[data-label='Position consistency']")).to_have_text(
                    percent(pair["position_consistency"])
                )
            judge = next(each for each in report["judges"] if each["judge"] == "hasty")
            expect(page.locator(".doubts li")).to_have_text(judge["warnings"])

    def test_another_judge_and_the_way_to_its_questions(self, browser: Browser, address: str) -> None:
        with watched_page(browser, f"{address}/leaderboard", refused=BROKEN) as page:
            wait_for_figures(page)
            page.locator("#judge").select_option("hasty")
            expect(page.locator(".doubts h2")).to_have_text("Judge hasty")
            assert page.url.endswith("judge=hasty")
            page.locator(".matrix tbody a").first.click()
            expect(page.locator("#filter-judge")).to_have_value("hasty")
            expect(page.locator("#filter-model")).to_have_value(MODELS[0])


_PLACES = "found => found.map(each => each.getBoundingClientRect()).map(box => [box.x, box.y])"
_ACROSS = "circles => circles.map(circle => circle.getAttribute('cx'))"


class TestQuestions:
    def test_filters_stand_in_the_address_and_survive_a_reload(self, browser: Browser, address: str) -> None:
        with watched_page(browser, f"{address}/questions", refused=BROKEN) as page:
            expect(page.locator(".list > li")).to_have_count(6)
            page.get_by_label("Category").select_option("poems")
            expect(page.locator(".list > li")).to_have_count(3)
            page.get_by_role("searchbox").fill('"caption 4"')
            expect(page.locator(".list > li")).to_have_count(1)
            page.reload()
            expect(page.locator(".total")).to_contain_text("1 of 6 questions")
            expect(page.get_by_role("searchbox")).to_have_value('"caption 4"')
            page.get_by_role("button", name="Clear the filters").click()
            expect(page.locator(".list > li")).to_have_count(6)

    def test_both_orders_stand_side_by_side(self, browser: Browser, address: str, benchmark: Benchmark) -> None:
        with watched_page(
            browser, f"{address}/questions?id=q3&model={MODELS[2]}&against={MODELS[0]}", refused=BROKEN
        ) as page:
            expect(page.locator(".contest .answer h3 bdi")).to_have_text([MODELS[2], MODELS[0]])
            orders = page.locator(".judgment", has_text="careful").locator(".order")
            expect(orders.locator("h4")).to_have_text([f"{MODELS[2]} shown first", f"{MODELS[0]} shown first"])
            rows = [row for row in benchmark.judgments() if row.judge == "careful" and row.question_id == "q3"]
            replies = [
                next(r.reply for r in rows if (r.model_a, r.model_b) == pair)
                for pair in ((MODELS[2], MODELS[0]), (MODELS[0], MODELS[2]))
            ]
            expect(orders.locator("pre")).to_have_text(replies)
            left, right = orders.evaluate_all(_PLACES)  # at one time: a picture above may still come
            assert left[1] == right[1]
            assert left[0] < right[0]

    def test_with_keys_alone(self, browser: Browser, address: str) -> None:
        with watched_page(browser, f"{address}/questions", refused=BROKEN) as page:
            expect(page.locator(".list > li")).to_have_count(6)
            page.keyboard.press("j")
            expect(page.locator(".story .badge").first).to_have_text("Question q0")
            page.keyboard.press("j")
            expect(page.locator(".story .badge").first).to_have_text("Question q1")
            page.keyboard.press("k")
            expect(page.locator(".list > li[aria-current]")).to_have_attribute("data-id", "q0")
            expect(page.locator(".story .badge").first).to_have_text("Question q0")
            before = page.locator(".contest .answer h3 bdi").all_inner_texts()
            page.keyboard.press("p")
            expect(page.locator(".contest .answer h3 bdi")).not_to_have_text(before)
            page.keyboard.press("Escape")
            expect(page.locator(".story")).to_contain_text("Choose a question")

    def test_markup_is_text(self, browser: Browser, address: str) -> None:
        with watched_page(browser, f"{address}/questions?id=q0&q=<b>bold</b>", refused=BROKEN) as page:
            expect(page.locator(".contest .answer p").first).to_contain_text(INJECTION)
            expect(page.locator(".asked")).to_contain_text("Caption 0 <i>slanted</i>.")
            assert_no_markup(page)

    def test_images_that_are_missing_or_broken_say_so(self, browser: Browser, address: str) -> None:
        with watched_page(browser, f"{address}/questions?id=q1", refused=BROKEN) as page:
            expect(page.locator(".asked")).to_contain_text("The image 1.png is not in the benchmark")
            page.keyboard.press("j")
            expect(page.locator(".asked .picture.broken")).to_contain_text("cut short")
            page.keyboard.press("j")
            expect(page.locator(".asked .picture.loaded img")).to_be_visible()

    def test_a_narrow_page_shows_list_or_question(self, browser: Browser, address: str) -> None:
        with watched_page(browser, f"{address}/questions", width=NARROW, refused=BROKEN) as page:
            page.locator(".list a").nth(3).click()
            expect(page.locator(".list")).to_be_hidden()
            expect(page.locator(".judgment").first).to_be_visible()
            assert_fits(page)
            page.get_by_role("button", name="All questions").click()
            expect(page.locator(".list")).to_be_visible()


class TestArena:
    def test_a_vote_by_key_shows_the_names_and_lasts(
        self, browser: Browser, address: str, benchmark: Benchmark
    ) -> None:
        with watched_page(browser, f"{address}/arena", refused=BROKEN) as page:
            enter_arena(page)
            assert headings(page) == ["Answer A", "Answer B"]
            assert not any(model in page.content() for model in MODELS)
            page.keyboard.press("ArrowLeft")
            expect(page.locator(".answer.left.chosen .badge")).to_have_text("Your vote")
            assert all(page.locator(f".answer.{side} h2 bdi").inner_text() in MODELS for side in ("left", "right"))
            expect(page.locator(".status .done")).to_contain_text(f"1 of {N_PAIRS}")
            assert load_votes(load_benchmark(benchmark.path)).n == 1  # on disk when the page says so
            page.reload()
            expect(page.locator(".status .done")).to_contain_text(f"1 of {N_PAIRS}")
            expect(page.locator(".status .who")).to_contain_text("anna")
            assert headings(page) == ["Answer A", "Answer B"]

    def test_undo_takes_it_back(self, browser: Browser, address: str, benchmark: Benchmark) -> None:
        with watched_page(browser, f"{address}/arena", refused=BROKEN) as page:
            enter_arena(page)
            answers = page.locator(".answer .text").all_inner_texts()
            page.keyboard.press("=")
            expect(page.locator(".answer .badge")).to_have_text(["Tie", "Tie"])
            page.keyboard.press("u")
            expect(page.locator(".answer h2")).to_have_text(["Answer A", "Answer B"])
            expect(page.locator(".answer .text")).to_have_text(answers)
            expect(page.locator(".status .done")).to_contain_text(f"0 of {N_PAIRS}")
            assert load_votes(load_benchmark(benchmark.path)).n == 0

    def test_all_by_keyboard_to_the_end(self, browser: Browser, address: str, benchmark: Benchmark) -> None:
        with watched_page(browser, f"{address}/arena", refused=BROKEN) as page:
            enter_arena(page)
            page.keyboard.press("s")
            expect(page.locator("#announcement")).to_contain_text("Skipped")
            page.get_by_label("Go on at once").check()
            for number in range(N_PAIRS):
                page.keyboard.press(["ArrowLeft", "ArrowRight", "=", "b"][number % 4])
                expect(page.locator(".status .done")).to_contain_text(f"{number + 1} of {N_PAIRS}")
            expect(page.locator(".pair")).to_contain_text("All pairs are voted on")
            votes = load_votes(load_benchmark(benchmark.path))
            assert (votes.n, votes.n_both_bad) == (N_PAIRS, 4)

    def test_of_two_windows_the_first_vote_stands(self, browser: Browser, address: str, benchmark: Benchmark) -> None:
        with (
            watched_page(browser, f"{address}/arena", refused=(*BROKEN, "/api/arena/vote")) as page,
            watched_page(browser, f"{address}/arena", refused=BROKEN) as other,
        ):
            enter_arena(page)
            enter_arena(other)
            other.keyboard.press("ArrowRight")
            expect(other.locator(".answer.right.chosen")).to_be_visible()
            page.keyboard.press("ArrowLeft")
            expect(page.locator("#announcement")).to_contain_text("That vote stands")
            expect(page.locator(".status .done")).to_contain_text(f"1 of {N_PAIRS}")
            assert headings(page) == ["Answer A", "Answer B"]
            assert load_votes(load_benchmark(benchmark.path)).n == 1

    def test_a_name_that_is_none_is_asked_for_again(self, browser: Browser, address: str) -> None:
        with watched_page(browser, f"{address}/arena", refused=(*BROKEN, "/api/arena/next")) as page:
            page.get_by_label("Your name").fill("=cmd()")
            page.keyboard.press("Enter")
            expect(page.get_by_role("alert")).to_contain_text("begins with a letter or a digit")
            page.get_by_role("button", name="Try again").click()
            enter_arena(page, "Zoë")

    def test_markup_is_text(self, browser: Browser, address: str, benchmark: Benchmark) -> None:
        benchmark.write_questions(load_benchmark(benchmark.path).questions[:1])
        with watched_page(browser, f"{address}/arena") as page:
            enter_arena(page, "<b>bold</b>"[3:7] + " <b>bold</b>")
            for answer in page.locator(".answer .text").all():
                expect(answer).to_contain_text(INJECTION)
            page.keyboard.press("ArrowRight")
            expect(page.locator(".answer.right.chosen")).to_be_visible()
            assert_no_markup(page)

    def test_a_server_that_is_gone_keeps_the_pair(self, browser: Browser, address: str) -> None:
        with watched_page(browser, f"{address}/arena", refused=(*BROKEN, "/api/arena/vote")) as page:
            enter_arena(page)
            page.route("**/api/arena/vote", lambda route: route.abort())
            page.keyboard.press("ArrowLeft")
            expect(page.get_by_role("alert")).to_contain_text("does not answer")
            page.unroute("**/api/arena/vote")
            page.get_by_role("button", name="Try again").click()
            page.keyboard.press("ArrowLeft")
            expect(page.locator(".answer.chosen")).to_be_visible()


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_every_view_fits_in_light_and_dark(browser: Browser, address: str, width: int) -> None:
    for dark in (False, True):
        with watched_page(browser, f"{address}/leaderboard", width=width, dark=dark, refused=BROKEN) as page:
            wait_for_figures(page)
            expect(page.locator(".pairs tbody tr")).to_have_count(3)
            assert_fits(page)
            page.goto(f"{address}/questions?id=q2")
            expect(page.locator(".judgment")).to_have_count(2)
            assert_fits(page)
            page.goto(f"{address}/arena")
            enter_arena(page)
            assert_fits(page)
            page.keyboard.press("ArrowRight")
            expect(page.locator(".answer.right.chosen")).to_be_visible()
            assert_fits(page)
