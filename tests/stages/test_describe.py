"""Descriptions by a model that sees: which images get one, what is no description, what the check decides."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mminstruct.config.describe import DescribeConfig
from mminstruct.llm.chat import Picture, Reply, Request, ScriptedChat
from mminstruct.llm.structured import SAMPLE_STEP, Unreadable
from mminstruct.prompts.template import load_prompt
from mminstruct.rows import Image, Reason, Reject
from mminstruct.stages.describe import CHECK_SCHEMA, describe, read_check, read_description

IMAGE = Image("i1", "coco", "17", "/data/17.jpg", "17.jpg", "A red bus.", ["A red bus."], 8, 8, "JPEG", "ab12")
GOOD = (
    'A red double-decker bus with the number "17" on its front stands at a kerb in the rain. To its left a woman in a '
    "yellow coat holds a green umbrella; behind both, the lit windows of a bakery are blurred by the wet glass."
)
SUPPORTED = '{"unsupported": [], "supported": true}'
PROMPT, CHECK_PROMPT = load_prompt("describe"), load_prompt("check_description")


def is_check(request: Request) -> bool:
    return "response_format" in request.parameters


async def described(image: Image, config: DescribeConfig, *replies: str) -> tuple[Image | Reject, list[Request]]:
    """Return the stage's result, and what was asked; the replies come in the order of the requests."""
    waiting = iter(replies)
    chat = ScriptedChat(lambda request: next(waiting))
    return await describe(image, chat, PROMPT, CHECK_PROMPT, config), chat.requests


class TestWhichImages:
    @pytest.mark.parametrize(
        ("config", "description", "wanted"),
        [
            (DescribeConfig(), "", False),
            (DescribeConfig(when="short"), "", True),
            (DescribeConfig(when="short"), "word " * 19, True),
            (DescribeConfig(when="short"), "word " * 20, False),
            (DescribeConfig(when="short", min_words=3), "a red bus", False),
            (DescribeConfig(when="always"), "word " * 300, True),
        ],
    )
    def test_wants(self, config: DescribeConfig, description: str, wanted: bool) -> None:
        assert config.wants(description) is wanted

    async def test_a_long_caption_stays_and_nothing_is_asked(self) -> None:
        image = replace(IMAGE, description=GOOD)
        assert await described(image, DescribeConfig(when="short")) == (image, [])


class TestWriting:
    async def test_the_model_sees_the_image_and_the_caption(self) -> None:
        config = DescribeConfig(when="short", max_side=512, max_tokens=99)
        image, (request,) = await described(IMAGE, config, f"\n{GOOD}\n")
        assert image == replace(
            IMAGE, description=GOOD, described_by="scripted", request_id=request.request_id("scripted")
        )
        assert request.messages[-1].pictures == (Picture("/data/17.jpg", "ab12", 512),)
        assert "<caption>\nA red bus.\n</caption>" in request.messages[-1].content
        assert request.parameters == {"temperature": 0.4, "max_tokens": 99}

    async def test_without_a_caption_none_is_spoken_of(self) -> None:
        _, (request,) = await described(replace(IMAGE, description=""), DescribeConfig(when="short"), GOOD)
        assert "caption" not in request.messages[-1].content

    async def test_what_is_no_description_is_asked_for_again(self) -> None:
        image, requests = await described(IMAGE, DescribeConfig(when="always"), "", GOOD)
        assert isinstance(image, Image) and image.description == GOOD
        assert [request.sample for request in requests] == [0, SAMPLE_STEP]

    async def test_what_is_no_description_in_the_end_is_a_reject(self) -> None:
        text = "I'm sorry, but I can't see the image you are talking about."
        reject, requests = await described(IMAGE, DescribeConfig(when="always", n_asks=3), text, text, text)
        assert isinstance(reject, Reject) and len(requests) == 3
        assert (reject.row_id, reject.stage, reject.reason) == ("i1", "describe", Reason.CANNOT_SEE)
        assert reject.raw_text == text and reject.request_id == requests[-1].request_id("scripted")
        assert "(3 asks)" in reject.detail

    @pytest.mark.parametrize(
        ("text", "finish_reason", "reason"),
        [
            (" \n", "stop", Reason.EMPTY_DESCRIPTION),
            ("…", "stop", Reason.EMPTY_DESCRIPTION),
            (GOOD, "length", Reason.TRUNCATED_DESCRIPTION),
            ("", "content_filter", Reason.REQUEST_REFUSED),
            ("I'm sorry, but I can't help with that request.", "stop", Reason.REFUSAL),
            ("No image was attached to your message.", "stop", Reason.CANNOT_SEE),
            (GOOD + " A lamp is on the left." * 20, "stop", Reason.REPETITION),
        ],
    )
    def test_what_is_no_description(self, text: str, finish_reason: str, reason: Reason) -> None:
        with pytest.raises(Unreadable) as caught:
            read_description(Reply("r", text, finish_reason, "m", 0, 0))
        assert caught.value.reason is reason and caught.value.detail

    @pytest.mark.parametrize(
        "text",
        [
            GOOD,
            'A poster says "I can\'t see the image" in large red letters above a man who covers his eyes.',
            "A screenshot of a chat window. The reply reads “I'm sorry, but I can't help with that request.”",
            "A blurred photograph of a street; the sign over the door cannot be made out.",
        ],
    )
    def test_what_is_one(self, text: str) -> None:
        assert read_description(Reply("r", text, "stop", "m", 0, 0)) == text


