"""The rule truncated_answer: the endpoint says so, or the answer stops in mid-sentence.

Much that is sound ends without a full stop: captions, poems, hashtags, lists, signatures, addresses. So a missing
full stop alone proves nothing: the rest of the answer must show that its writer does set them, and the endpoint must
not have said `stop`.
"""

from __future__ import annotations

import re

from mminstruct.config.filter import FilterConfig
from mminstruct.near_copies import split_words
from mminstruct.rules.candidate import Candidate
from mminstruct.rules.patterns import words
from mminstruct.texts import excerpt

_LENGTH_REASONS = frozenset({"length", "max_tokens", "model_length"})
_CLOSERS = "\"'”’»)]}*_~ \t"
_SENTENCE_END = ".!?…。！？"
_INNER_END = re.compile(r"[.!?…][\"'”’)*_]*\s+(?=[\"'“‘(*_]*[A-Z0-9])")
_LIST_ITEM = re.compile(r"^\s*(?:(\d+)[.)]|[-*•+–]|[a-zA-Z][.)])\s")
_BARE_MARKER = re.compile(r"^(?:(\d+)[.)]?|[-*•+]|#{1,6})$")
_SIGN_OFF = re.compile(r"^[A-Za-z ,']{1,30},$")
_SIGNED = re.compile(r", [A-Z]\w*$")  # "Wish you were here, love, Jo"
_OPEN_END = re.compile(r"(?:^|\W)(?:the|a|an|and|or|your|my|our|their|its|because|than|into|which|such as)$")
_WEAK_OPEN_END = re.compile(  # poems and captions may end so ("the place I come from"), written-out sentences do not
    r"\b"
    + words(
        "of to with for in on at by from as is are was were be that this his her can will would should has have if "
        "when while but between through about using use what how it's don't"
    )
    + "$",
    re.IGNORECASE,
)
_WORDS_OF_A_SENTENCE = 6  # a shorter last line may be a signature, a call to action, a heading


def truncated_answer(candidate: Candidate, config: FilterConfig) -> str | None:
    """Find an answer that ended at the token limit, or whose end is no end."""
    finish_reason = (candidate.finish_reason or "").strip().casefold()
    if finish_reason in _LENGTH_REASONS:
        return f"finish_reason is '{finish_reason}', expected 'stop'; it ends {_ending(candidate.answer)}"
    cut = _cut(candidate.answer, said_stop=finish_reason == "stop")
    return f"{cut}; it ends {_ending(candidate.answer)}" if cut else None


def _ending(answer: str) -> str:
    return excerpt(answer, max(0, len(answer.rstrip()) - 60), margin=0)


def _cut(answer: str, said_stop: bool) -> str | None:
    """Return how one can tell that the answer stops before its end, or None."""
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    if not lines:
        return None
    if sum(line.startswith("```") for line in lines) % 2:
        return "a code block is not closed"
    last, earlier = lines[-1], lines[:-1]
    if last.startswith("|"):
        return _cut_table(last, earlier)
    if last.startswith("```"):
        return None
    if marker := _BARE_MARKER.match(last):
        return _cut_marker(marker, earlier)
    bare = last.rstrip(_CLOSERS)
    if not bare or bare[-1] in _SENTENCE_END:
        return None
    return _open_end(bare, last, earlier) or _cut_sentence(bare, last, earlier, said_stop)


def _cut_table(last: str, earlier: list[str]) -> str | None:
    rows = [line for line in earlier if line.startswith("|")]
    if rows and all(row.endswith("|") for row in rows) and not last.endswith("|"):
        return "the last row of the table is not closed"
    return None


def _cut_marker(marker: re.Match[str], earlier: list[str]) -> str | None:
    """A list marker without its item; a lone number is one only where the item before it was counted."""
    number = marker.group(1)
    if number is None:
        return "the last line is a marker without text" if earlier else None
    before = f"{int(number) - 1}" if len(number) < 5 else ""
    counted = any(re.match(rf"{before}[.)]\s", line) for line in earlier) if before else False
    return "the last item of the list has no text" if counted else None


def _open_end(bare: str, last: str, earlier: list[str]) -> str | None:
    """Signs in the last characters alone."""
    end = bare[-1]
    if end == "," and not (earlier and _SIGN_OFF.match(last) and len(last.split()) <= 4):
        return "it ends with a comma"
    if end in ":;" and bare == last.rstrip("*_ ") and not re.search(r"\W[:;]$", bare):  # a smiley is no sentence part
        return f"it ends with '{end}'"
    if end in "([{":
        return f"it ends with '{end}'"
    if end in "-‐" and len(bare) > 1 and bare[-2].isalpha():
        return "it ends with a hyphen"
    if bare == last.rstrip("*_ ") and _OPEN_END.search(bare):
        return "its last word asks for another"
    return None


def _cut_sentence(bare: str, last: str, earlier: list[str], said_stop: bool) -> str | None:
    """A last sentence without its end, where the sentences before it have theirs."""
    if not bare[-1].isalnum() or re.search(r"(?:^|\s)[#@]\w+$|\w\.\w+$|https?://\S+$|\w/\w*$", bare):
        return None  # an emoji, a price, a hashtag, a link
    pieces = _INNER_END.split(last)
    fragment, n_ended = pieces[-1], len(pieces) - 1
    n_words = len(split_words(fragment))
    item = _item_kind(last)
    peers = [line for line in earlier if _item_kind(line) == item]
    if not item:
        peers = [line for line in peers if len(line.split()) >= _WORDS_OF_A_SENTENCE]
    ended = [_is_ended(peer) for peer in peers]
    writes_stops = n_ended + sum(ended) >= 1 and all(ended)
    if writes_stops and _WEAK_OPEN_END.search(bare):
        return "its last word asks for another"
    if said_stop:
        return None
    if item and len(ended) >= 2 and all(ended):
        return "the last item of the list has no end, the others have"
    if n_words < _WORDS_OF_A_SENTENCE or _is_title(fragment) or _SIGNED.search(fragment):
        return None
    if writes_stops and n_ended + sum(ended) >= 2:
        return "the last sentence has no end, the others have"
    return None


def _is_ended(line: str) -> bool:
    bare = line.rstrip(_CLOSERS)
    return bool(bare) and bare[-1] in _SENTENCE_END + ":"


def _item_kind(line: str) -> str:
    """Return what kind of list item a line is, so that steps are compared with steps and not with ingredients."""
    marker = _LIST_ITEM.match(line)
    if marker is None:
        return ""
    return "number" if marker.group(1) else marker.group().strip()[0]


def _is_title(text: str) -> bool:
    """Most words are capitalised or numbers: a title, a name, an address."""
    words = [word for word in re.findall(r"[\w']+", text) if len(word) > 3 or word[0].isupper() or word[0].isdigit()]
    return sum(not word[0].islower() for word in words) > len(words) / 2
