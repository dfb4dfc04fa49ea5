"""The rules refusal (declines the task, or speaks of itself as an AI) and cannot_see (says it sees no image).

What a character says, in quotation marks or in a dialogue, is not the answer's own voice and is not judged.
"""

from __future__ import annotations

import re

from mminstruct.config.filter import FilterConfig
from mminstruct.rules.candidate import Candidate
from mminstruct.texts import excerpt, plain, sentences, without_speech

_CANNOT = (
    r"(?:can't|cannot|can not|won't|will not|could not|couldn't|"
    r"(?:am|'m|was|are|'re) (?:currently |simply |just )?(?:unable to|not able to|not allowed to|not permitted to|"
    r"not programmed to|not designed to|not comfortable|incapable of|prohibited from)|"
    r"(?:do not|don't) (?:have the (?:ability|capability|capacity) to|feel comfortable)|lack the ability to|"
    r"have to decline to|must decline to)"
)
_I_CANNOT = rf"\b(?:i|we) ?{_CANNOT}(?: (?:actually|really|currently|directly|physically|help you|be able to))*"
_IMAGE = r"(?:images?|pictures?|photos?|photographs?|pics?|attachments?|visuals?|artworks?|visual content)"
_AN_IMAGE = (
    rf"(?:(?:the|this|that|any|an|a|your|these|those|or|actual|specific|provided|attached|uploaded|given|visual|"
    rf"see|view|access|interpret|analy[sz]e|process|and|,) )*{_IMAGE}"
)

# Said anywhere, these decline.
_DECLINES = re.compile(
    "|".join(
        [
            rf"{_I_CANNOT} (?:assist|comply)\b",
            rf"{_I_CANNOT} (?:help(?: you)? with|fulfil+|complete|generate|create|write|produce|answer|engage (?:in|with)|"
            r"respond to|continue(?: with)?|provide|proceed with) (?:this|that|your|the|such) (?:\w+ ){0,2}"
            r"(?:request|task|instruction|prompt|assignment|question|query|content|conversation|discussion|topic)\b",
            r"\bi(?: must| have to| will have to|'ll have to|'m going to have to)(?: \w+ly)? decline (?:to |this |that |your "
            r"request|the request)",
            r"\bas an? (?:\w+ )?(?:ai|artificial intelligence)(?: language)? ?(?:model|assistant|system|chatbot|program)\b",
            r"\bas an? (?:large )?language model\b",
            r"\bas an ai, (?:i|my)\b",
            r"\bi(?:'m| am) (?:just |only |merely )?an? (?:ai|artificial intelligence|large language model|language model)\b"
            r"(?! (?:artist|researcher|engineer|developer|student|enthusiast))",
            r"\b(?:against|violates?|outside) (?:of )?(?:my|our|the|openai'?s?|usage|content|ethical|safety|community) ?"
            r"(?:ethical |safety |content |usage |use |programming )*(?:polic(?:y|ies)|guidelines|programming|principles)\b",
            r"\bi(?:'d| would) (?:rather|prefer) not (?:to )?(?:write|create|answer|produce|generate|comment|do|discuss)\b",
            r"\bi(?:'m| am) (?:sorry|afraid),? (?:but )?(?:this|that|the|your) (?:\w+ )?(?:request|task|prompt)\b",
            r"\b(?:it|this) (?:is|would be|wouldn't be|would not be|isn't) (?:not )?(?:in)?appropriate for me to\b",
            r"\bi (?:do not|don't) have (?:personal )?(?:feelings|opinions|personal experiences|a physical body)\b",
        ]
    )
)

# Said in the first two sentences, outside a letter, these decline or ask back.
_OPENING_DECLINES = re.compile(
    "|".join(
        [
            rf"^(?:[^.!?]{{0,60}}\b(?:sorry|apologi[sz]e|apologies|unfortunately|afraid|regret|understand|appreciate)\b"
            rf"[^.!?]{{0,60}})?{_I_CANNOT} (?:provide|create|creating|generate|generating|produce|draft|write|writing|help|"
            r"fulfil+|complete|identify|identifying|recognize|answer|offer|giv(?:e|ing)|make|do|compose|craft|tell|discuss|"
            r"comment|describe|respond)\b(?! (?:but|enough|myself|a bad|a single|\w+ing\b|how\b|it\b|you (?:how|enough)))",
            r"\b(?:there is|there's|i have|i do|i was) (?:not|n't)? ?(?:enough|insufficient|given enough|too little) "
            r"(?:information|detail|details|context)\b",
            r"\b(?:insufficient|not enough|lack of) (?:information|details?|context)\b",
            r"\bwithout (?:more|further|additional|any) (?:information|details?|context)\b",
            r"\b(?:could|can|would) you (?:please )?(?:provide|share|give|tell|send|clarify|specify)\b[^.!?]{0,40}"
            r"\b(?:information|details?|context|descriptions?|clarification|instructions?|more|like)\b",
            r"\bplease (?:provide|share|give|clarify|specify)(?: me)?(?: with)? (?:more|the|additional|further|some|a|your) "
            r"(?:\w+ )?(?:information|details?|context|descriptions?|clarification|text)\b",
            r"\bi(?:'d| would|'ll| will)? need (?:some |a bit )?(?:more|additional|further) (?:information|details?|context)\b",
            r"^(?:sorry|unfortunately|i'm sorry|i am sorry)?[, ]*(?:but )?it(?:'s| is) (?:not possible|impossible) (?:for me )?"
            r"to (?:create|write|provide|generate|determine|give|produce|answer|make|say)\b",
            r"^(?:sorry|no|unanswerable|not applicable|n/a)[,. !]*$",
        ]
    )
)
_LETTER = re.compile(r"^\W*(?:dear|hi|hello|hey|subject|to|from|re)\b[^\n]{0,60}(?:,|:|!|\n)")
_ABOUT_AI = re.compile(
    r"\b(?:ai|a\.i\.|artificial intelligence|robots?|chatbots?|language models?|androids?|assistants?)\b"
)

