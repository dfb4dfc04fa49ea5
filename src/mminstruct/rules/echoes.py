"""The rule prompt_echo: the answer repeats the instruction, the prompt around it, or the description."""

from __future__ import annotations

from mminstruct.config.filter import FilterConfig
from mminstruct.near_copies import split_words
from mminstruct.rules.candidate import Candidate
from mminstruct.rules.patterns import compile_any
from mminstruct.texts import excerpt, plain, word_runs

_RUN = 5  # words: shorter runs are shared by chance, longer ones hide behind one changed word
_FEWEST_INSTRUCTION_WORDS = 5  # a shorter instruction ("Write a poem.") may stand in an answer by chance
_PROMPT_PARTS = compile_any(
    r"^\W{0,4}(?:instructions? [0-9]+|image description|description of the image|user instruction)\W{0,3}:",
    r"^\W{0,4}(?:example|sample|your) (?:[0-9]+ )?(?:answer|instruction|response|task)\W{0,3}:",
    r"\byou are an? (?:helpful|expert|ai) (?:\w+ )?assistant\b",
    r"\byour task is to\b",
    r"\bdo not (?:mention|refer to|speak of) (?:the|a|any) (?:description|caption)\b",
    r"\b(?:system|user) prompt\b",
    r"^\W{0,4}(?:here is|here's) the (?:instruction|task|prompt)\b",
)


def prompt_echo(candidate: Candidate, config: FilterConfig) -> str | None:
    """Find the instruction word for word, a part of the prompt, or a copy of the description, in the answer."""
    words = split_words(candidate.answer)
    if echo := _instruction_echo(words, split_words(candidate.instruction)):
        return echo
    text = plain(candidate.answer)
    if found := _PROMPT_PARTS.search(text):
        return f"found {excerpt(text, *found.span())}, a part of the prompt"
    return _description_copy(words, split_words(candidate.description or ""), config)


def _instruction_echo(words: list[str], instruction: list[str]) -> str | None:
    if len(instruction) < _FEWEST_INSTRUCTION_WORDS:
        return None
    if f" {' '.join(instruction)} " in f" {' '.join(words)} ":
        return f"found the whole instruction in the answer: {excerpt(' '.join(instruction))}"
    if len(words) < 2 * len(instruction):
        runs, asked = word_runs(words, 3), set(word_runs(instruction, 3))
        share = sum(run in asked for run in runs) / len(runs) if runs else 0.0
        if share >= 0.6:
            return f"{share:.0%} of the answer's three-word runs stand in the instruction, expected under 60%"
    return None


def _description_copy(words: list[str], description: list[str], config: FilterConfig) -> str | None:
    described = set(word_runs(description, _RUN))
    copied = [run in described for run in word_runs(words, _RUN)]
    if not copied or not any(copied):
        return None
    share = sum(copied) / len(copied)
    if share > config.max_copied_share:
        return (
            f"{share:.0%} of the answer's five-word runs stand in the description, expected at most "
            f"{config.max_copied_share:.0%} (max_copied_share)"
        )
    start, longest = _longest_stretch(copied)
    n_copied = longest + _RUN - 1
    if n_copied <= config.max_copied_words:
        return None
    quoted = excerpt(" ".join(words[start : start + n_copied]))
    return f"{n_copied} words in a row stand in the description ({quoted}), expected at most {config.max_copied_words}"


def _longest_stretch(flags: list[bool]) -> tuple[int, int]:
    """Return where the longest stretch of True starts and how long it is."""
    best_start, best_length, start = 0, 0, 0
    for position, flag in enumerate([*flags, False]):
        if flag:
            continue
        if position - start > best_length:
            best_start, best_length = start, position - start
        start = position + 1
    return best_start, best_length
