"""The rule source_leak: the answer speaks of the description that the language model was given, not of the image."""

from __future__ import annotations

import re

from mminstruct.config.filter import FilterConfig
from mminstruct.rules.candidate import Candidate
from mminstruct.rules.patterns import compile_any, one_of, words
from mminstruct.texts import excerpt, plain, without_speech

_KIND = words(
    "image picture photo scene visual text textual detailed given provided supplied original brief short above "
    "following"
)
_SOURCE = rf"(?:the|this|that|your|these|those|its) (?:{_KIND} )*(?:descriptions?|captions?)"
_IMAGE = words("image picture photo photograph scene setting")
_TEXT = words("text passage prompt context input")
_INPUT = one_of(_TEXT, "information", "details")
_GIVEN = words("provided given supplied")

# A caption or description that stands in the picture, or in what the answer offers, is no leak.
_ELSEWHERE = one_of(
    "on", "below", "beneath", "under", "underneath", "beside", "across", "along", "at the (?:top|bottom|foot)",
    "printed", "written", "above the", "box", "field", "bubble", "card", "plate", "plaque", "for more",
    "for (?:a |the )?link", "competition", "contest", "writer", "and (?:title|subscribe)",
    "in the (?:menu|museum|catalog(?:ue)?|app|magazine|newspaper|comic)",
)  # fmt: skip
_NOT_THE_PICTURES = rf"(?! {_ELSEWHERE})"
_IN_PICTURE = words("on in of at along across below beneath above printed written overlay message bubble")
_POINTS_TO = one_of(
    "based (?:solely |only |purely |entirely )?(?:on|upon)", "according to", "as per", "judging (?:by|from)",
    "going by", "drawing (?:on|from)", "(?:inferred|derived|taken) from",
    "(?:mentioned|described|stated|specified|noted|listed|provided|found|outlined|referenced|included|detailed) in",
    "given", "using", "following", "from", "in", "per", "by", "with",
)  # fmt: skip
_SAY = words("say mention state specify describe tell indicate include provide give note reveal")
_SAYS = one_of(
    "sa(?:ys?|id)", "mention(?:s|ed)?", "stated?s?", "notes?", "describes?", "specif(?:y|ies)", "tells?", "indicates?",
    "suggests?", "implies", "highlights", "paints", "focuses", "refers", "details", "portrays", "depicts",
    "only (?:says|mentions|states|tells)", rf"(?:does not|doesn't|did not|didn't|do not|don't) (?:\w+ )?{_SAY}",
)  # fmt: skip

_LEAKS = compile_any(
    rf"\b{_POINTS_TO} {_SOURCE}\b{_NOT_THE_PICTURES}(?! below)",  # "based on the image description"
    rf"\b{_SOURCE} {_SAYS}\b(?! it all)",  # "the caption doesn't say"
    rf"\b{_SOURCE} (?:that )?(?:(?:is|was|were|are) )?(?:you )?(?:{_GIVEN}|shared|above)\b",  # "the caption given"
    rf"\b(?:the|this|your) {_GIVEN} {one_of(_INPUT, 'descriptions?', 'captions?')}\b",  # "the provided text"
    # "the information provided", but not "the information provided by the museum"
    rf"\bthe {_INPUT}(?: that)?(?: (?:is|was|were|has been|you))? {_GIVEN}"
    r"(?! (?:by|at|on|in (?:the|this) (?:image|picture|photo|brochure|leaflet|booklet)|here for))",
    # "according to the text", but not "according to the text on the sign"
    rf"\b(?:based on|according to|as per|from) (?:the|this) (?:text|passage|prompt)\b(?! {_IN_PICTURE})",
    rf"\b(?:as|you|was|is|were|are) (?:you )?(?:described|mentioned|stated|specified) in the "
    rf"{one_of(_TEXT, 'information')}\b",
    r"\bthe text (?:describes|tells (?:of|us)|speaks of|paints)\b",  # "says" and "reads" are a sign's
    rf"\bthe (?:passage|input|prompt) {_SAYS}\b",
    # "not specified in the caption"
    r"\b(?:not|isn't|aren't|wasn't|weren't) (?:explicitly |specifically |directly )?"
    rf"{words('mentioned specified described stated provided given detailed')} in (?:the|this|your) "
    rf"{one_of(_TEXT, 'descriptions?', 'captions?')}\b",
    r"\b(?:as|that) you(?:'ve| have)? (?:described|mentioned|provided)\b",  # "the scene that you described"
    r"\byour description\b(?! (?:box|field|of yourself))",
    # "the scene described", but not "the scene described by Homer"
    rf"\b(?:the|this) {_IMAGE} (?:is |was |you(?:'ve| have)? )?(?:being )?described"
    r"(?! (?:by|in the (?:book|novel|poem|bible)))\b",
    rf"\bthe described {_IMAGE}\b",
    r"\b(?:in-context|given|provided) examples?\b",
    r"\[\s*0?\.\d+\s*,\s*0?\.\d+\s*,\s*0?\.\d+\s*,\s*0?\.\d+\s*\]",  # a box: [0.12, 0.20, 0.88, 0.95]
)
_BOXES = re.compile(r"\bbounding[- ]box(?:es)?\b|\bbox coordinates\b|\bdetected objects?\b|\bobject detect(?:ion|or)\b")
_ASKS_FOR_BOXES = re.compile(r"\bbound|\bannotat|\bdetect|\bbox")


def source_leak(candidate: Candidate, config: FilterConfig) -> str | None:
    """Find an answer that speaks of its description, caption, provided text or bounding boxes as such."""
    text = plain(without_speech(candidate.answer))
    found = _LEAKS.search(text)
    if found is None and not _ASKS_FOR_BOXES.search(plain(candidate.instruction)):
        found = _BOXES.search(text)
    if found is None:
        return None
    return f"found {excerpt(text, *found.span())}, expected words about the image itself"
