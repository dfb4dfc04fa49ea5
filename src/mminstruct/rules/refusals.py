"""The rules refusal (declines the task, asks back, speaks of itself as an AI) and cannot_see (says it sees no image).

What a character says, in quotation marks or in a dialogue, is not the answer's own voice and is not judged.
"""

from __future__ import annotations

import re

from mminstruct.config.filter import FilterConfig
from mminstruct.rules.candidate import Candidate
from mminstruct.rules.patterns import compile_any, one_of, words
from mminstruct.texts import excerpt, plain, sentences, without_speech

_UNABLE = one_of(
    "unable to", "not able to", "not allowed to", "not permitted to", "not programmed to", "not designed to",
    "not comfortable", "incapable of", "prohibited from",
)  # fmt: skip
_CANNOT = one_of(
    "can't", "cannot", "can not", "won't", "will not", "couldn't", "could not",
    rf"(?:am|'m|are|'re) (?:currently |simply |just )?{_UNABLE}",
    "(?:do not|don't) have the (?:ability|capability|capacity) to", "(?:do not|don't) feel comfortable",
    "lack the ability to", "(?:have to|must) decline to",
)  # fmt: skip
_I_CANNOT = rf"\b(?:i|we) ?{_CANNOT}(?: (?:actually|really|currently|directly|physically|help you|be able to))*"

_TASK = words("request task instruction prompt assignment question query content conversation discussion topic")
_SOMEBODYS = words("my our the openai openai's your usage content ethical safety community")
_POLICY = words("policy policies guidelines programming principles")
_KNOWLEDGE = words("information detail details context")
_MORE = words("more the additional further some a your")
_ASK = words("provide share give tell send clarify specify")

# Said anywhere, these decline.
_DECLINES = compile_any(
    rf"{_I_CANNOT} (?:assist|comply)\b",  # "I cannot assist with that"
    # "I can't help with this request", "I won't engage in that topic"
    rf"{_I_CANNOT} {one_of('help(?: you)? with', 'fulfil+', 'complete', 'generate', 'create', 'write', 'produce')} "
    rf"(?:this|that|your|the|such) (?:\w+ ){{0,2}}{_TASK}\b",
    rf"{_I_CANNOT} "
    rf"{one_of('answer', 'engage (?:in|with)', 'respond to', 'continue(?: with)?', 'provide', 'proceed with')} "
    rf"(?:this|that|your|the|such) (?:\w+ ){{0,2}}{_TASK}\b",
    # "I must respectfully decline to write", "I will have to decline."
    r"\bi(?:'ll| will| must| would)?(?: have to| must| need to)?(?: \w+ly)? decline\b(?: to\b|[.,]| this\b| your\b)",
    # "As an AI language model", "As a large language model", "As an AI, I"
    r"\bas an? (?:\w+ )?(?:ai|artificial intelligence)(?: language)? ?(?:model|assistant|system|chatbot|program)\b",
    r"\bas an? (?:large )?language model\b",
    r"\bas an ai, (?:i|my)\b",
    # "I'm just an AI", but not "I'm an AI researcher"
    r"\bi(?:'m| am) (?:just |only |merely )?an? (?:ai|artificial intelligence|large language model|language model)\b"
    r"(?! (?:artist|researcher|engineer|developer|student|enthusiast))",
    # "against my safety guidelines"
    rf"\b(?:against|violates?|outside) (?:of )?(?:{_SOMEBODYS} )+{_POLICY}\b",
    # "I would rather not write …"
    r"\bi(?:'d| would) (?:rather|prefer) not (?:to )?(?:write|create|answer|produce|generate|comment|do|discuss)\b",
    r"\bi(?:'m| am) (?:sorry|afraid),? (?:but )?(?:this|that|the|your) (?:\w+ )?(?:request|task|prompt)\b",
    r"\b(?:it|this) (?:is|would be|wouldn't be|would not be|isn't) (?:not )?(?:in)?appropriate for me to\b",
    r"\bi (?:do not|don't) have (?:personal )?(?:feelings|opinions|personal experiences|a physical body)\b",
)

