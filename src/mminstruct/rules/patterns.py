"""How the rules on wording write their patterns: lists of phrases, each with an example beside it.

Patterns are matched against `texts.plain` text: caseless, straight quotes.
"""

from __future__ import annotations

import re


def one_of(*phrases: str) -> str:
    """Return a pattern that matches any of the phrases, each a pattern itself.

    >>> one_of("see", "look at")
    '(?:see|look at)'
    """
    return f"(?:{'|'.join(phrases)})"


def words(listed: str) -> str:
    """Return a pattern that matches any of the words, listed with spaces between them.

    >>> words("image picture")
    '(?:image|picture)'
    """
    return one_of(*listed.split())


def compile_any(*patterns: str) -> re.Pattern[str]:
    """Compile patterns into one that finds the first place where any of them matches; ^ and $ are a line's ends."""
    return re.compile("|".join(patterns), re.MULTILINE)
