"""What is made in a thread: asked for once, made anew when its state changes, and never silent about a failure."""

from __future__ import annotations

import logging
import threading

import pytest

from mminstruct.errors import RunError
from mminstruct.web.explore.background import Background, Told
from support.patience import PATIENCE_S, wait_for


class Work:
    """Work that waits to be let go, and counts how often it was begun."""

    def __init__(self) -> None:
        self.state = "first"
        self.n = 0
        self.error: Exception | None = None
        self.go = threading.Event()
        self.background = Background("work", self.make, lambda: self.state)

    def make(self, told: Told) -> str:
        self.n += 1
        told(0.5)
        assert self.go.wait(PATIENCE_S)
        if self.error:
            raise self.error
        return f"made of {self.state}"

    def finish(self) -> None:
        self.go.set()
        wait_for(lambda: self.background.status()["state"] != "computing")


def test_it_is_begun_once_and_tells_how_far_it_is() -> None:
    work = Work()
    assert work.background.look() is None
    wait_for(lambda: work.background.status()["progress"] == 0.5)
    assert work.background.look() is None
    assert work.background.status() == {"state": "computing", "progress": 0.5, "why": ""}
    work.finish()
    assert work.background.look() == "made of first"
    assert work.background.status() == {"state": "ready", "progress": 1.0, "why": ""}
    assert work.n == 1


def test_the_old_one_is_there_until_the_new_one_is() -> None:
    work = Work()
    work.background.look()
    work.finish()
    work.go.clear()
    work.state = "second"
    assert work.background.look() == "made of first"
    assert work.background.status()["state"] == "ready"
    work.go.set()
    wait_for(lambda: work.background.look() == "made of second")
    assert work.n == 2


def test_an_error_of_the_user_s_is_told_and_tried_again_on_demand() -> None:
    work = Work()
    work.error = RunError("There are no answers yet.")
    work.background.look()
    work.finish()
    assert work.background.status() == {"state": "impossible", "progress": 0.0, "why": "There are no answers yet."}
    assert work.background.look() is None
    assert work.n == 1
    work.error = None
    work.background.look(again=True)
    wait_for(lambda: work.background.status()["state"] == "ready")
    assert work.n == 2


def test_a_bug_is_logged_with_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    work = Work()
    work.error = ZeroDivisionError("a bug")
    with caplog.at_level(logging.ERROR):
        work.background.look()
        work.finish()
    assert "fault of its own" in work.background.status()["why"]
    assert "ZeroDivisionError" in caplog.text
