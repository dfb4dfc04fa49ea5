"""A language model's reply → the one instruction in it, or why there is none.

    'Sure! Here is one:\\n\\n4. **"Plan a day at the place shown."**'  →  'Plan a day at the place shown.'

Models wrap what they were asked for: numbers, quotation marks, labels, a word before and an explanation after. All of
that is taken off. What remains must be a single request that does not bring its own answer. The word lists are
English; an instruction in another language passes by its form alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mminstruct.rows import Reason
from mminstruct.stages.instruction_words import ASKS, CONTINUES, LEADS_ON, MAKES, NO_REQUEST, STATES
from mminstruct.texts import excerpt

_THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_NUMBER = re.compile(r"^(?:\(?\d{1,2}[.):]|[-*•–])\s+")
_LABEL = re.compile(
    r"^(?:(?:one|a|the|your|my|new|general|final|single|possible|here is a|here's a)\s+)*"
    r"(?:instruction|task|prompt|request)(?:\s*#?\d+)?\s*[:—–]\s*",
    re.IGNORECASE,
)
_PREFACE = re.compile(
    r"^(?:sure|certainly|of course|okay|ok|absolutely|great|here(?:'s| is| are)|based on|given|for (?:this|the))\b.*:$"
    r"|^(?:sure|certainly|of course|okay|ok|absolutely)\b[^:]{0,40}[!.]$",
    re.IGNORECASE,
)
_AFTERWORD = re.compile(
    r"^\W*(?:explanation|note|reason|rationale|why|this (?:instruction|task|prompt|one)|let me know|i hope|it is)\b",
    re.IGNORECASE,
)
_ANSWER_LABEL = re.compile(r"\b(?:answer|response|output|example|solution|result|assistant)\s*:", re.IGNORECASE)
_LATER_NUMBER = re.compile(r"\s(?:[2-9][.)]|[•])\s+[A-Z]")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)]*\s+(?=[\"'“‘(]?[A-Z])")
_GIVEN_AWAY = re.compile(r"([^.!?:]*):\s*([\"“'‘](?:\S+\s+){4,}\S+)$")
_GIVES_WORDS = re.compile(
    r"\b(?:begin|clos|end|follow|includ|line|open|phrase|quot|sentence|start|theme|titl|use|using|word)"
)
_ENDED = re.compile(r"[.!?…。！？][\"'”’»)]*$")
_QUOTES = "\"'“”‘’«»`"
_MAX_OTHER_SENTENCES = 1  # sentences after the first that neither ask nor say how: one may set the scene


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a reply is not one instruction."""

    reason: Reason
    detail: str


def read_instruction(reply: str, max_words: int) -> str | Fault:
    """Return the instruction in a reply, or the fault.

    >>> read_instruction('Instruction: "Plan a day at the place shown"', 40)
    'Plan a day at the place shown.'
    >>> read_instruction("The dog runs along the beach.", 40).reason.value
    'not_an_instruction'
    """
    lines = [line.strip() for line in _THOUGHTS.sub("", reply).splitlines()]
    lines = [line for line in lines if line.strip("`#*_-= ")]
    while len(lines) > 1 and _PREFACE.match(lines[0].strip("*_ ")):
        del lines[0]
    if not lines:
        return Fault(Reason.NOT_AN_INSTRUCTION, "the reply is empty")
    first, rest = _unwrapped(lines[0]), lines[1:]
    while not first and rest:  # a label on a line of its own
        first, rest = _unwrapped(rest[0]), rest[1:]
    fault = _fault_of_rest(rest) or _fault_of_line(first)
    if fault is not None:
        return fault
    last = first.rstrip(".!?…,;:\"'”’»)").rsplit(" ", 1)[-1].casefold()
    if last in LEADS_ON:
        return Fault(Reason.NOT_AN_INSTRUCTION, f"it breaks off after {last!r}")
    n_words = len(first.split())
    if n_words > max_words:
        return Fault(Reason.INSTRUCTION_TOO_LONG, f"{n_words} words; expected {max_words} at most")
    return first if _ENDED.search(first) else f"{first.rstrip(',;:')}."


