"""What people type into the search box, as terms: words, "quoted phrases" and beginnings*, all of which must be there.

    harbour "red bike" lant*   ─►  Term(("harbour",)), Term(("red", "bike")), Term(("lant",), is_prefix=True)

A term goes to SQLite's full-text index or, for rows that are not in it yet, to DuckDB as a regular expression; both see
words alike: letters and digits of any script, caseless, without accents.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from mminstruct.web.explore.replies import Refused

_MOST_TERMS = 32
_TYPED = re.compile(r'"([^"]*)"?(\*?)|([^\s"]+)')
_WORD = re.compile(r"[^\W_]+")
_NO_WORD = r"[^\p{L}\p{N}]"  # RE2's; what separates words


@dataclass(frozen=True, slots=True)
class Term:
    """Words that follow each other; the last may go on where `is_prefix`."""

    words: tuple[str, ...]
    is_prefix: bool = False

    def for_sqlite(self) -> str:
        """Return the term in FTS5's syntax; words have no quotation marks in them."""
        return f'"{" ".join(self.words)}"' + (" *" if self.is_prefix else "")

    def for_duckdb(self) -> str:
        """Return a regular expression for a text without accents in lower case."""
        plain = [re.escape(_plain(word)) for word in self.words]
        return f"(?:^|{_NO_WORD}){f'{_NO_WORD}+'.join(plain)}" + ("" if self.is_prefix else f"(?:$|{_NO_WORD})")


def read_terms(typed: str) -> list[Term]:
    """Return the terms of what was typed; none where there is no word in it. Raises Refused for more than 32.

    >>> read_terms('harbour "red bike" lant*')[1:]
    [Term(words=('red', 'bike'), is_prefix=False), Term(words=('lant',), is_prefix=True)]
    """
    terms = []
    for phrase, star, word in _TYPED.findall(unicodedata.normalize("NFKC", typed)):
        words = tuple(_WORD.findall(phrase or word))
        if words:
            terms.append(Term(words, bool(star) or word.endswith("*")))
    if len(terms) > _MOST_TERMS:
        raise Refused(400, f"The search has {len(terms)} words and phrases; use at most {_MOST_TERMS}.")
    return terms


def _plain(word: str) -> str:
    """Return the word in lower case without accents, as DuckDB's strip_accents and lower make the text."""
    parts = unicodedata.normalize("NFD", word)
    return "".join(part for part in parts if not unicodedata.combining(part)).lower()
