"""How faults are sorted; and the fault matrix, for real: what became of the rows that a fault hit, and of others."""

from __future__ import annotations

import asyncio
import json
import runpy
import time
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mminstruct.llm.http.faults import (
    AllRefused,
    Broken,
    RowRefused,
    Throttled,
    asked_pause_s,
    duration_s,
    exhausted_for_s,
    refusal,
)
from support.fault_cases import CASES, Answered, Case, Rejected, Stopped, observe_all
from support.fault_run import FAULTY, Observed

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(scope="module")
def observations(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Observed]:
    return asyncio.run(observe_all(tmp_path_factory.mktemp("stores")))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_run_does_what_it_must(case: Case, observations: Mapping[str, Observed]) -> None:
    observed = observations[case.name]
    if isinstance(case.expected, Stopped):
        assert observed.stopped is not None and case.expected.told in observed.stopped
        assert len(observed.replies) < case.n_rows and len(observed.rejects) <= case.expected.n_rejected
    else:
        assert observed.stopped is None
        assert observed.replies.keys() | observed.rejects.keys() == set(range(case.n_rows))
        check_rows(case, observed)
    check_store(case, observed)


def test_the_page_tells_what_the_runs_did(observations: Mapping[str, Observed]) -> None:
    written = runpy.run_path(str(DOCS / "write_faults.py"))
    assert (DOCS / "faults.md").read_text() == written["render"](observations)


def check_rows(case: Case, observed: Observed) -> None:
    for row in range(case.n_rows):
        if row not in FAULTY and not case.hits_all:
            assert observed.n_asked[row] == 1 and observed.replies[row].text
        elif isinstance(case.expected, Rejected):
            failure = observed.rejects[row]
            assert failure.reason is case.expected.reason and case.expected.told in failure.detail
            assert observed.n_asked[row] == case.expected.after
        elif isinstance(case.expected, Answered):
            check_answered(case.expected, row, observed)


def check_answered(expected: Answered, row: int, observed: Observed) -> None:
    reply = observed.replies[row]
    assert reply.finish_reason == expected.finish_reason
    assert reply.text == expected.text if expected.text is not None else reply.text
    assert expected.after is None or observed.n_asked[row] == expected.after
    assert observed.pauses_s.get(row, 0.0) >= expected.pause_s


def check_store(case: Case, observed: Observed) -> None:
    """Check that every reply is stored as it was handed on, whatever came home in a stop as well, and no failure."""
    assert observed.replies.keys() <= observed.stored.keys()
    assert all(observed.stored[row].text == reply.text for row, reply in observed.replies.items())
    assert case.loses_replies or observed.answered <= observed.stored.keys()
    assert observed.n_stored == len(observed.stored) and not observed.stored.keys() & observed.rejects.keys()