# Said in the first two sentences, and not in a letter, these decline or ask back.
_REGRET = words("sorry apologize apologise apologies unfortunately afraid regret understand appreciate")
_MAKE = words(
    "provide create creating generate generating produce draft write writing help complete identify identifying answer "
    "recognize offer give giving make do compose craft tell discuss comment describe respond"
)
_NO_REFUSAL = one_of(  # "I cannot give it enough stars", "I can't help but smile", "I can't describe how …"
    "but", r"(?:\w+ ){0,3}enough", "myself", "a bad", "a single", r"\w+ing\b", r"how\b", r"it\b",
    "you how", "justice",
)  # fmt: skip
_OPENING_DECLINES = compile_any(
    rf"^(?:[^.!?]{{0,60}}\b{_REGRET}\b[^.!?]{{0,60}})?{_I_CANNOT} {_MAKE}\b(?! {_NO_REFUSAL})",
    # "There is not enough information to …", "Without further context …"
    rf"\b(?:there is|there's|i have|i do|i was) ?(?:not|n't)? ?(?:enough|insufficient|given enough|too little) "
    rf"{_KNOWLEDGE}\b",
    rf"\b(?:insufficient|not enough|lack of) {_KNOWLEDGE}\b",
    rf"\bwithout (?:more|further|additional|any) {_KNOWLEDGE}\b",
    # "Could you please tell me more?", "Please provide the text.", "I need more context"
    rf"\b(?:could|can|would) you (?:please )?{_ASK}\b[^.!?]{{0,40}}"
    rf"\b{one_of(_KNOWLEDGE, 'descriptions?', 'more', 'like')}\b",
    rf"\bplease {_ASK}(?: me)?(?: with)? {_MORE} (?:\w+ )?"
    rf"{one_of(_KNOWLEDGE, 'clarification', 'descriptions?', 'text')}\b",
    rf"\bi(?:'d| would|'ll| will)? need (?:some |a bit )?(?:more|additional|further) {_KNOWLEDGE}\b",
    # "It is not possible to determine …"
    r"^(?:sorry|unfortunately|i'm sorry|i am sorry)?[, ]*(?:but )?it(?:'s| is) (?:not possible|impossible) (?:for me )?"
    rf"to {words('create write provide generate determine give produce answer make say')}\b",
    r"^(?:sorry|no|unanswerable|not applicable|n/a)[,. !]*$",
)
_LETTER = re.compile(r"^\W*(?:dear|hi|hello|hey|subject|to|from|re)\b[^\n]{0,60}(?:,|:|!|\n)")
_ABOUT_AI = re.compile(
    rf"\b{words('ai robots? chatbots? androids? assistants?')}\b|artificial intelligence|language model"
)

_IMAGE = words("images? pictures? photos? photographs? pics? attachments? visuals? artworks?")
_FILLER = words(
    "the this that any an a your these those or actual specific provided attached uploaded given visual and ,"
)
_AN_IMAGE = rf"(?:{_FILLER} )*{_IMAGE}"
_SEE = one_of(
    "see", "view", "viewing", "seeing", "access", "open", "display", "process", "analy[sz]e", "interpret", "load",
    "look at", "perceive", "examine", "visuali[sz]e", "inspect", "observe",
)  # fmt: skip
_NOT_ARRIVED = words("provided attached uploaded included available visible given shared accessible loaded loading")

_CANNOT_SEE = compile_any(
    # "I can't see or analyze the image", but not "I can't see the picture without smiling"
    rf"{_I_CANNOT} (?:to )?{_SEE}(?:,? (?:or|and) \w+)* {_AN_IMAGE}\b(?! (?:without|being|getting|becoming|as))",
    rf"{_I_CANNOT} (?:see|view|look at) (?:it|what|visual|anything|this)\b[^.!?]{{0,60}}\b{_IMAGE}\b",
    # "I don't have access to the image", but not "I don't have a picture of him"
    r"\bi (?:do not|don't) (?:actually |currently |directly )?(?:have (?:direct |visual )?access to|see|have) "
    rf"{_AN_IMAGE}\b(?! (?:of|on|from|to|being|as|without|in my|that))",
    rf"\b(?:do not|don't|not) have (?:the )?(?:ability|capability|means|capacity) (?:to|of) "
    rf"(?:{_SEE}|processing|analyzing)\b[^.!?]{{0,30}}\b{_IMAGE}\b",
    # "No image was attached", "The image wasn't provided", "The image did not load"
    rf"\bno {_IMAGE} (?:was|is|were|has been|seems to be|appears to be)? ?{_NOT_ARRIVED}\b",
    rf"\b{_IMAGE} (?:was|is|were|has) ?(?:not|n't) (?:been )?{_NOT_ARRIVED}\b(?! (?:as|in|by|with|between|for sale))",
    rf"\b{_IMAGE} (?:did|does|do|has) ?(?:not|n't) (?:seem to |appear to )?(?:load|come through|attach|upload)\b",
    rf"^\W{{0,4}}{_IMAGE} (?:not found|unavailable|not available|missing)\b",
    # "Could you please upload the photo?", but not "Please share your photos with us"
    r"\b(?:please|could you|can you|kindly|would you)\b[^.!?\n]{0,25}"
    r"\b(?:upload|attach|share|send|provide|describe|resend)"
    rf"(?: me)?(?: with)? (?:the |an |your |that )?(?:\w+ )?{_IMAGE}\b"
    r"(?! (?:of your|with (?:us|your|friends)|to (?:us|our)|on|by|using|taken|with the hashtag))",
    r"\btext[- ](?:based|only)(?: ai| language)* (?:model|assistant|system)\b",
    rf"\bwithout (?:seeing|being able to (?:see|view)|access to|viewing|having seen|sight of) {_AN_IMAGE}\b",
    # "If you describe the image, I can …"
    r"\bif you (?:can |could |would )?(?:please )?(?:describe|provide|tell me|share|upload)\b[^.!?]{0,50}"
    rf"\b{_IMAGE}\b[^.!?]{{0,20}},? (?:and )?(?:then )?i(?:'ll|'d| can| will| would| could)\b",
)


def refusal(candidate: Candidate, config: FilterConfig) -> str | None:
    """Find an answer that declines the task, asks back, or speaks of itself as an AI."""
    text = plain(without_speech(candidate.answer))
    found = None if _ABOUT_AI.search(plain(candidate.instruction)) else _DECLINES.search(text)
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
