"""The rule wrong_language, by py3langid (langid's model of 97 languages) and by the letters' script."""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Protocol, cast

from mminstruct.config.filter import FilterConfig
from mminstruct.errors import MissingExtraError
from mminstruct.near_copies import split_words
from mminstruct.rules.candidate import Candidate
from mminstruct.rules.patterns import compile_any, words
from mminstruct.texts import excerpt, plain

_NO_PROSE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+|[#@]\w+", re.DOTALL)
_WANTS_LANGUAGE = compile_any(
    r"\b(?:translat\w*|bilingual|multilingual|languages?)\b",
    rf"\b{words('french german spanish italian portuguese dutch chinese mandarin japanese korean arabic')}\b",
    rf"\b{words('russian hindi latin greek turkish polish swedish')}\b",
)
_LATIN_SCRIPT = re.compile(words("cs da de en es et fi fr hr hu id it lt lv ms nb nl nn no pl pt ro sk sl sv tr vi"))


class _Identifier(Protocol):
    def classify(self, text: str) -> tuple[str, float]: ...


def wrong_language(candidate: Candidate, config: FilterConfig) -> str | None:
    """Find an answer with too large a share of its words in paragraphs of another language.

    Raises MissingExtraError where py3langid is not installed.
    """
    if config.language is None or _WANTS_LANGUAGE.search(plain(candidate.instruction)):
        return None
    text = _NO_PROSE.sub(" ", candidate.answer)
    return _foreign_script(text, config, config.language) or _foreign_paragraphs(text, config, config.language)


def _foreign_script(text: str, config: FilterConfig, language: str) -> str | None:
    """Judge by the script: half a sentence in another one is found, however short."""
    if not _LATIN_SCRIPT.fullmatch(language) or text.isascii():
        return None
    answered = split_words(text)
    foreign = [
        word for word in answered if word[0].isalpha() and not unicodedata.name(word[0], "LATIN").startswith("LATIN")
    ]
    share = len(foreign) / len(answered) if len(answered) >= config.min_language_words else 0.0
    if share <= config.max_foreign_share:
        return None
    return f"{share:.0%} of the words are not in Latin script ({excerpt(' '.join(foreign))}), expected '{language}'"


def _foreign_paragraphs(text: str, config: FilterConfig, language: str) -> str | None:
    paragraphs = [part for part in text.split("\n") if len(split_words(part)) >= config.min_language_words]
    whole = " ".join(text.split())
    if not paragraphs and len(split_words(whole)) >= config.min_language_words:
        paragraphs = [whole]
    identifier = language_identifier()
    n_words, n_foreign, found = 0, 0, ""
    for paragraph in paragraphs:
        size = len(split_words(paragraph))
        n_words += size
        detected, confidence = identifier.classify(paragraph)
        if detected != language and confidence >= config.min_language_confidence:
            n_foreign += size
            found = found or f"found '{detected}' with confidence {confidence:.2f} in {excerpt(paragraph)}"
    if not n_foreign or n_foreign / n_words <= config.max_foreign_share:
        return None
    return f"{found}, expected '{language}' (language)"


@functools.lru_cache(maxsize=1)
def language_identifier() -> _Identifier:
    """Load py3langid's model, once. Raises MissingExtraError where the package is not installed."""
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        needed_by = "The filter rule wrong_language (`filter.language: null` switches it off)"
        raise MissingExtraError("py3langid", needed_by, "pip install 'mminstruct[language]'") from error
    return cast(_Identifier, LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True))
