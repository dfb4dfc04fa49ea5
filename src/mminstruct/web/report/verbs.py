"""An instruction's first verb and what it asks for, by a rule of thumb, in English only.

    "Write a short poem about the mood of the image."  →  write, poem

No parser and no word classes: the verb is the first word (after a preface such as "Please"), the object the last word
before the first word that ends a noun phrase. It is right for most instructions and wrong for some; the page says so.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*|[^\s\w]|\d+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PREFACES = _words("please can could would will you kindly now then")
_BEFORE_THE_NOUN = _words(
    """a an the this that these those my your his her its our their one two three four five six seven eight nine ten
    some any each every several few many all both me us them him it up out down back off on one's"""
)
_ENDS = _words(
    """about above across after against along among around as at before behind below beneath beside between beyond by
    during for from in inside into like near of off on onto over per since than through throughout to toward towards
    under until upon via with within without and or but nor so yet because if when where while who whom whose which that
    what why how whether using featuring including describing showing capturing explaining telling celebrating based
    inspired set written is are was were be has have had can could may might must should would will"""
)
_PARTICLES = _words("up out down back off on")


def verb_and_object(instruction: str) -> tuple[str, str]:
    """Return the first verb and its object, caseless; the object is empty where the rule finds none.

    >>> verb_and_object("Write a short poem about the image."), verb_and_object("Explain how it works.")
    (('write', 'poem'), ('explain', ''))
    """
    words = _WORD.findall(instruction.casefold())
    while words and (words[0] in _PREFACES or not words[0][0].isalpha()):
        del words[0]
    if not words:
        return "", ""
    verb, rest = words[0], words[1:]
    if rest and rest[0] in _PARTICLES:
        rest = rest[1:]
    noun = ""
    for word in rest:
        if word in _ENDS or not word[0].isalnum():
            break
        if word not in _BEFORE_THE_NOUN and word[0].isalpha():
            noun = word
    return verb, _singular(noun)


def _singular(noun: str) -> str:
    """Return a plural without its s, so that "slogan" and "slogans" count as one.

    >>> _singular("slogans"), _singular("stories"), _singular("canvas"), _singular("dress")
    ('slogan', 'story', 'canvas', 'dress')
    """
    if noun.endswith("ies") and len(noun) > 4:
        return f"{noun[:-3]}y"
    if noun.endswith(("ches", "shes", "sses", "xes")):
        return noun[:-2]
    if noun.endswith("s") and not noun.endswith(("ss", "us", "is", "as")) and len(noun) > 3:
        return noun[:-1]
    return noun
