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
    "not comfortable", "not in a position to", "incapable of", "prohibited from",
)  # fmt: skip
_CANNOT = one_of(
    "can't", "cannot", "can not", "won't", "will not", "couldn't", "could not", "shouldn't", "should not",
    rf"(?:am|'m) (?:currently |simply |just )?{_UNABLE}",
    "(?:do not|don't) have the (?:ability|capability|capacity) to", "(?:do not|don't) feel comfortable",
    "lack the ability to", "(?:have to|must) (?:decline|refrain)", "must refuse to",
)  # fmt: skip
_I_CANNOT = rf"\bi ?{_CANNOT}(?: (?:actually|really|currently|directly|physically|help you|be able to|be))*"

_TASK = words("request task instruction prompt assignment question query content conversation discussion topic")
_SOMEBODYS = words("my our the openai openai's your usage content ethical safety community")
_POLICY = words("policy policies guidelines programming principles")
_KNOWLEDGE = words("information detail details context")
_MORE = words("more the additional further some a your")
_ASK = words("provide share give tell send clarify specify")
_AI = one_of(
    "(?:ai|artificial intelligence)(?: language)?(?: model| assistant| system| chatbot| program)?",
    "(?:large |computer )?(?:language model|program)", "virtual assistant", "machine learning model", "chatbot",
)  # fmt: skip
_NO_AI = words("artist artist's researcher engineer developer student enthusiast camera company startup tool powered")

# Said anywhere, these decline, or speak of a self that is no writer's.
_DECLINES = compile_any(
    rf"{_I_CANNOT} (?:assist|comply)\b",  # "I cannot assist with that"
    # "I can't help with this request", "I won't engage in that topic"
    rf"{_I_CANNOT} {one_of('help(?: you)? with', 'fulfil+', 'complete', 'generate', 'create', 'write', 'produce')} "
    rf"(?:this|that|your|the|such) (?:\w+ ){{0,2}}{_TASK}\b",
    rf"{_I_CANNOT} {one_of('answer', 'engage (?:in|with)', 'respond to', 'continue(?: with)?', 'provide')} "
    rf"(?:this|that|your|the|such) (?:\w+ ){{0,2}}{_TASK}\b",
    rf"\b(?:this|that|the|your) {_TASK} (?:can't|cannot|can not|won't) be (?:completed|fulfilled|processed|answered)\b",
    r"(?:\bnot|n't) something (?:that )?i(?:'m| am)? (?:can|could|able|willing|comfortable|do)\b",
    # "I must respectfully decline to write", "I will have to decline."
    r"\bi(?:'ll| will| must| would)?(?: have to| must| need to)?(?: \w+ly)? decline\b(?: to\b|[.,]| this\b| your\b)",
    # "As an AI language model", "Being an AI", "I'm just a chatbot", but not "As an AI researcher"
    rf"\b(?:as|being|i'm|i am) (?:just |only |merely |still )?an? (?:[\w-]+ )?{_AI}\b(?! (?:{_NO_AI}|of\b))(?:,| "
    rf"i\b| and| who"
    r"| that| without|[.;]| my\b| cannot| with| designed| trained| so\b| but)",
    r"\bmy (?:training data|knowledge cut-?off|last (?:knowledge )?update)\b|\btrained by "
    r"(?:openai|google|anthropic|meta)\b",
    # "against my safety guidelines"
    rf"\b(?:against|violates?|outside) (?:of )?(?:{_SOMEBODYS} )+{_POLICY}\b",
    r"\bi(?:'m| am) (?:sorry|afraid),? (?:but )?(?:this|that|the|your) (?:\w+ )?(?:request|task|prompt)\b",
    r"\b(?:it|this) (?:is|would be|wouldn't be|would not be|isn't) (?:not )?(?:in)?appropriate for me to\b",
    r"\bi (?:do not|don't) have (?:personal (?:feelings|opinions|experiences)|a physical body|taste buds)\b",
)

