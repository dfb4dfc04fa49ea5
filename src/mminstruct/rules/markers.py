"""The rules role_marker (chat and prompt tokens in the answer) and placeholder (blanks that were never filled)."""

from __future__ import annotations

import re

from mminstruct.config.filter import FilterConfig
from mminstruct.rules.candidate import Candidate
from mminstruct.texts import excerpt, plain, speakers

_TOKENS = re.compile(
    r"<\|[\w ]{1,30}\|>|\[/?INST\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk|image|im_patch|video)>|"
    r"^[ >*]*#{2,4} ?(?:Instructions?|Response|Input|Output|Human|Assistant|User|System|Answer)\s*:|"
    r"^[ >*]*#{2,4} ?(?:Instruction|Response|Human|Assistant|User|System)\s*$|<(?:user|assistant|human|bot)>|"
    r"\b(?:im_start|im_end|endoftext)\b",
    re.MULTILINE | re.IGNORECASE,
)
_ROLES = frozenset({"user", "assistant", "human", "gpt", "chatgpt", "ai assistant", "ai", "system", "chatbot", "bot"})
_SURE_ROLES = frozenset({"user", "assistant", "human", "gpt", "chatgpt", "ai assistant"})
_WANTS_SPEAKERS = re.compile(
    r"\b(dialogue|dialog|conversation|script|interview|chat|play|scene|skit|sketch|talk|exchange)s?\b"
)

_WANTS_BLANKS = re.compile(r"\b(templates?|fill[- ]in|blanks?|mad libs?|worksheet|form letter|placeholders?)\b")
_CODE_BLOCK = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_BLANK = (
    r"(?:names?|dates?|times?|address|phone(?: number)?|numbers?|e-?mail(?: address)?|links?|websites?|urls?|prices?|city|town|"
    r"location|place|recipient|signature|title|company|brand|product|country|state|venue|handle|hashtags?|amount|age|job title|"
    r"position|school|team|flag|logo|image|picture|photo|discount(?: code)?|promo code|store|restaurant|day|month|year|"
    r"contact(?: information| info| details)?)"
)
_OF_WHAT = (
    r"(?:(?:the|a|an|my|our|company|brand|product|store|shop|restaurant|contact|first|last|full|phone|website|event|start|end|"
    r"city|hotel|friend's|customer's|recipient's|sender's|artist's|author's|business|organi[sz]ation|school|destination|"
    r"social media|photographer's|specific|relevant|street|email|current|today's|pet|pet's|dog's|cat's|owner's) )*"
)
_PLACEHOLDERS = re.compile(
    "|".join(
        [
            r"\[(?:please )?(?:your|insert|add|enter|fill in|fill|put|include|choose|specify)\b[^\]\n]{0,80}\](?!\()",
            rf"\[{_OF_WHAT}{_BLANK}(?: here| goes here| and {_BLANK}|/{_BLANK})?\](?!\()",
            rf"[<{{]{{1,2}} ?(?:your|insert|{_OF_WHAT}{_BLANK})[ _\w]{{0,30}}[>}}]{{1,2}}",
            r"\((?:your|insert|add|enter) (?:\w+ ){0,4}(?:here|name|link|url|website|number|address|logo|photo|image|date|"
            r"company|brand|city|location)\)",
            r"\binsert (?:\w+ ){0,3}(?:name|link|url|photo|image|picture|logo|text|date|hashtag|handle|address)s? here\b",
            r"(?:\$|€|£)x+(?:\.x+)?\b|\bx{2,}%|\bxx/xx\b|\bxxx-xxx|\bdd/mm|\bx{2,}:x{2,}",
            r"@your ?\w*(?:handle|brand|name|company|store|shop|business)\w*|#your\w*(?:brand|name|company|hashtag)\w*",
            r"\b(?:www\.)?your(?:website|company|brand|store|shop|business|domain|link|restaurant|hotel)\w*\.(?:com|org|net)\b|"
            r"\bwww\.example\.\w+|\bname@example\b",
            r"\blorem ipsum\b",
            r"^(?:your (?:full )?name|your company(?: name)?|your signature|your name here|\(?signature\)?)[.,]?$",
            r"\b(?:company|brand|product|store) (?:x|xyz|abc)\b|\bxyz (?:company|brand|corp|corporation|inc|store|street)\b",
        ]
    ),
    re.MULTILINE,
)


def role_marker(candidate: Candidate, config: FilterConfig) -> str | None:
    """Find control tokens of chat formats, and turns of "USER:" and "ASSISTANT:" that nobody asked for."""
    if found := _TOKENS.search(candidate.answer):
        return f"found {excerpt(candidate.answer, *found.span())}, a control token of a chat or prompt format"
    names = [name.casefold() for name in speakers(candidate.answer)]
    instruction = plain(candidate.instruction)
    roles = [name for name in names if name in _ROLES and name not in instruction]
    if not any(role in _SURE_ROLES for role in roles):
        return None
    others = {name for name in names if name not in _ROLES}
    if _WANTS_SPEAKERS.search(instruction) and others:
        return None  # a play in which one speaker happens to be called "Human" or "Assistant"
    shown = ", ".join(f"'{role}:'" for role in dict.fromkeys(roles))
    return f"found lines that open with {shown}, expected the answer alone"


def placeholder(candidate: Candidate, config: FilterConfig) -> str | None:
    """Find a blank to be filled in, unless the instruction asks for a template or the like."""
    if _WANTS_BLANKS.search(plain(candidate.instruction)):
        return None
    text = plain(_CODE_BLOCK.sub("", candidate.answer)).replace("**", "")
    found = _PLACEHOLDERS.search(text)
    if found is None:
        return None
    return f"found {excerpt(text, *found.span())}, expected the words that belong there"
