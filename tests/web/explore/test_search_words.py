"""What people type, as terms that no search engine stumbles over."""

from __future__ import annotations

import re
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("starlette")

from mminstruct.web.explore.replies import Refused
from mminstruct.web.explore.search_words import Term, read_terms


class TestReadTerms:
    @pytest.mark.parametrize(
        ("typed", "terms"),
        [
            ("harbour", [Term(("harbour",))]),
            ("  harbour\tboat ", [Term(("harbour",)), Term(("boat",))]),
            ('"red bike"', [Term(("red", "bike"))]),
            ('"red bike', [Term(("red", "bike"))]),
            ('say "red bike"!', [Term(("say",)), Term(("red", "bike"))]),
            ("lant*", [Term(("lant",), True)]),
            ('"red bi"*', [Term(("red", "bi"), True)]),
            ("don't", [Term(("don", "t"))]),
            ("NEAR(a b)", [Term(("NEAR", "a")), Term(("b",))]),
            ("text: -boat", [Term(("text",)), Term(("boat",))]),
            ("日本 Ωmega ４２", [Term(("日本",)), Term(("Ωmega",)), Term(("42",))]),
            ("", []),
            ("\"'*!- …", []),
            ("***", []),
        ],
    )
    def test_terms(self, typed: str, terms: list[Term]) -> None:
        assert read_terms(typed) == terms

    def test_more_than_anybody_types_is_refused(self) -> None:
        assert len(read_terms("a " * 32)) == 32
        with pytest.raises(Refused, match="33 words"):
            read_terms("a " * 33)

    @given(st.text(max_size=60))
    def test_no_text_makes_a_search_fail(self, typed: str) -> None:
        terms = read_terms(typed)
        with sqlite3.connect(":memory:") as connection:
            connection.execute("CREATE VIRTUAL TABLE words USING fts5(text, tokenize='unicode61 remove_diacritics 2')")
            connection.execute("INSERT INTO words VALUES (?)", [typed.encode("utf-8", "replace").decode()])
            if terms:
                query = " ".join(term.for_sqlite() for term in terms)
                connection.execute("SELECT count(*) FROM words WHERE words MATCH ?", [query]).fetchone()
        connection.close()

    @given(st.lists(st.text("abcé'\"*:^-+(){} ", max_size=12), max_size=4))
    def test_the_words_of_a_text_find_it(self, pieces: list[str]) -> None:
        text = " ".join(pieces)
        words = re.findall(r"[^\W_]+", text)
        terms = read_terms(" ".join(words))
        assert [term.words for term in terms] == [(word,) for word in words]