# Said in the first two sentences, and not in a letter, these decline or ask back.
_REGRET = words("sorry apologize apologise apologies unfortunately afraid regret understand appreciate")
_MAKE = words(
    "provide create creating generate generating produce draft write writing help complete identify identifying answer "
    "recognize offer give giving make do compose craft tell discuss comment describe describing respond review "
    "reviewing "
    "rate judge profile speculate imagine invent assist support advise guess"
)
_NO_REFUSAL = one_of(  # "I cannot give it enough stars", "I can't help but smile", "I can't describe how …"
    "but", r"(?:\w+ ){0,3}enough", "myself", "a bad", "a single", r"\w+ing\b", r"how\b", r"it\b",
    "you how", "justice", "without",
)  # fmt: skip
_SCRUPLES = words("privacy safety ethical ethics legal copyright policy security")
_OPENING_DECLINES = compile_any(
    rf"^(?:[^.!?]{{0,60}}\b{_REGRET}\b[^.!?]{{0,60}})?{_I_CANNOT} {_MAKE}\b(?! {_NO_REFUSAL})",
    rf"^[^.!?]{{0,80}}\b{_SCRUPLES}\b[^.!?]{{0,40}}{_I_CANNOT}\b",  # "For privacy reasons, I won't …"
    # "I'd rather not take sides", "I would prefer not to write …"
    r"\bi(?:'d| would) (?:rather|prefer) not (?:to )?"
    rf"(?:{_MAKE}|take (?:a )?(?:sides?|position|stance)|engage|share)\b",
    # "There is not enough information to …", "Without further context …"
    rf"\b(?:there is|there's|i have|i do|i was) ?(?:not|n't)? ?(?:enough|insufficient|given enough|too little) "
    rf"{_KNOWLEDGE}\b",
    rf"\b(?:insufficient|not enough|lack of) {_KNOWLEDGE}\b",
    rf"\bwithout (?:more|further|additional|any) {_KNOWLEDGE}\b",
    r"\bi (?:have no way (?:of|to)|do not have any way to) know",
    # "Could you please tell me more?", "Please provide the text.", "I need more context"
    rf"\b(?:could|can|would) you (?:please )?{_ASK}\b[^.!?]{{0,40}}"
    rf"\b{one_of(_KNOWLEDGE, 'descriptions?', 'more', 'like')}\b",
    rf"\bplease {_ASK}(?: me)?(?: with)? {_MORE} (?:\w+ )?"
    rf"{one_of(_KNOWLEDGE, 'clarification', 'descriptions?', 'text')}\b",
    rf"\bi(?:'d| would|'ll| will)? need (?:some |a bit )?(?:more|additional|further) {_KNOWLEDGE}\b",
    r"\bwould you like me to\b|\bdo you want me to\b|\bwhat (?:kind|type|sort) of \w+ (?:would|do) you\b",
    r"\bplease let me know (?:the|which|what|your|more)\b",
    # "I must refrain from …", "I'm going to pass on this one", "I don't think it would be right for me to …"
    r"\bi(?:'ll| will| must| have to|(?:'m| am) going to)(?: have to)? (?:refrain|abstain|pass on (?:this|that))\b",
    r"\b(?:not|n't)\b[^.!?]{0,20}\bbe (?:right|appropriate|ethical|fair|respectful) for me to\b",
    r"\b(?:cannot|can't) be (?:determined|known|inferred) from\b",
    # "It is not possible to determine …"
    r"^(?:sorry|unfortunately|i'm sorry|i am sorry)?[, ]*(?:but )?it(?:'s| is) (?:not possible|impossible) (?:for me )?"
    rf"to {words('create write provide generate determine give produce answer make say')}\b",
    r"^(?:sorry|no|unanswerable|not applicable|n/a|i (?:do not|don't) know)[,. !]*$",
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

# Said anywhere, these speak of an image that is not there.
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
    rf"\b{_IMAGE} (?:did|does|do|has) ?(?:not|n't) (?:seem to |appear to )?(?:load|attach|upload)\b",
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

# Said in the first two sentences, and not in a letter, these do so too.
_NOT = one_of(
    "can't", "cannot", "couldn't", "won't", "unable", "not", "(?:do|does|did|is|was|am|are|has|have)(?: not|n't)",
)  # fmt: skip
_ARRIVE = one_of(
    "showing", "load(?:ed|ing)?", "display(?:ed|ing)?", "appear(?:ing)?", "attach(?:ed)?", "upload(?:ed)?", "included",
    "com(?:e|ing) through", "arrived?", "received?",
)  # fmt: skip
_VISUAL = "visual (?:input|information|content|access|data|context|abilit|capabilit|perception)"
_OPENING_BLIND = compile_any(
    # "I don't currently support image inputs", "I'm unable at present to open your picture"
    rf"\b(?:i|i'm|my \w+)\b[^.!?]{{0,40}}\b{_NOT}\b[^.!?]{{0,30}}\b(?:{_SEE}|support|handle|accept)\b"
    rf"[^.!?]{{0,20}}\b(?:{_VISUAL}\w*|image (?:inputs?|files?|processing)|(?:the|this|your|any|an) {_IMAGE})\b"
    r"(?! (?:without|of|from|being|as))",
    rf"\b(?:no|without|without any|lack|don't have|do not have|don't have any|have no) (?:\w+ )?{_VISUAL}",
    rf"\b{_IMAGE}\b[^.!?]{{0,30}}\b{_NOT}\b[^.!?]{{0,15}}\b{_ARRIVE}\b",  # "the picture isn't showing up"
    # "You haven't included the photo", "Your message contains no photograph"
    rf"\byou(?:'ve| have| did| may| might)?(?: ?not|n't)\b[^.!?]{{0,15}}\b(?:includ|attach|upload|provid|shar|sen[dt])"
    rf"[^.!?]{{0,20}}\b{_IMAGE}\b",
    rf"\byour (?:message|request|prompt|question)\b[^.!?]{{0,20}}(?:\bno|n't|\bnot)\b[^.!?]{{0,20}}\b{_IMAGE}\b",
    # "There doesn't seem to be an image attached"
    rf"\bthere\b[^.!?]{{0,25}}(?:\bno|n't|\bnot)\b[^.!?]{{0,25}}\b{_IMAGE}\b(?! (?:of|on|as|more|that))",
    rf"\b(?:forgot|forgotten) to (?:attach|upload|include)\b|\b(?:re-?)?(?:upload|attach|send)(?:ing)? (?:it|the "
    rf"{_IMAGE}) "
    r"(?:again|once more)\b",
    r"\bi (?:can )?only (?:have access to|process|work with|read|handle|see|understand) text\b",
    r"\b(?:limited to text|with text (?:alone|only))\b",
)


def refusal(candidate: Candidate, config: FilterConfig) -> str | None:
    """Find an answer that declines the task, asks back, or speaks of itself as an AI."""
    text = plain(without_speech(candidate.answer))
    anywhere = None if _ABOUT_AI.search(plain(candidate.instruction)) else _DECLINES.search(text)
    if found := _quoted(text, anywhere) or _in_opening(text, _OPENING_DECLINES):
        return f"found {found}, expected an answer to the instruction"
    return None


def cannot_see(candidate: Candidate, config: FilterConfig) -> str | None:
    """Find an answer that says that it has no image before it."""
    text = plain(without_speech(candidate.answer))
    if found := _quoted(text, _CANNOT_SEE.search(text)) or _in_opening(text, _OPENING_BLIND):
        return f"found {found}, expected an answer written by one who sees the image"
    return None


def _quoted(text: str, found: re.Match[str] | None) -> str | None:
    return excerpt(text, *found.span()) if found else None


def _in_opening(text: str, pattern: re.Pattern[str]) -> str | None:
    """Return what matches in the first two sentences, quoted; a letter is written in its sender's name."""
    if _LETTER.match(text):
        return None
    for sentence in sentences(text)[:2]:
        bare = sentence.lstrip('"*_# ')
        if found := pattern.search(bare):
            return excerpt(bare, *found.span())
    return None
