"""Structured output: what is read, what is not, what is asked for again, and what an endpoint without it is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mminstruct.llm.chat import Message, Picture, Reply, Request, ScriptedChat
from mminstruct.llm.structured import (
    SAMPLE_STEP,
    StillUnreadable,
    Unreadable,
    ask_structured,
    json_schema,
    read_json,
    without_schema,
)
from mminstruct.rows import Reason

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "unsupported": {"type": "array", "items": {"type": "string"}},
        "supported": {"type": "boolean", "description": "whether the list is empty"},
        "grade": {"type": "string", "enum": ["good", "bad"]},
        "size": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
        "share": {"type": "number"},
    },
    "required": ["unsupported", "supported"],
}
VALID = st.fixed_dictionaries(
    {"unsupported": st.lists(st.text()), "supported": st.booleans()},
    optional={
        "grade": st.sampled_from(["good", "bad"]),
        "size": st.fixed_dictionaries({"n": st.integers()}),
        "share": st.floats(allow_nan=False, allow_infinity=False),
    },
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
WORDS = st.text().filter(lambda text: "{" not in text)
GOOD = {"unsupported": [], "supported": True}


class TestReadJson:
    @given(VALID, WORDS, WORDS, st.booleans(), st.sampled_from([None, 2]))
    def test_one_object_is_read_whatever_words_stand_around_it(
        self, values: dict[str, Any], before: str, after: str, ascii_only: bool, indent: int | None
    ) -> None:
        text = json.dumps(values, ensure_ascii=ascii_only, indent=indent)
        assert read_json(text, SCHEMA) == values
        assert read_json(f"{before}{text}{after}", SCHEMA) == values
        assert read_json(f"```json\n{text}\n```", SCHEMA) == values

    @given(VALID, st.data())
    def test_an_object_that_was_cut_off_is_never_read(self, values: dict[str, Any], data: st.DataObject) -> None:
        text = json.dumps(values)
        end = data.draw(st.integers(0, len(text) - 1))
        with pytest.raises(Unreadable):
            read_json(text[:end], SCHEMA)

    @given(VALID, VALID)
    def test_two_objects_are_never_read(self, first: dict[str, Any], second: dict[str, Any]) -> None:
        with pytest.raises(Unreadable):
            read_json(f"{json.dumps(first)}\n{json.dumps(second)}", SCHEMA)

    @given(st.dictionaries(st.sampled_from(list(SCHEMA["properties"])), JSON_VALUES))
    def test_what_is_read_fits_the_schema_and_all_else_is_unreadable(self, values: dict[str, Any]) -> None:
        try:
            found = read_json(json.dumps(values), SCHEMA)
        except Unreadable:
            return
        assert set(found) >= {"unsupported", "supported"} and set(found) == set(values)
        assert all(type(item) is str for item in found["unsupported"]) and type(found["supported"]) is bool
        assert found.get("grade", "good") in ("good", "bad") and type(found.get("share", 0)) in (int, float)
        assert type(found.get("size", {"n": 1})["n"]) is int

    @given(st.text() | JSON_VALUES.map(json.dumps))
    def test_no_text_does_worse_than_be_unreadable(self, text: str) -> None:
        try:
            found = read_json(text, SCHEMA)
        except Unreadable as fault:
            assert fault.detail.encode()
        else:
            assert json.dumps(found, ensure_ascii=False).encode()

    @given(st.dictionaries(st.text().filter(lambda key: key not in SCHEMA["properties"]), JSON_VALUES))
    def test_keys_that_nobody_asked_for_are_dropped(self, extra: dict[str, Any]) -> None:
        assume("NaN" not in (text := json.dumps({**extra, **GOOD})) and "Infinity" not in text)
        assert read_json(text, SCHEMA) == GOOD

    @pytest.mark.parametrize(
        ("text", "detail"),
        [
            ("", "found no JSON object, but ''"),
            ("The description is right.", "found no JSON object, but 'The description is right.'"),
            ('["a", true]', "found no JSON object"),
            ("{'supported': True}", "found no readable JSON object"),
            ('{"supported": true}', "the object: the key 'unsupported' is missing"),
            ('{"supported": "yes", "unsupported": []}', """'supported': found '"yes"'; expected true or false"""),
            ('{"supported": 1, "unsupported": []}', "'supported': found '1'; expected true or false"),
            ('{"supported": true, "unsupported": "none"}', "'unsupported': found '\"none\"'; expected a list"),
            ('{"supported": true, "unsupported": ["a", 3]}', "'unsupported', item 2: found '3'; expected text"),
            ('{"supported": true, "unsupported": ["\\ud83d"]}', "'unsupported', item 1: found"),
            ('{"supported": true, "supported": false, "unsupported": []}', "the key 'supported' comes twice"),
            ('{"supported": true, "unsupported": [], "share": NaN}', "NaN is not JSON"),
            ('{"supported": true, "unsupported": [], "share": 1e999}', "'share': found 'Infinity'; expected a number"),
            ('{"supported": true, "unsupported": [], "share": true}', "'share': found 'true'; expected a number"),
            ('{"supported": true, "unsupported": [], "size": {}}', "'size': the key 'n' is missing"),
            ('{"supported": true, "unsupported": [], "size": {"n": 1.5}}', "'n': found '1.5'; expected a whole number"),
            ('{"supported": true, "unsupported": [], "grade": "ok"}', """expected one of "good", "bad\""""),
            ('{"supported": true, "unsupported": []} or {}?', "found something after the JSON object: 'or {}?'"),
            ("{" * 100_000, "found no readable JSON object"),
            ('{"a":' * 100_000, "found no readable JSON object"),
        ],
    )  # fmt: skip
    def test_the_detail_says_what_is_wrong(self, text: str, detail: str) -> None:
        with pytest.raises(Unreadable) as caught:
            read_json(text, SCHEMA)
        assert detail in caught.value.detail and len(caught.value.detail) < 300
        assert caught.value.reason is Reason.UNREADABLE_REPLY


