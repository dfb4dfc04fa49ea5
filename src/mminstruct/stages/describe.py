"""Between images and augment: a model that sees the image writes its description, where its captions say too little.

    Image("42.jpg", description="A dog.")  →  Image("42.jpg", description="A brown terrier leaps …", described_by=…)

The paper starts from detailed descriptions, and everything after this stage rests on them alone. With `check` the model
is then asked whether the image shows what the description says; where it does not, the image leaves the run.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mminstruct.config.describe import DescribeConfig
from mminstruct.config.filter import FilterConfig
from mminstruct.llm.chat import Chat, Picture, Reply, RequestFailed
from mminstruct.llm.structured import StillUnreadable, Unreadable, ask_structured, json_schema, read_json
from mminstruct.near_copies import split_words
from mminstruct.prompts.template import Prompt
from mminstruct.rows import Image, Reason, Reject
from mminstruct.rules.candidate import Candidate
from mminstruct.rules.refusals import cannot_see, refusal
from mminstruct.rules.repetition import repetition

STAGE = "describe"

CHECK_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "unsupported": {
            "type": "array",
            "items": {"type": "string"},
            "description": "the statements that the image does not support, empty if there is none",
        },
        "supported": {"type": "boolean", "description": "whether the image supports every statement"},
    },
    "required": ["unsupported", "supported"],
    "additionalProperties": False,
}
"""What the check replies. The list comes first: a model that looks for faults before it judges judges better."""

_TASK = "Describe the image."  # what the rules take a description to be an answer to
_THRESHOLDS = FilterConfig()
_RULES = ((Reason.REFUSAL, refusal), (Reason.CANNOT_SEE, cannot_see), (Reason.REPETITION, repetition))


async def describe(
    image: Image, chat: Chat, prompt: Prompt, check_prompt: Prompt, config: DescribeConfig
) -> Image | Reject:
    """Return the image with its final description, written, checked or as it came, or a Reject with what was said."""
    try:
        if config.wants(image.description):
            image = await _write(image, chat, prompt, config)
        return await _check(image, chat, check_prompt, config) if config.check else image
    except RequestFailed as failure:
        return Reject(image.image_id, STAGE, failure.reason, failure.detail, "", failure.request_id)
    except StillUnreadable as fault:
        reply = fault.reply
        return Reject(image.image_id, STAGE, fault.reason, fault.detail, reply.text, reply.request_id)


async def _write(image: Image, chat: Chat, prompt: Prompt, config: DescribeConfig) -> Image:
    request = prompt.render(
        {"caption": image.description},
        parameters={"max_tokens": config.max_tokens, "temperature": config.temperature},
        pictures=(_picture(image, config),),
    )
    description, reply = await ask_structured(chat, request, read_description, config.n_asks)
    return replace(image, description=description, described_by=reply.model, request_id=reply.request_id)


async def _check(image: Image, chat: Chat, prompt: Prompt, config: DescribeConfig) -> Image | Reject:
    request = prompt.render(
        {"description": image.description},
        parameters={"response_format": json_schema("description_check", CHECK_SCHEMA)},
        pictures=(_picture(image, config),),
    )
    fault, reply = await ask_structured(chat, request, read_check, config.n_asks)
    if fault:
        reason = Reason.UNSUPPORTED_DESCRIPTION
        return Reject(image.image_id, STAGE, reason, fault, image.description, reply.request_id)
    return replace(image, check_id=reply.request_id)


def _picture(image: Image, config: DescribeConfig) -> Picture:
    return Picture(image.path, image.content_hash, config.max_side)


def read_description(reply: Reply) -> str:
    """Return the description in a reply. Raises Unreadable: cut off, held back, empty, a refusal, a loop."""
    text = reply.text.strip()
    if reply.finish_reason == "length":
        raise Unreadable("the description was cut off at max_tokens", Reason.TRUNCATED_DESCRIPTION)
    if reply.finish_reason == "content_filter":
        raise Unreadable("the endpoint held the description back (content_filter)", Reason.REQUEST_REFUSED)
    if not split_words(text):
        raise Unreadable(f"found {text[:80]!r}, expected a description", Reason.EMPTY_DESCRIPTION)
    candidate = Candidate("", _TASK, text)
    for reason, rule in _RULES:
        if detail := rule(candidate, _THRESHOLDS):
            raise Unreadable(detail, reason)
    return text


def read_check(reply: Reply) -> str:
    """Return what the image does not support, as a reject's detail; empty where it supports all. Raises Unreadable."""
    found = read_json(reply.text, CHECK_SCHEMA)
    statements = [statement.strip() for statement in found["unsupported"] if statement.strip()]
    if found["supported"] and statements:
        raise Unreadable(
            f"found `supported` true beside {len(statements)} unsupported statements; expected one of both"
        )
    if found["supported"]:
        return ""
    listed = "; ".join(repr(statement) for statement in statements) or "a statement that the check does not name"
    return f"found {listed}, expected nothing that the image does not show"
