import builtins
from typing import Any

import pytest

from mminstruct.config.filter import FilterConfig
from mminstruct.errors import MissingExtraError
from mminstruct.rules.candidate import Candidate
from mminstruct.rules.language import language_identifier, wrong_language

GERMAN = "Der See liegt still, und ein Reiher wartet auf seinem Stein bis zum Abend."
ENGLISH = "The lake lies still, and a heron waits on its stone until the evening comes."


def judge(answer: str, instruction: str = "Write about the lake.", config: FilterConfig | None = None) -> str | None:
    return wrong_language(Candidate("a1", instruction, answer), config or FilterConfig())


class TestWrongLanguage:
    def test_another_language(self) -> None:
        detail = judge(GERMAN)
        assert detail is not None
        assert detail.startswith("found 'de' with confidence 1.00 in 'Der See liegt still")
        assert detail.endswith("expected 'en' (language)")

    def test_the_language_asked_for(self) -> None:
        assert judge(ENGLISH) is None
        assert judge(GERMAN, config=FilterConfig(language="de")) is None
        assert judge(ENGLISH, config=FilterConfig(language="de")) is not None

    def test_another_script(self) -> None:
        detail = judge("The lake is calm. 湖面平静如镜,一只苍鹭站在石头上。")
        assert detail is not None
        assert "are not in Latin script" in detail

    def test_a_word_in_another_script_is_welcome(self) -> None:
        assert judge("The sign beside the lake says 出口, which is the word for exit in this country.") is None

    def test_short_answers_are_not_judged(self) -> None:
        short = "Der See liegt still und kalt."
        assert judge(short) is None
        assert judge(short, config=FilterConfig(min_language_words=6)) is not None

    def test_the_share_of_foreign_paragraphs(self) -> None:
        mixed = f"{ENGLISH}\n{GERMAN}"
        assert judge(mixed) is not None
        assert judge(mixed, config=FilterConfig(max_foreign_share=0.6)) is None

    def test_an_instruction_may_ask_for_another_language(self) -> None:
        assert judge(GERMAN, "Write about the lake in German.") is None

    def test_no_language_no_judgement(self) -> None:
        assert judge(GERMAN, config=FilterConfig(language=None)) is None

    def test_code_hashtags_and_links_are_no_language(self) -> None:
        assert (
            judge("#reiher #wasser #stille #abend #see #boot #ruder #licht #himmel #wolken #schilf https://see.de")
            is None
        )

    def test_half_a_surrogate_pair_is_no_crash(self) -> None:
        assert judge(ENGLISH + " \ud83d") is None

    def test_a_missing_package_says_how_to_install_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = builtins.__import__

        def without(name: str, *arguments: Any) -> Any:
            if name.startswith("py3langid"):
                raise ImportError(name)
            return real(name, *arguments)

        language_identifier.cache_clear()
        monkeypatch.setattr(builtins, "__import__", without)
        with pytest.raises(MissingExtraError, match=r"pip install 'mminstruct\[language\]'"):
            judge(ENGLISH)
