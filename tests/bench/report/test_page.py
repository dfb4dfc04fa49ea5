"""The report's page, read back with a strict parser."""

from __future__ import annotations

import re
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mminstruct.bench.report.contents import Breakdown, QuestionVerdicts, Report
from mminstruct.bench.report.formats import count, decimal, percent
from mminstruct.bench.report.page import render_page, write_page
from support.html_page import HtmlPage
from support.sample_report import MODELS, sample_report

STYLE = Path(__file__).parents[3] / "src/mminstruct/bench/report/templates/style.css"
EMPTY = Report("b", "0", 0, 0, 0, [], [], [], [], [], [], [])


def changed(value: Any, kind: type, change: Any) -> Any:
    """Return a copy of a report in which every value of a type is changed, at any depth."""
    if isinstance(value, kind):
        return change(value)
    if is_dataclass(value) and not isinstance(value, type):
        return type(value)(**{each.name: changed(getattr(value, each.name), kind, change) for each in fields(value)})
    if isinstance(value, list):
        return [changed(each, kind, change) for each in value]
    if isinstance(value, dict):  # its keys are names in `answers`, and ours in `verdicts`
        ours = {"judge", "model_a", "model_b", "verdict", "letters"}
        return {key if key in ours else changed(key, kind, change): changed(value[key], kind, change) for key in value}
    return value