class TestChecking:
    CONFIG = DescribeConfig(check=True)

    async def test_a_given_caption_that_the_image_supports_stays_as_it_is(self) -> None:
        image, (request,) = await described(IMAGE, self.CONFIG, SUPPORTED)
        assert image == replace(IMAGE, check_id=request.request_id("scripted"))
        assert "<description>\nA red bus.\n</description>" in request.messages[-1].content
        assert request.messages[-1].pictures == (Picture("/data/17.jpg", "ab12", 768),)
        assert request.parameters["response_format"]["json_schema"]["schema"] == CHECK_SCHEMA

    async def test_a_written_description_is_checked_in_the_captions_place(self) -> None:
        image, (write, check) = await described(IMAGE, DescribeConfig(when="short", check=True), GOOD, SUPPORTED)
        assert isinstance(image, Image) and image.description == GOOD
        assert (image.request_id, image.check_id) == (write.request_id("scripted"), check.request_id("scripted"))
        assert GOOD in check.messages[-1].content

    async def test_what_the_image_does_not_support_is_a_reject_with_the_description(self) -> None:
        reply = json.dumps({"unsupported": ["a green umbrella", " "], "supported": False})
        reject, requests = await described(IMAGE, DescribeConfig(when="always", check=True), GOOD, reply)
        assert isinstance(reject, Reject) and reject.reason is Reason.UNSUPPORTED_DESCRIPTION
        assert reject.detail == "found 'a green umbrella', expected nothing that the image does not show"
        assert reject.raw_text == GOOD and reject.request_id == requests[-1].request_id("scripted")

    async def test_a_check_that_cannot_be_read_is_no_verdict(self) -> None:
        reject, requests = await described(IMAGE, self.CONFIG, "Looks fine.", "Yes, it is right!")
        assert isinstance(reject, Reject) and reject.reason is Reason.UNREADABLE_REPLY
        assert reject.raw_text == "Yes, it is right!" and len(requests) == 2

    async def test_the_second_reply_may_be_one(self) -> None:
        image, requests = await described(IMAGE, self.CONFIG, "Looks fine.", SUPPORTED)
        assert isinstance(image, Image) and image.check_id == requests[1].request_id("scripted")

    @given(st.lists(st.text()), st.booleans())
    def test_the_verdict_is_the_replys_own_or_none(self, unsupported: list[str], supported: bool) -> None:
        text = json.dumps({"unsupported": unsupported, "supported": supported})
        named = any(statement.strip() for statement in unsupported)
        if supported and named:
            with pytest.raises(Unreadable, match="`supported` true beside"):
                read_check(Reply("r", text, "stop", "m", 0, 0))
        else:
            assert bool(read_check(Reply("r", text, "stop", "m", 0, 0))) is not supported
