"""What a rule judges."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """One answer with what is known about it; a field that is None (or blank) is not known.

    The last two are evidence that the stage finds and a rule reads: `similarity` is the cosine of answer and
    description, None where none was computed; `twin_id` names the earlier kept answer that this one repeats, ""
    where there is none and None where nobody looked.
    """

    answer_id: str
    instruction: str
    answer: str
    description: str | None = None
    finish_reason: str | None = None
    request_id: str = ""
    similarity: float | None = None
    twin_id: str | None = None