def strings(value: Any) -> set[str]:
    """Return every text that a report holds."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        return set().union(*map(strings, value.values()), set())
    return set().union(*map(strings, value), set()) if isinstance(value, list) else set()


@pytest.mark.parametrize(
    "report",
    [
        EMPTY,
        sample_report(),
        sample_report(MODELS[:2], ("one",)),
        sample_report([f"model-{n}" for n in range(20)], ("one",), 40),
        replace(sample_report(), pairs=[], ratings=[], most_different=[], disagreements=[]),
    ],
    ids=["empty", "two judges", "two models", "twenty models", "nothing judged"],
)
def test_the_page_is_well_formed_and_its_links_lead_somewhere(report: Report) -> None:
    page = HtmlPage(render_page(report))
    links = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
    assert links <= page.anchors
    assert {"#models", "#agreement", "#breakdown", "#questions", "#legacy", "#reading"} <= links


def test_it_needs_no_network_and_no_script() -> None:
    page = HtmlPage(render_page(sample_report(), {"0.jpg": b"\xff\xd8 jpeg"}))
    assert not {"script", "iframe", "object", "base", "form"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("data:", "#"))
    policies = [each["content"] for tag, each in page.tags if each.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    css = STYLE.read_text()
    assert "url(" not in css and "@import" not in css and "@font-face" not in css


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' autofocus onfocus='alert(1)",
        "</style></title></table></details><h1>",
        "{{ 7 * 7 }}{% raw %}",
        "&lt;b&gt; &amp; ]]> <!--",
        "\u202eright to left\u202c \x00 \ud800",
    ],
)
def test_hostile_text_is_only_text(hostile: str, tmp_path: Path) -> None:
    report = sample_report()
    ordinary = HtmlPage(render_page(report))
    evil = changed(report, str, lambda text: f"{text} {hostile}" if text not in ("win", "loss", "") else text)
    write_page(evil, tmp_path / "report.html")
    page = HtmlPage((tmp_path / "report.html").read_text(encoding="utf-8"))
    # `sees`, traps and repeats are worded by their names, so words differ; elements and attributes do not.
    assert [(tag, sorted(each)) for tag, each in page.tags] == [(tag, sorted(each)) for tag, each in ordinary.tags]
    shown = " ".join(hostile.replace("\ud800", "?").split())
    assert page.text.count(shown) > 200


def test_every_text_of_the_report_is_shown() -> None:
    report = sample_report()
    text = HtmlPage(render_page(report)).text
    worded = {"win", "loss", "image", "caption", ""}
    images = {each.image for each in [*report.most_different, *report.disagreements]}
    for each in strings(asdict(report)) - worded - images:
        assert " ".join(each.split()) in text


class TestFigures:
    report = sample_report()
    page = HtmlPage(render_page(report))

    def row(self, *cells: str) -> None:
        assert list(cells) in self.page.rows, cells

    def test_of_pairs(self) -> None:
        for pair in self.report.pairs:
            name = f"{pair.model_a} against {pair.model_b}"
            counts = [pair.wins, pair.losses, pair.ties, pair.inconsistent, pair.unreadable]
            p = {0.0131: "p = 0.013", 0.00004: "p < 0.001", 0.61: "p = 0.610"}[pair.p_value or 0]
            self.row(
                name,
                f"{percent(pair.win_rate)} {percent(pair.ci_low)} to {percent(pair.ci_high)}",
                "",
                f"{percent(pair.length_controlled)} {percent(pair.length_controlled_low)} to "
                f"{percent(pair.length_controlled_high)}",
                *map(str, counts),
                p,
                f"{decimal(pair.mean_words_a, 1)} {decimal(pair.mean_words_b, 1)}",
            )
            self.row(
                name,
                *map(str, [pair.n_questions, pair.half_ties, pair.settled_by_rule, pair.not_judged]),
                percent(pair.win_rate_inconsistent_as_half),
                percent(pair.position_consistency),
                percent(pair.first_position_preference),
            )
            legacy = [pair.legacy.win, pair.legacy.loss, pair.legacy.tie, pair.legacy.dropped]
            self.row(name, pair.judge, *map(str, [*legacy, *counts]))

    def test_of_breakdowns(self) -> None:
        def cells(row: Breakdown) -> list[str]:
            interval = "" if row.ci_low is None else f" {percent(row.ci_low)} to {percent(row.ci_high)}"
            counts = [row.wins, row.losses, row.ties, row.inconsistent, row.unreadable]
            return [row.name, percent(row.win_rate) + interval, *map(str, counts)]

        for pair in self.report.pairs:
            for row in [*pair.by_category, *pair.by_instruction]:
                self.row(*cells(row))

    def test_of_judges(self) -> None:
        self.row("Position consistency", "31.4 27.0 to 36.2", "")
        self.row("First-position preference", "84.4 81.0 to 88.0", "")
        assert "It gave 1,188 replies; 117 of them could not be read." in self.page.text
        for judge in self.report.judges:
            for trap in judge.traps:
                rows = [row for row in self.page.rows if row[0].startswith(f"{trap.kind} ")]
                rate = f"{percent(trap.error_rate)} {percent(trap.ci_low)} to {percent(trap.ci_high)}"
                assert [str(trap.n), str(trap.errors), rate, ""] in [row[1:] for row in rows]
        self.row(
            "hasty-judge", "human votes", "60", "7", "41", "78.0 66.0 to 87.0", "", "0.41 0.22 to 0.58",
            "−0.03 −0.20 to 0.14",
        )  # fmt: skip
        self.row(
            "hasty-judge", "itself, asked again", "60", "7", "41", "78.0 66.0 to 87.0", "", "0.41 0.22 to 0.58",
            "−0.03 −0.20 to 0.14",
        )  # fmt: skip

    def test_of_models_and_ratings(self) -> None:
        self.row("Plover-13B", "35", "1", "1", "1", "1", "83.6")
        self.row("Heron-34B", "1 to 2", "1,120 1,080 to 1,158", "", "90")

    def test_of_the_matrix(self) -> None:
        pair = self.report.pairs[0]
        assert pair.win_rate and pair.ci_low and pair.ci_high
        mine = f"{percent(pair.win_rate)} {percent(pair.ci_low)} to {percent(pair.ci_high)}"
        theirs = f"{percent(1 - pair.win_rate)} {percent(1 - pair.ci_high)} to {percent(1 - pair.ci_low)}"
        rows = [row for row in self.page.rows if len(row) == len(MODELS) + 1 and row[0] in MODELS]
        assert rows[0][:3] == [pair.model_a, "–", mine]
        assert rows[1][:3] == [pair.model_b, theirs, "–"]

    def test_of_questions(self) -> None:
        for question in self.report.disagreements:
            for verdict in question.verdicts:
                better = {"win": verdict["model_a"], "loss": verdict["model_b"]}.get(verdict["verdict"])
                said = verdict["verdict"] if better is None else f"{better} is better"
                name = f"{verdict['judge']} {verdict['model_a']} against {verdict['model_b']}"
                self.row(name, said, verdict["letters"])


def test_a_figure_that_is_not_there_is_a_dash() -> None:
    def without(value: Any) -> Any:
        if is_dataclass(value) and not isinstance(value, type):
            named = {each.name: (each.type, getattr(value, each.name)) for each in fields(value)}
            gone = "float | None"
            return type(value)(**{name: None if kind == gone else without(of) for name, (kind, of) in named.items()})
        return [without(each) for each in value] if isinstance(value, list) else value

    report = without(sample_report())
    assert report.pairs[0].win_rate is report.judges[0].position_consistency is report.ratings[0].ci_low is None
    html = render_page(report)
    page = HtmlPage(html)
    assert "None" not in html and "nan" not in page.text.split()
    for pair in report.pairs:
        counts = [pair.wins, pair.losses, pair.ties, pair.inconsistent, pair.unreadable]
        words = f"{decimal(pair.mean_words_a, 1)} {decimal(pair.mean_words_b, 1)}"
        name = f"{pair.model_a} against {pair.model_b}"
        assert [name, "–", "", "–", *map(str, counts), "–", words] in page.rows
    assert ["Heron-34B", "1 to 2", "1,120 –", "", "90"] in page.rows
    assert ["Position consistency", "–", ""] in page.rows
    assert ["hasty-judge", "human votes", "60", "7", "41", "–", "", "–", "–"] in page.rows


def test_warnings_stand_before_any_figure_of_their_judge() -> None:
    report = sample_report()
    text = HtmlPage(render_page(report)).text
    warning = report.judges[1].warnings[0]
    assert text.index("Do not rely on the judge hasty-judge") < text.index(warning) < text.index("Win rates")
    assert "Do not rely on the judge careful-judge" not in text
    assert "Judge hasty-judge Not to be relied on: 1 reason is at the top of this page." in text


def test_notes_come_before_the_first_table() -> None:
    report = sample_report()
    page = HtmlPage(render_page(report))
    assert page.text.index(report.notes[0]) < page.text.index("mean words")


def test_a_judge_without_traps_is_said_to_be_untried() -> None:
    report = sample_report()
    report = replace(report, judges=[replace(judge, traps=[]) for judge in report.judges])
    assert HtmlPage(render_page(report)).text.count("has not been tried on trap pairs") == 2


def test_a_rating_with_one_end() -> None:
    report = sample_report()
    best, *others = report.ratings
    ratings = [replace(best, ci_high=None), *(replace(each, ci_low=None) for each in others)]
    rows = HtmlPage(render_page(replace(report, ratings=ratings))).rows
    assert ["Heron-34B", "1 to 2", "1,120 1,080 and up", "", "90"] in rows
    assert ["Plover-13B", "1 to 3", "1,064 up to 1,102", "", "90"] in rows


def test_groups_that_no_comparison_joins_are_told_apart() -> None:
    report = sample_report(judges=("one",))
    ratings = [replace(each, group=n // 2) for n, each in enumerate(report.ratings)]
    page = HtmlPage(render_page(replace(report, ratings=ratings)))
    assert "their ratings cannot be compared" in page.text
    assert "the mean of its win rates over its opponents" in page.text  # not its rating
    assert ["Heron-34B", "1", "1 to 2", "1,120 1,080 to 1,158", "", "90"] in page.rows
    assert ["Wren-2B", "2", "3 to 4", "954 914 to 992", "", "90"] in page.rows


def question(answer: str = "A boat.", image: str = "a/b.jpg") -> Report:
    asked = QuestionVerdicts("7", image, "Describe it.", "why", {"m": answer})
    return replace(EMPTY, most_different=[asked])


def test_a_picture_is_inside_the_page() -> None:
    page = HtmlPage(render_page(question(), {"a/b.jpg": b"\xff\xd8\xff"}))
    assert [each["src"] for tag, each in page.tags if tag == "img"] == ["data:image/jpeg;base64,/9j/"]


def test_a_picture_that_is_not_there_is_named() -> None:
    page = HtmlPage(render_page(question()))
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert "Image a/b.jpg , which is not at hand." in page.text


def test_an_answer_without_end_is_cut_and_counted() -> None:
    html = render_page(question("word " * 100_000))
    assert len(html) < 60_000
    assert "497,000 more characters" in HtmlPage(html).text


def test_an_empty_answer_is_called_so() -> None:
    assert "m (empty)" in HtmlPage(render_page(question(" \n"))).text


def test_breakdowns_that_would_swell_the_page_are_counted() -> None:
    report = sample_report([f"model-{n}" for n in range(20)], ("one",), 167)
    html = render_page(report)
    assert len(html) < 800_000
    n_shown = len(re.findall(r"<details><summary><bdi>model", html))
    assert 0 < n_shown < 190
    assert f"The breakdown of {190 - n_shown} further pairs" in HtmlPage(html).text


def test_a_long_table_keeps_its_head_in_a_box_of_its_own() -> None:
    few = HtmlPage(render_page(sample_report()))
    many = HtmlPage(render_page(sample_report([f"model-{n}" for n in range(8)], ("one",))))
    assert ("box long", "0") not in [(each.get("class"), each.get("tabindex")) for _, each in few.tags]
    assert ("box long", "0") in [(each.get("class"), each.get("tabindex")) for _, each in many.tags]


def test_a_failed_page_leaves_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    write_page(EMPTY, file)
    before = file.read_bytes()
    with pytest.raises(KeyError):  # a pair of a judge that the report does not have
        write_page(replace(sample_report(), judges=[]), file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


@settings(max_examples=25)
@given(st.text(), st.text())
def test_any_answer_and_instruction_can_be_shown(answer: str, instruction: str) -> None:
    asked = QuestionVerdicts("1", "", instruction, "", {"m": answer})
    HtmlPage(render_page(replace(EMPTY, most_different=[asked])))


def test_text_stands_out_from_its_ground_in_light_and_dark() -> None:
    """WCAG 2.2, success criterion 1.4.3: contrast of at least 4.5 to 1."""
    light, dark = STYLE.read_text().split("prefers-color-scheme: dark", 1)
    for css in (light, dark):
        colours = dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]{6})", css))
        colours |= dict(re.findall(r"--(warn-page): (#[0-9a-f]{6})", css))
        grounds = {f"s{step}" for step in range(11)}
        pairs = {("ink", ground) for ground in grounds} | {("ink", "page"), ("soft", "page"), ("accent", "page")}
        for text, ground in pairs | {("warn", "page"), ("warn", "warn-page"), ("ink", "warn-page")}:
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_counts_are_set_apart_in_thousands() -> None:
    page = HtmlPage(render_page(replace(EMPTY, n_questions=12345, n_instructions=1)))
    assert f"{count(12345)} questions (1 instruction, 0 images at hand)" in page.text
