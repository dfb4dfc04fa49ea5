"""The page as text: whole, small enough, alone, and with other people's text as text."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from mminstruct.rows import Reason
from mminstruct.web.report.contents import RunReport
from mminstruct.web.report.figures.words import words_of
from mminstruct.web.report.page import as_json, render_benchmark, render_run
from support.hostile_report import hostile
from support.html_page import HtmlPage
from support.sample_report import sample_report

_SCRIPT = re.compile(r"<script\b[^>]*>.*?</script>", re.DOTALL)


def without_scripts(html: str) -> str:
    return _SCRIPT.sub("", html)


@pytest.fixture(scope="module")
def html(run_report: RunReport) -> str:
    return render_run(run_report)


def test_it_is_whole_and_under_fifteen_megabytes(html: str) -> None:
    page = HtmlPage(without_scripts(html))
    assert len(html.encode()) < 15_000_000
    targets = {attrs["href"] for tag, attrs in page.tags if tag == "a" and attrs["href"].startswith("#")}
    assert targets <= page.anchors
    assert {"#what", "#flow", "#map", "#match", "#lengths", "#kinds", "#samples", "#rejects"} <= page.anchors


def test_nothing_is_loaded_from_anywhere(html: str) -> None:
    page = HtmlPage(without_scripts(html))
    for tag, attrs in page.tags:
        assert tag not in ("iframe", "object", "embed", "base", "form")
        if "src" in attrs:
            assert attrs["src"].startswith("data:image/webp;base64,")
        if tag == "link":
            assert attrs["href"] == "data:,"
    (policy,) = [attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policy.split("style-src")[0]


def test_figures_stand_where_the_page_has_places_for_them(html: str) -> None:
    page = HtmlPage(without_scripts(html))
    places = [attrs["data-figure"] for tag, attrs in page.tags if tag == "div" and "data-figure" in attrs]
    data = re.findall(r'<script type="application/json" id="data-([a-z0-9_-]+)">(.*?)</script>', html, re.DOTALL)
    assert sorted(places) == sorted(name for name, _ in data)
    for _, text in data:
        figure = json.loads(text)
        assert figure["data"] and "template" not in figure["layout"]


def test_figures_of_the_page_are_those_of_the_run(html: str) -> None:
    page = HtmlPage(without_scripts(html))
    rows = {row[0]: row for row in reversed(page.rows) if row}
    assert rows["images"][1:4] == ["7", "6", "1"]
    assert "5 samples of visual instruction data and 1 question held out for a benchmark" in page.text
    assert "the most used tenth of the instructions (1 of 3) has 50.0 %" in page.text
    assert "1 image of 6 (16.7 %) got no instruction" in page.text
    assert "This run is not finished" not in page.text


def test_other_peoples_text_is_text(run_report: RunReport) -> None:
    html = render_run(hostile(run_report))
    page = HtmlPage(without_scripts(html))
    tags = [tag for tag, _ in page.tags]
    assert "img" in tags and tags.count("script") == 0
    assert "b" not in {tag for tag, attrs in page.tags if attrs}
    assert "http://evil.test" not in [attrs.get("href") for _, attrs in page.tags]
    assert page.text.count("<img src=x onerror=alert(2)>") > 20
    assert html.count("<script") == html.count("</script>")
    assert "alert(1)</script>" not in html and "<!--<img" not in html
    for text in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', html, re.DOTALL):
        shown = json.dumps(json.loads(text), ensure_ascii=False)
        assert "<script" not in shown and "<img" not in shown and "<a href" not in shown


@pytest.mark.parametrize("text", ["</script>", "<!--", "\u2028", "&lt;", '"', "\\"])
def test_json_ends_no_script_and_comes_back(text: str) -> None:
    written = as_json({"a": [text]})
    assert not set("<>&\u2028") & set(written)
    assert json.loads(written) == {"a": [text]}


def test_every_reason_has_its_words(run_report: RunReport) -> None:
    lines = [replace(run_report.rejects[0], reason=str(reason)) for reason in Reason]
    page = HtmlPage(without_scripts(render_run(replace(run_report, rejects=lines, rejected=[]))))
    cells = [row for row in page.rows if len(row) == 5 and row[0] == "images"]
    assert len(cells) == len(Reason)
    assert all(row[2] for row in cells)


def test_words_of_every_figure_are_there() -> None:
    for figure in ("flow", "stages", "balance", "scores", "lengths", "categories", "verbs", "map", "benchmark"):
        assert all(isinstance(text, str) and text for text in words_of(figure).values())


def test_a_benchmarks_page_is_the_reports_with_figures() -> None:
    report = sample_report()
    html = render_benchmark(report, {})
    page = HtmlPage(without_scripts(html))
    names = re.findall(r'id="data-([a-z0-9_-]+)"', html)
    kinds = ("win-rates", "ratings", "lengths")
    assert sorted(names) == sorted(["position", *(f"{kind}-{judge}" for kind in kinds for judge in (1, 2))])
    assert "Do not rely on the judge hasty-judge" in page.text
    assert {"#models", "#judge-1", "#figures", "#legacy"} <= page.anchors


def test_a_runs_page_with_a_benchmark_has_its_figures(run_report: RunReport) -> None:
    html = render_run(replace(run_report, benchmark=sample_report(judges=("<b>judge</b>",))))
    assert 'id="data-win-rates-1"' in html and "&lt;b&gt;judge" in html
    assert "#benchmark" in HtmlPage(without_scripts(html)).anchors