def _unwrapped(line: str) -> str:
    """Return a line without number, label, markdown and quotation marks around it."""
    before = ""
    while line != before:
        before = line
        line = line.strip().strip("*_#`").strip()
        line = _LABEL.sub("", _NUMBER.sub("", line))
        if line[:1] in _QUOTES and line[:1] and line.rstrip(".!")[-1:] in _QUOTES:
            line = line.rstrip(".!").strip(_QUOTES)
    return " ".join(line.split())


def _fault_of_rest(lines: list[str]) -> Fault | None:
    """Return what is wrong with the lines after the instruction; an explanation of it is not."""
    for line in lines:
        if _AFTERWORD.match(line):
            return None  # nothing after it belongs to the instruction either
        text = _unwrapped(line)
        if _ANSWER_LABEL.match(line.strip("*_# ")):
            return Fault(Reason.ANSWERS_ITSELF, f"an answer follows: {excerpt(text)}")
        if _opening(text) in ASKS:
            return Fault(Reason.SEVERAL_INSTRUCTIONS, f"a second instruction follows: {excerpt(text)}")
        return Fault(Reason.ANSWERS_ITSELF, f"more text follows: {excerpt(text)}")
    return None


def _fault_of_line(text: str) -> Fault | None:
    """Return what is wrong with the instruction itself, except its length."""
    if not text:
        return Fault(Reason.NOT_AN_INSTRUCTION, "the reply is empty")
    if match := _LATER_NUMBER.search(text):
        return Fault(Reason.SEVERAL_INSTRUCTIONS, f"a list on one line: {excerpt(text, match.start())}")
    if match := _ANSWER_LABEL.search(text):
        return Fault(Reason.ANSWERS_ITSELF, f"an answer follows: {excerpt(text, match.start())}")
    parts = _SENTENCE_END.split(text)
    asking = next((index for index, part in enumerate(parts) if asks(part)), None)
    if asking is None:
        return Fault(Reason.NOT_AN_INSTRUCTION, f"found {excerpt(parts[0])}; expected a request that opens with a verb")
    return _fault_of_following(parts[asking], parts[asking + 1 :])


def _fault_of_following(request: str, following: list[str]) -> Fault | None:
    """Return what is wrong with the sentences after the one that asks, or with the end of that one."""
    for part in following:
        if _opening(part) in MAKES and _opening(request) in MAKES:
            return Fault(Reason.SEVERAL_INSTRUCTIONS, f"a second instruction follows: {excerpt(part)}")
    others = [part for part in following if not asks(part) and not _says_how(part)]
    if len(others) > _MAX_OTHER_SENTENCES:
        return Fault(Reason.ANSWERS_ITSELF, f"more text follows: {excerpt(others[0])}")
    match = _GIVEN_AWAY.search(" ".join([request, *following]))
    if match and not _GIVES_WORDS.search(match[1].casefold()):  # "… that begins with: "It was a dark night."" is none
        return Fault(Reason.ANSWERS_ITSELF, f"an answer follows the colon: {excerpt(match[2])}")
    return None


def asks(sentence: str) -> bool:
    """Whether a sentence asks for something: by its first words, or by a clause that opens with a verb of asking."""
    words = re.findall(r"[^\W\d_][\w'’-]*", sentence.casefold())
    if not words:
        return False
    if words[0] in ASKS:
        return True
    if words[0] in {"can", "could", "would", "will"} and words[1:2] == ["you"]:
        return True
    clauses = [re.findall(r"[\w'’-]+", clause) for clause in re.split(r"[,:;]", sentence.casefold())[1:]]
    if any(_first_of(clause) in ASKS for clause in clauses):
        return True
    if re.split("['’]", words[0])[0] in NO_REQUEST or sentence.rstrip().endswith("?"):
        return False
    return not set(words[1:3]) & STATES and (len(words) > 1 or not words[0].isascii())


def _says_how(sentence: str) -> bool:
    """Whether a sentence says how the work is to be: "Keep it short.", "The tone should be warm."."""
    words = sentence.casefold().split()
    return words[0] in CONTINUES or bool({"should", "must", "needs"} & set(words))


def _opening(sentence: str) -> str:
    return _first_of(re.findall(r"[\w'’-]+", sentence.casefold()))


def _first_of(words: list[str]) -> str:
    """Return the first word, politeness and "then" aside."""
    return next((word for word in words if word not in {"please", "kindly", "now", "then", "and", "also"}), "")
