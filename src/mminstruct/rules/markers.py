"""The rules role_marker (chat and prompt tokens in the answer) and placeholder (blanks that were never filled)."""

from __future__ import annotations

import re

from mminstruct.config.filter import FilterConfig
from mminstruct.rules.candidate import Candidate
from mminstruct.rules.patterns import compile_any, one_of, words
from mminstruct.texts import excerpt, plain, speakers

_TOKENS = compile_any(
    r"<\|[\w ]{1,30}\|>",  # <|im_start|>
    r"\[/?inst\]|<</?sys>>|</?s>",
    rf"<(?:start|end)_of_turn>|<{words('bos eos pad unk image im_patch video user assistant human bot')}>",
    r"\b(?:im_start|im_end|endoftext)\b",
    # "### Response:", or the same alone on its line
    rf"^[ >*]*#{{2,4}} ?{words('instructions? response input output human assistant user system answer')}\s*:",
    rf"^[ >*]*#{{2,4}} ?{words('instruction response human assistant user system')}\s*$",
)
_SURE_ROLES = frozenset({"user", "assistant", "human", "gpt", "chatgpt", "ai", "ai assistant", "chatbot"})
_ROLES = _SURE_ROLES | {"system", "bot"}
_WANTS_SPEAKERS = re.compile(
    rf"\b{words('dialogue dialog conversation script interview chat play scene skit sketch talk exchange')}s?\b"
)

_WANTS_BLANKS = re.compile(r"\b(templates?|fill[- ]in|blanks?|mad libs?|worksheet|form letter|placeholders?)\b")
_WANTS_GAPS = re.compile(
    rf"\b{words('quiz question exercise game form sheet card label log riddle puzzle list certificate')}"
)
_GAP = re.compile(r"_{5,}")
_CODE_BLOCK = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_BLANK = one_of(
    words(
        "names? dates? times? address numbers? emails? e-mail links? websites? urls? prices? city town location place "
        "recipient signature title company brand product country state venue handle hashtags? amount age position "
        "school team flag logo image picture photo store restaurant day month year contact discount customer client "
        "guest "
        "reader recipient friend neighbor neighbour member organizer"
    ),
    "phone number", "email address", "job title", "(?:discount|promo) code", "contact (?:information|info|details)",
)  # fmt: skip
_OF_WHAT = words(
    "the a an my our your company brand product store shop restaurant contact first last full phone website event "
    "start end city hotel venue friend's customer's recipient's sender's artist's author's bride's groom's business "
    "school organization organisation destination social media photographer's specific relevant street email current "
    "today's pet pet's dog's cat's owner's country's"
)
_NAMED_BLANK = rf"(?:{_OF_WHAT} )*{_BLANK}"
_PLACEHOLDERS = compile_any(
    # "[Your Name]", "[insert the date]", "[Company Name]", but not a link "[name](https://…)", "[Chorus]", "[Scene 1]"
    rf"\[(?:please )?(?:{words('your insert add enter fill put include choose specify')})\b[^\]\n]{{0,80}}\](?!\()",
    rf"\[{_NAMED_BLANK}(?: here| goes here|(?: and |/){_BLANK})?\](?!\()",
    rf"<(?:your|insert|{_NAMED_BLANK})\b[ _\w]{{0,50}}>",  # "<insert photo here>"
    rf"\{{\{{ ?\w+ ?\}}\}}|\{{(?:your|insert)?[ _]?{_BLANK}\}}",  # "{{shop_name}}", "{name}"
    rf"\((?:your|insert|add|enter) (?:\w+ ){{0,4}}{one_of('here', _BLANK)}\)",
    rf"\binsert (?:\w+ ){{0,3}}{_BLANK} here\b",
    r"\{[a-z]+(?:_[a-z]+)+\}|\b(?:your|town|city|company|brand|product|shop|business|team) name here\b",
    r"[$€£]x+(?:\.x+)?\b|\bx{2,}%|\bxx/xx\b|\bxxx-xxx|\bdd/mm|\bx{2,}:x{2,}",  # "$XX.XX"
    rf"@your ?\w*{words('handle brand name company store shop business')}\w*|#your\w*(?:brand|name|company|hashtag)\w*",
    rf"\byour{words('website company brand store shop business domain link restaurant hotel')}\w*\.(?:com|org|net)\b",
    r"\bwww\.example\.\w+|\bname@example\b|\blorem ipsum\b",
    r"^\(?(?:your (?:full )?name(?: here)?|your company(?: name)?|your signature|signature)\)?[.,]?$",  # as a signature
    r"\bxyz (?:company|brand|corp|corporation|inc|store|street)\b|\b(?:company|brand|product|store) xyz\b",
)


def role_marker(candidate: Candidate, config: FilterConfig) -> str | None:
    """Find control tokens of chat formats, and turns of "USER:" and "ASSISTANT:" that nobody asked for."""
    text = plain(candidate.answer)
    if found := _TOKENS.search(text):
        return f"found {excerpt(text, *found.span())}, a control token of a chat or prompt format"
    names = [name.casefold() for name in speakers(candidate.answer)]
    instruction = plain(candidate.instruction)
    roles = [name for name in names if name in _ROLES and name not in instruction]
    if not any(role in _SURE_ROLES for role in roles):
        return None
    if _WANTS_SPEAKERS.search(instruction) and any(name not in _ROLES for name in names):
        return None  # a play in which one speaker happens to be called "Human" or "Assistant"
    shown = ", ".join(f"'{role}:'" for role in dict.fromkeys(roles))
    return f"found lines that open with {shown}, expected the answer alone"


def placeholder(candidate: Candidate, config: FilterConfig) -> str | None:
    """Find a blank to be filled in, unless the instruction asks for a template or the like."""
    if _WANTS_BLANKS.search(plain(candidate.instruction)):
        return None
    text = plain(_CODE_BLOCK.sub("", candidate.answer)).replace("**", "")
    found = _PLACEHOLDERS.search(text)
    if found is None and not _WANTS_GAPS.search(plain(candidate.instruction)):
        found = _GAP.search(text)
    if found is None:
        return None
    return f"found {excerpt(text, *found.span())}, expected the words that belong there"