class TestRefusal:
    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (301, AllRefused), (307, AllRefused), (400, RowRefused), (401, AllRefused), (402, AllRefused),
            (403, AllRefused), (404, AllRefused), (405, AllRefused), (408, Broken), (409, Broken), (413, RowRefused),
            (418, RowRefused), (422, RowRefused), (425, Broken), (429, Throttled), (500, Broken), (502, Broken),
            (503, Throttled), (504, Broken), (524, Broken), (529, Throttled), (599, Broken),
        ],
    )  # fmt: skip
    def test_a_status_has_its_kind(self, status: int, kind: type[Exception]) -> None:
        assert type(refusal(status, b"", {})) is kind

    @pytest.mark.parametrize("status", [400, 429, 500, 503])
    @pytest.mark.parametrize("field", ["code", "type"])
    def test_a_code_that_concerns_all_goes_before_the_status(self, status: int, field: str) -> None:
        fault = refusal(status, json.dumps({"error": {"message": "pay", field: "insufficient_quota"}}).encode(), {})
        assert type(fault) is AllRefused and fault.detail == f"HTTP {status}: pay"

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            ('{"error": {"message": "too long"}}', "too long"),  # OpenAI
            ('{"object": "error", "message": "too long", "code": 400}', "too long"),  # vLLM, once
            ('{"detail": "too long"}', "too long"),  # FastAPI
            ('{"error": "too long"}', "too long"),  # Ollama
            ('["too long"]', "['too long']"),
            ("too long", "too long"),
            ("<html>" + 400 * "x", "<html>" + 294 * "x"),
            ('{"error": {"message": null}}', '{"error": {"message": null}}'),
            ("", ""),
        ],
    )
    def test_the_detail_is_what_the_endpoint_says(self, body: str, told: str) -> None:
        assert refusal(400, body.encode(), {}).detail == f"HTTP 400: {told}"

    @given(st.integers(300, 599).filter(lambda status: status != 200), st.binary() | st.text().map(str.encode))
    def test_no_body_does_worse_than_be_quoted(self, status: int, body: bytes) -> None:
        fault = refusal(status, body, {})
        assert fault.detail.startswith(f"HTTP {status}: ") and len(fault.detail) < 600

    def test_a_body_that_is_nested_without_end_is_quoted_too(self) -> None:
        assert type(refusal(502, b"[" * 100_000, {})) is Broken


class TestAskedPause:
    @pytest.mark.parametrize(
        ("headers", "pause_s"),
        [
            ({}, None),
            ({"retry-after": "7"}, 7.0),
            ({"retry-after": "0.5"}, 0.5),
            ({"retry-after": "-7"}, 0.0),
            ({"retry-after": "soon"}, None),
            ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
            ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
            ({"retry-after": "Wed, 21 Oct 2015 07:28:00 +99999999999999999999"}, None),
        ],
    )
    def test_what_is_asked_for(self, headers: dict[str, str], pause_s: float | None) -> None:
        assert asked_pause_s(headers) == pause_s

    def test_an_http_date(self) -> None:
        asked = asked_pause_s({"retry-after": formatdate(time.time() + 1000, usegmt=True)})
        assert asked is not None and 900 < asked <= 1000

    @given(st.text() | st.floats().map(str) | st.datetimes().map(lambda date: date.strftime("%a, %d %b %Y %T GMT")))
    def test_no_header_does_worse_than_be_ignored(self, value: str) -> None:
        asked = asked_pause_s({"retry-after": value})
        assert asked is None or asked >= 0

    def test_a_429_without_it_keeps_to_the_reset_of_its_limit(self) -> None:
        limit = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "7.5s"}
        fault = refusal(429, b"", limit)
        assert isinstance(fault, Throttled) and fault.pause_s == 7.5
        fault = refusal(429, b"", {**limit, "retry-after": "3"})
        assert isinstance(fault, Throttled) and fault.pause_s == 3
        fault = refusal(429, b"", {"retry-after": "0"})
        assert isinstance(fault, Throttled) and fault.pause_s is None


class TestExhausted:
    @pytest.mark.parametrize(
        ("headers", "pause_s"),
        [
            ({}, 0.0),
            ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "9s"}, 0.0),
            ({"x-ratelimit-remaining-requests": "0"}, 0.0),
            ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "9s"}, 9.0),
            ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1700000000"}, 60.0),  # a date
            ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "24h"}, 60.0),
        ],
    )
    def test_for_how_long(self, headers: dict[str, str], pause_s: float) -> None:
        assert exhausted_for_s(headers) == pause_s

    @given(st.text() | st.floats().map(str))
    def test_no_duration_does_worse_than_be_none(self, text: str) -> None:
        assert duration_s(text) >= 0

    @given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
    def test_a_duration_is_the_sum_of_its_parts(self, hours: int, minutes: int, seconds: int, millis: int) -> None:
        text = f"{hours}h{minutes}m{seconds}s{millis}ms"
        assert duration_s(text) == pytest.approx(3600 * hours + 60 * minutes + seconds + millis / 1000)
