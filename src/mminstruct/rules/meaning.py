"""The rules that compare an answer with other texts: off_topic and near_duplicate_answer."""

from __future__ import annotations

from mminstruct.config.filter import FilterConfig
from mminstruct.near_copies import split_words
from mminstruct.rules.candidate import Candidate
from mminstruct.texts import content_stems


def shared_words(candidate: Candidate) -> set[str]:
    """Return the stems of the words with a meaning that the answer has in common with the description."""
    return content_stems(candidate.answer) & content_stems(candidate.description or "")


def is_in_doubt(candidate: Candidate, config: FilterConfig) -> bool:
    """Whether the answer shares so few words with the description that only an encoder can tell if it is on topic.

    One shared word is asked for in `words_per_shared_word` words, and no more than `min_shared_words` in all.
    """
    n_asked = len(split_words(candidate.answer)) // config.words_per_shared_word
    return len(shared_words(candidate)) < min(n_asked, config.min_shared_words)


def off_topic(candidate: Candidate, config: FilterConfig) -> str | None:
    """Find an answer that shares with the description neither words nor meaning (`Candidate.similarity`)."""
    similarity = candidate.similarity
    if similarity is None or similarity >= config.min_description_similarity or not is_in_doubt(candidate, config):
        return None
    shared = ", ".join(sorted(shared_words(candidate))) or "none"
    return (
        f"similarity to the description is {similarity:.2f}, expected {config.min_description_similarity} or more "
        f"(min_description_similarity), or {config.min_shared_words} shared words (min_shared_words); shared: {shared}"
    )


def near_duplicate_answer(candidate: Candidate, config: FilterConfig) -> str | None:
    """Find an answer that repeats an earlier kept one (`Candidate.twin_id`)."""
    if not candidate.twin_id:
        return None
    least = config.near_duplicate_similarity
    return f"repeats the answer of {candidate.twin_id} with a similarity of {least} or more (near_duplicate_similarity)"
