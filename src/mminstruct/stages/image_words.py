"""Which words of an instruction belong to single images: the one notion behind masking and over-specific drafts.

An instruction is written for an image, and the words that tie it to that image are those which the image's description
has as well. "Write a story about the giraffe in the grass" was written for a picture that is described with "giraffe"
and "grass", while no description speaks of a "story".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from mminstruct.texts import content_stems

_TOKEN = re.compile(r"[\w'’-]+|[^\w\s]")
_DETERMINERS = "a an the this that these those his her its their your my some one two three four five several many"
_SMALL_WORDS = "of in on at by with and near next to under over from up down into behind"
_BEFORE = frozenset(_DETERMINERS.split())
_INSIDE = _BEFORE | frozenset(_SMALL_WORDS.split())
_MASK = ("the", "image")
_MIN_IMAGES = 2  # what a single description names is always bound to its image

# What instructions call the things of an image in general; no image owns these words, rare as they may be.
_GENERAL_WORDS = """animal area atmosphere background building character city clothes color colour creature dish
    environment event family food foreground friend group home house item landscape light location main meal
    moment mood nature object outdoor outfit people person place plant plate product room scene season setting sky space
    story street style subject table team thing town vehicle visitor weather work"""
_GENERAL_STEMS = content_stems(_GENERAL_WORDS)


def mask_image_words(instruction: str, description: str) -> str:
    """Return the instruction with each phrase made of words of the description replaced by "the image".

    >>> mask_image_words("Write a poem about a woman riding a red bike.", "A woman rides on a red bike down a street.")
    'Write a poem about the image.'
    """
    bound = content_stems(description)
    tokens = _TOKEN.findall(instruction)
    is_bound = [bool(content_stems(token) & bound) for token in tokens]
    masked: list[str] = []
    position = 0
    while position < len(tokens):
        if position == 0 or not is_bound[position]:
            masked.append(tokens[position])
            position += 1
            continue
        while masked and masked[-1].casefold() in _BEFORE:
            masked.pop()
        position = _end_of_phrase(tokens, is_bound, position)
        owner = tokens[position - 1].endswith(("'s", "’s"))
        if tuple(masked[-2:]) != _MASK:
            masked.extend(["the", "image's"] if owner else _MASK)
    return _joined(masked)


def _end_of_phrase(tokens: list[str], is_bound: list[bool], start: int) -> int:
    """Return the position after the last bound word that only small words part from the one at `start`."""
    end = position = start + 1
    while position < len(tokens) and (is_bound[position] or _parts_no_phrase(tokens[position].casefold())):
        position += 1
        if is_bound[position - 1]:
            end = position
    return end


def _parts_no_phrase(word: str) -> bool:
    """Whether a word may stand inside a phrase: a small word, or what someone does ("a woman riding a bike")."""
    return word in _INSIDE or word.endswith(("ing", "ed"))


def _joined(tokens: list[str]) -> str:
    """Return the tokens as a text, no space before punctuation; "the image in the image" is said once."""
    text = re.sub(r"\s+([.,;:!?)])", r"\1", " ".join(tokens))
    return re.sub(r"\bthe image(?:,? (?:(?:of|in|on|at|by|with|and|near|to|from) )?the image)+\b", "the image", text)


def rare_words(descriptions: Iterable[str], min_share: float) -> frozenset[str]:
    """Return the stems of the things that too few descriptions name for an instruction that should suit many images.

    Too few are those fewer than `min_share` of all, and any single one. A share of 0 makes no word rare.
    """
    if not min_share:
        return frozenset()
    counts: Counter[str] = Counter()
    n_descriptions = 0
    for description in descriptions:
        n_descriptions += 1
        counts.update(content_stems(description))
    least = max(_MIN_IMAGES, min_share * n_descriptions)
    return frozenset(stem for stem, count in counts.items() if count < least) - _GENERAL_STEMS


def named_things(instruction: str, stems: frozenset[str]) -> list[str]:
    """Return the words of an instruction, in order, whose stems are among `stems`; its opening verb is no thing.

    >>> named_things("Write a story about the giraffe.", frozenset({"giraf", "write"}))
    ['giraffe']
    """
    return [word for word in _TOKEN.findall(instruction)[1:] if content_stems(word) & stems]
