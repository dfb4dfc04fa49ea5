"""Replies of a given form: a schema with the request, a strict reader for the reply, another ask where it fails.

    {"supported": false, "unsupported": ["a dog"]}   what an endpoint with `response_format` says
    Sure! ```json {"supported": false, …} ```        what others say, to the same demand in plain English

Schemas are objects of the subset that `read_json` checks: `object` with `properties` and `required`, `array` with
`items`, `string`, `integer`, `number`, `boolean`, and `enum`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from math import isfinite
from typing import Any, Never, TypeVar

from mminstruct.llm.chat import Chat, Reply, Request
from mminstruct.rows import Reason

T = TypeVar("T")
Schema = Mapping[str, Any]

SAMPLE_STEP = 1_000_000
"""What a further ask adds to the sample number: more than callers count up to, so that theirs stay their own."""

_NAMES = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}


class Unreadable(Exception):
    """A reply that its reader cannot use; `reason` is the one of the reject that may come of it."""

    def __init__(self, detail: str, reason: Reason = Reason.UNREADABLE_REPLY) -> None:
        super().__init__(detail)
        self.detail = detail
        self.reason = reason


class StillUnreadable(Exception):
    """What is left when every ask gave an unreadable reply: the last one, and what was wrong with it."""

    def __init__(self, reply: Reply, detail: str, reason: Reason) -> None:
        super().__init__(detail)
        self.reply = reply
        self.detail = detail
        self.reason = reason


async def ask_structured(chat: Chat, request: Request, read: Callable[[Reply], T], n_asks: int) -> tuple[T, Reply]:
    """Return what `read` makes of the reply, and the reply; while it is Unreadable, ask `n_asks` times in all.

    Each further ask adds SAMPLE_STEP to the sample number. Raises StillUnreadable, and what `Chat.ask` raises.
    """
    for n_ask in range(n_asks):
        reply = await chat.ask(replace(request, sample=request.sample + n_ask * SAMPLE_STEP))
        try:
            return read(reply), reply
        except Unreadable as fault:
            if n_ask == n_asks - 1:
                times = f" ({n_asks} asks)" if n_asks > 1 else ""
                raise StillUnreadable(reply, f"{fault.detail}{times}", fault.reason) from fault
    raise ValueError("n_asks is at least 1")


def json_schema(name: str, schema: Schema) -> dict[str, Any]:
    """Return the request parameter `response_format` that holds an endpoint to a schema (OpenAI's structured outputs).

    https://platform.openai.com/docs/guides/structured-outputs: names are letters, digits, `_` and `-`; in strict mode
    every property must be required and `additionalProperties` false.
    """
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": schema}}


def without_schema(request: Request) -> Request:
    """Return the request for an endpoint without `response_format`: the schema in words, at the end of the last turn.

    A request without a JSON schema comes back as it is.
    """
    wanted = request.parameters.get("response_format")
    if not request.messages or not isinstance(wanted, Mapping) or wanted.get("type") != "json_schema":
        return request
    parameters = {key: value for key, value in request.parameters.items() if key != "response_format"}
    *turns, last = request.messages
    demand = (
        "Reply with one JSON object and nothing else: no words before or after it. "
        f"It is {_in_words(wanted['json_schema']['schema'])}."
    )
    return replace(
        request, messages=(*turns, replace(last, content=f"{last.content}\n\n{demand}")), parameters=parameters
    )


def read_json(text: str, schema: Schema) -> dict[str, Any]:
    """Return the one JSON object in a reply, bare, fenced or among words, without keys that the schema does not name.

    Raises Unreadable: no object, more than one, broken JSON, a key twice, a key missing, a value of another type.

    >>> read_json('Here you are: {"n": 3}', {"type": "object", "properties": {"n": {"type": "integer"}}})
    {'n': 3}
    """
    start = text.find("{")
    if start == -1:
        raise Unreadable(f"found no JSON object, but {_short(text)}")
    try:
        found, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"found no readable JSON object, but {_short(text[start:])} ({error})") from error
    if "{" in text[end:]:
        raise Unreadable(f"found something after the JSON object: {_short(text[end:].strip())}; expected one object")
    checked: dict[str, Any] = _checked(found, {"type": "object", **schema}, "the object")
    return checked


def _without_repeats(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"the key {key!r} comes twice")
        values[key] = value
    return values


def _no_constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_without_repeats, parse_constant=_no_constant)


def _checked(value: Any, schema: Schema, place: str) -> Any:
    """Return the value, with the keys that the schema names alone; `place` says where it stands, for messages."""
    if not _is_of(value, schema["type"]):
        raise Unreadable(f"{place}: found {_short(json.dumps(value))}; expected {_NAMES[schema['type']]}")
    if "enum" in schema and value not in schema["enum"]:
        raise Unreadable(f"{place}: found {_short(json.dumps(value))}; expected {_in_words(schema)}")
    if isinstance(value, dict):
        properties: Mapping[str, Schema] = schema.get("properties", {})
        missing = [key for key in schema.get("required", ()) if key not in value]
        if missing:
            raise Unreadable(f"{place}: the key {missing[0]!r} is missing")
        return {key: _checked(value[key], inner, repr(key)) for key, inner in properties.items() if key in value}
    if isinstance(value, list):
        return [_checked(item, schema["items"], f"{place}, item {number}") for number, item in enumerate(value, 1)]
    return value


def _is_of(value: Any, kind: str) -> bool:
    if kind == "string":
        return isinstance(value, str) and _is_storable(value)
    if isinstance(value, bool) or kind == "boolean":  # which Python counts among the whole numbers
        return isinstance(value, bool) and kind == "boolean"
    if isinstance(value, float) and not isfinite(value):  # 1e999
        return False
    types: dict[str, Any] = {"object": dict, "array": list, "integer": int, "number": (int, float)}
    return isinstance(value, types[kind])


def _is_storable(text: str) -> bool:
    """Tell text from half of a surrogate pair, which JSON can write (`"\\ud83d"`) and no table can hold."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _in_words(schema: Schema) -> str:
    """Return what a schema asks for, in plain English.

    >>> _in_words({"type": "object", "properties": {"ok": {"type": "boolean", "description": "whether it fits"}}})
    'an object with the key "ok" (true or false: whether it fits)'
    """
    if "enum" in schema:
        return "one of " + ", ".join(json.dumps(value, ensure_ascii=False) for value in schema["enum"])
    if schema["type"] == "array":
        return f"a list; each item is {_in_words(schema['items'])}"
    if schema["type"] != "object":
        return _NAMES[schema["type"]]
    keys = [f'"{key}" ({_meaning(inner)})' for key, inner in schema["properties"].items()]
    return f"an object with the key{'s' if len(keys) > 1 else ''} {' and '.join(keys)}"


def _meaning(schema: Schema) -> str:
    words = _in_words(schema)
    return f"{words}: {schema['description']}" if "description" in schema else words


def _short(text: str) -> str:
    """Return the beginning of a text, in quotes, for messages."""
    flat = " ".join(text.split())
    return repr(flat[:80] + "…" if len(flat) > 80 else flat)
