"""The rule source_leak: the answer speaks of the description that the language model was given instead of the image."""

from __future__ import annotations

import re

from mminstruct.config.filter import FilterConfig
from mminstruct.rules.candidate import Candidate
from mminstruct.texts import excerpt, plain, without_speech

_KIND = r"(?:image|picture|photo|scene|visual|text|textual|detailed|given|provided|supplied|original|brief|short|above|following)"
_SOURCE = rf"(?:(?:the|this|that|your|these|those|its) )(?:{_KIND} )*(?:descriptions?|captions?)"
_GIVEN = r"(?:provided|given|supplied|shared|above)"
# A caption or description that is part of the picture itself, or of what the answer offers, is no leak.
_IN_PICTURE = (
    r"(?! (?:on|below|beneath|under|underneath|beside|across|along|at the (?:top|bottom|foot)|printed|written|above the|"
    r"box|field|bubble|card|plate|plaque|in the (?:menu|museum|catalog(?:ue)?|app|magazine|newspaper|comic)|for more|"
    r"competition|contest|writer|for (?:a |the )?link))"
)
_SAYS = (
    r"(?:says?|said|mentions?|mentioned|states?|stated|notes?|describes?|specif(?:y|ies)|tells?|indicates?|suggests?|implies|"
    r"highlights|paints|focuses|refers|details|portrays|depicts|only (?:says|mentions|states|tells)|"
    r"(?:does not|doesn't|did not|didn't|do not|don't) (?:\w+ )?(?:say|mention|state|specify|describe|tell|indicate|include|"
    r"provide|give|note|reveal))"
)
_POINTS_TO = (
    r"(?:based (?:solely |only |purely |entirely )?(?:on|upon)|according to|as per|judging (?:by|from)|going by|given|"
    r"drawing (?:on|from)|inferred from|derived from|taken from|mentioned in|described in|stated in|specified in|noted in|"
    r"listed in|provided in|found in|outlined in|referenced in|included in|detailed in|using|following|from|in|per|by|with)"
)

_LEAKS = re.compile(
    "|".join(
        [
            rf"\b{_POINTS_TO} {_SOURCE}\b{_IN_PICTURE}(?! (?:below|and (?:title|subscribe)))",
            rf"\b{_SOURCE} {_SAYS}\b",
            rf"\b{_SOURCE} (?:that )?(?:(?:is|was|were|are) )?(?:you )?{_GIVEN}\b",
            r"\b(?:the|this|your) (?:provided|given|supplied) (?:text|passage|information|details|prompt|context|input|"
            r"descriptions?|captions?)\b",
            r"\bthe (?:text|passage|information|details|context|input|prompt)(?: that)?(?: (?:is|was|were|has been|you))? "
            r"(?:provided|given|supplied)(?! (?:by|at|on|in (?:the|this) (?:image|picture|photo|brochure|leaflet|booklet)|here for))",
            r"\b(?:based on|according to|as per|from) (?:the|this) (?:text|passage|prompt)\b(?! (?:on|in|of|at|along|across|"
            r"below|beneath|above|printed|written|overlay|message|bubble))",
            r"\b(?:as|you|was|is|were|are) (?:you )?(?:described|mentioned|stated|specified) in the (?:text|passage|prompt|"
            r"input|context|information)\b",
            r"\b(?:not|isn't|aren't|wasn't|weren't) (?:explicitly |specifically |directly )?(?:mentioned|specified|described|"
            r"stated|provided|given|detailed)\b(?= (?:in (?:the|this|your) (?:text|passage|prompt|descriptions?|captions?)|"
            r"here|so i|but|,? so))",
            r"\b(?:as|that) you(?:'ve| have)? (?:described|mentioned|provided)\b|\byour description\b(?! (?:box|field|of yourself))",
            r"\b(?:the|this) (?:image|picture|photo|scene|setting) (?:is |was |you(?:'ve| have)? )?(?:being )?described"
            r"(?! (?:as|by|in the (?:book|novel|poem|bible)))\b",
            r"\b(?:the|this) (?:image|picture|photo|scene) (?:is|was) described as\b",
            r"\bthe described (?:image|picture|photo|photograph|scene|setting)\b",
            r"\b(?:in-context|given|provided) examples?\b",
            r"\[\s*0?\.\d+\s*,\s*0?\.\d+\s*,\s*0?\.\d+\s*,\s*0?\.\d+\s*\]",
        ]
    )
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
