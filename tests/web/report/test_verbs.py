"""The rule of thumb for verbs and objects: what it finds, and where it knows that it finds nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mminstruct.web.report.verbs import verb_and_object


@pytest.mark.parametrize(
    ("instruction", "found"),
    [
        ("Write a short story that begins after the moment shown.", ("write", "story")),
        ("Propose three slogans for a brand.", ("propose", "slogan")),
        ("Pitch a radio commercial that lets listeners picture the image.", ("pitch", "commercial")),
        ("Sum up the image in one sentence.", ("sum", "image")),
        ("Please draft an advert, then a slogan.", ("draft", "advert")),
        ("Can you write me a poem?", ("write", "poem")),
        ("Discuss how light guides the eye.", ("discuss", "")),
        ("Plan an afternoon for a family.", ("plan", "afternoon")),
        ("Devise four riddles, each with its solution.", ("devise", "riddle")),
        ("Write two stories about it.", ("write", "story")),
        ("", ("", "")),
        ("42!", ("", "")),
    ],
)
def test_cases(instruction: str, found: tuple[str, str]) -> None:
    assert verb_and_object(instruction) == found


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    verb, noun = verb_and_object(text)
    assert "\n" not in verb + noun
