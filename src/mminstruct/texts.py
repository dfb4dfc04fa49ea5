"""Small measures of texts: one spelling of quotes, sentences, runs of words, shared content words, quoted speech.

Words are those of `near_copies.split_words`: NFKC, caseless, without punctuation.
"""

from __future__ import annotations

import functools
import re
import unicodedata

from mminstruct.near_copies import split_words

_STRAIGHT = str.maketrans({"‘": "'", "’": "'", "ʼ": "'", "`": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"'})
_SENTENCE_BREAK = re.compile(r"(?<=[.!?…])[\"')\]*_]*\s+|(?<=[。！？])|\n+")
_QUOTED = re.compile(r'"[^"\n]{1,400}"')
_SPEAKER_LINE = re.compile(r"^\W{0,4}([A-Z][\w.'’&-]*(?: [\w.'’&-]+){0,3})\W{0,4}:", re.MULTILINE)
_REMEMBERED = 64  # texts: one rule after another asks for the same of an answer and its instruction
_WRAPPED = re.compile(r'\s*"([^"]*)"\s*')

# Words that say nothing about what a picture shows, and words that every description of a picture has.
_EMPTY_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        a about above across after all along also am an and any are around as at back background be been before behind
        being below beside between both but by can close could did do does down each every few for from front had has
        have he her here him his how i image in inside into is it its just left like many may might more most near
        next no not of off on one or other our out outside over own people person photo photograph picture right scene
        several she should show showing shows side so some such than that the their them then there these they this
        those through to top two under up very view was we were what when where which while who whose will with would
        you your
        """,
    )
)


@functools.lru_cache(maxsize=_REMEMBERED)
def plain(text: str) -> str:
    """Return the text caseless, in NFKC, with straight quotes, so that one pattern fits every way of typing it.

    >>> plain("I CAN’T see “it”")
    'i can\\'t see "it"'
    """
    return unicodedata.normalize("NFKC", text).translate(_STRAIGHT).casefold()


def sentences(text: str) -> list[str]:
    """Return the sentences and lines of a text, in order, without blank ones.

    >>> sentences("One. Two!\\nthree")
    ['One.', 'Two!', 'three']
    """
    return [part.strip() for part in _SENTENCE_BREAK.split(text) if part.strip()]


def word_runs(words: list[str], length: int) -> list[tuple[str, ...]]:
    """Return every run of `length` neighbouring words, in order; repeated runs come as often as they stand.

    >>> word_runs(["a", "b", "c"], 2)
    [('a', 'b'), ('b', 'c')]
    """
    return list(zip(*(words[start:] for start in range(length)), strict=False))


def content_stems(text: str) -> set[str]:
    """Return the words that carry meaning, cut to their first five characters so that "tree" and "trees" are near.

    >>> sorted(content_stems("The sailing boats and a sailor"))
    ['boat', 'saili', 'sailo']
    """
    return {_stem(word) for word in split_words(text) if len(word) > 2 and word not in _EMPTY_WORDS}


def _stem(word: str) -> str:
    singular = word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word
    return singular[:5]


@functools.lru_cache(maxsize=_REMEMBERED)
def without_speech(text: str) -> str:
    """Blank out what somebody in the text says: quotations, and the lines of a dialogue with two speakers or more.

    Quotation marks around the whole text are only wrapping and come off.

    >>> without_speech('The clerk said "I cannot help you" and left.')
    'The clerk said "" and left.'
    """
    straight = text.translate(_STRAIGHT)
    wrapped = _WRAPPED.fullmatch(straight)
    straight = wrapped.group(1) if wrapped else _QUOTED.sub('""', straight)
    if len({name.casefold() for name in speakers(straight)}) >= 2:
        kept = [line for line in straight.split("\n") if not _SPEAKER_LINE.match(line)]
        straight = "\n".join(kept)
    return straight


def speakers(text: str) -> list[str]:
    """Return the names that open a line and end with a colon, in order, repeated ones too.

    >>> speakers("**Anna:** Hello!\\nBen: Hi.")
    ['Anna', 'Ben']
    """
    return _SPEAKER_LINE.findall(text)


def excerpt(text: str, start: int = 0, end: int | None = None, margin: int = 30) -> str:
    """Return the part of a text from `start` to `end` with some characters around it, on one line, in quotes.

    >>> excerpt("one two three four", 4, 7, margin=4)
    "'one two thr…'"
    """
    end = len(text) if end is None else end
    end = min(end, start + 160)
    low, high = max(0, start - margin), min(len(text), end + margin)
    part = " ".join(text[low:high].split())
    return f"'{'…' if low else ''}{part}{'…' if high < len(text) else ''}'"