_CANNOT_SEE = re.compile(
    "|".join(
        [
            rf"{_I_CANNOT} (?:to )?(?:see|view|viewing|seeing|access|open|display|process|analy[sz]e|interpret|load|look at|"
            rf"perceive|examine|visuali[sz]e|inspect|observe)(?:,? (?:or|and) \w+)* {_AN_IMAGE}\b"
            r"(?! (?:without|being|getting|becoming|as))",
            rf"{_I_CANNOT} (?:see|view|look at) (?:it|what|visual|anything|this)\b[^.!?]{{0,60}}\b{_IMAGE}\b",
            rf"\bi (?:do not|don't) (?:actually |currently |directly )?(?:have (?:direct |visual )?access to|see|have) "
            rf"{_AN_IMAGE}\b(?! (?:of|on|from|to|being|as|without|in my|that))",
            r"\b(?:do not|don't|not) have (?:the )?(?:ability|capability|means|capacity) (?:to|of) (?:see|seeing|view|viewing|"
            r"process(?:ing)?|analy[sz]e|perceive|interpret(?:ing)?|access(?:ing)?)\b",
            rf"\bno {_IMAGE} (?:was|is|were|has been|seems to be|appears to be)? ?(?:provided|attached|uploaded|included|"
            r"available|visible|given|shared)\b",
            rf"\b{_IMAGE} (?:was|is|were|has) ?(?:not|n't) (?:been )?(?:provided|attached|uploaded|included|visible to me|"
            r"available to me|accessible|loaded|loading)\b",
            rf"\b{_IMAGE} (?:did|does|do|has) ?(?:not|n't) (?:seem to |appear to )?(?:have )?(?:load|come through|attach|upload|"
            r"been (?:attached|uploaded))",
            rf"\b(?:please|could you|can you|kindly|would you)\b[^.!?\n]{{0,25}}\b(?:upload|attach|share|send|provide|describe|"
            rf"resend|reattach)(?: me)?(?: with)? (?:the|an|your|that|me the)? ?(?:\w+ )?{_IMAGE}\b(?! (?:of your|with (?:us|your|"
            r"friends)|to (?:us|our)|on|by|using|taken|with the hashtag))",
            r"\b(?:text[- ]based|text[- ]only|language)(?: ai| language)? (?:model|assistant|system|ai)\b",
            rf"\bwithout (?:seeing|being able to (?:see|view)|access to|viewing|having seen|sight of) {_AN_IMAGE}\b",
            rf"\bif you (?:can |could |would )?(?:please )?(?:describe|provide|tell me|share|upload)\b[^.!?]{{0,50}}\b{_IMAGE}\b"
            r"[^.!?]{0,20},? (?:and )?(?:i|then i)(?:'ll|'d| can| will| would| could)\b",
            rf"^\W*{_IMAGE} (?:not found|unavailable|not available|missing)\b",
        ]
    )
)


def refusal(candidate: Candidate, config: FilterConfig) -> str | None:
    """Find an answer that declines the task, asks back, or speaks of itself as an AI."""
    text = plain(without_speech(candidate.answer))
    asked_about_ai = _ABOUT_AI.search(plain(candidate.instruction))
    found = None if asked_about_ai else _DECLINES.search(text)
    if found:
        return f"found {excerpt(text, *found.span())}, expected an answer to the instruction"
    if _LETTER.match(text):
        return None
    for sentence in sentences(text)[:2]:
        if found := _OPENING_DECLINES.search(sentence.lstrip('"*_# ')):
            return f"found {excerpt(found.group())} at the start, expected an answer to the instruction"
    return None


def cannot_see(candidate: Candidate, config: FilterConfig) -> str | None:
    """Find an answer that says that it has no image before it."""
    text = plain(without_speech(candidate.answer))
    found = _CANNOT_SEE.search(text)
    if found is None:
        return None
    return f"found {excerpt(text, *found.span())}, expected an answer written by one who sees the image"