class TestAskStructured:
    async def ask(self, texts: list[str], n_asks: int) -> tuple[ScriptedChat, tuple[dict[str, Any], Reply]]:
        replies = iter(texts)
        chat = ScriptedChat(lambda request: next(replies))
        request = Request((Message("user", "Is it so?"),), sample=7)
        return chat, await ask_structured(chat, request, lambda reply: read_json(reply.text, SCHEMA), n_asks)

    async def test_a_readable_reply_is_asked_for_once(self) -> None:
        chat, (found, reply) = await self.ask([json.dumps(GOOD)], 3)
        assert found == GOOD and reply.text == json.dumps(GOOD)
        assert [request.sample for request in chat.requests] == [7]

    async def test_an_unreadable_one_is_asked_for_again_under_numbers_of_its_own(self) -> None:
        chat, (found, reply) = await self.ask(["yes", "certainly", json.dumps(GOOD)], 3)
        assert found == GOOD and reply.text == json.dumps(GOOD)
        assert [request.sample for request in chat.requests] == [7, 7 + SAMPLE_STEP, 7 + 2 * SAMPLE_STEP]
        assert len({request.request_id("m") for request in chat.requests}) == 3

    async def test_after_the_last_ask_the_last_reply_is_told(self) -> None:
        with pytest.raises(StillUnreadable) as caught:
            await self.ask(["yes", "certainly"], 2)
        assert caught.value.reply.text == "certainly"
        assert caught.value.detail == "found no JSON object, but 'certainly' (2 asks)"
        assert caught.value.reason is Reason.UNREADABLE_REPLY


class TestWithoutSchema:
    def test_the_field_goes_and_its_demand_stands_at_the_end_in_words(self) -> None:
        shown = Picture("a.jpg", "00", 9)
        request = Request(
            (Message("system", "You check."), Message("user", "Is it so?", (shown,))),
            parameters={"temperature": 0, "response_format": json_schema("check", SCHEMA)},
            sample=3,
        )
        plain = without_schema(request)
        assert plain.parameters == {"temperature": 0} and plain.sample == 3
        assert plain.messages[0] == request.messages[0] and plain.messages[1].pictures == (shown,)
        assert plain.messages[1].content == (
            "Is it so?\n\nReply with one JSON object and nothing else: no words before or after it. It is an object "
            'with the keys "unsupported" (a list; each item is text) and "supported" (true or false: whether the list '
            'is empty) and "grade" (one of "good", "bad") and "size" (an object with the key "n" (a whole number)) and '
            '"share" (a number).'
        )

    @pytest.mark.parametrize(
        "request_",
        [
            Request((Message("user", "Hello."),)),
            Request((Message("user", "Hello."),), parameters={"response_format": {"type": "json_object"}}),
            Request(prompt="Once upon", parameters={"stop": ["."]}),
        ],
    )
    def test_a_request_without_a_schema_stays_as_it_is(self, request_: Request) -> None:
        assert without_schema(request_) is request_
