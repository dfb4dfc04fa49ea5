"""Which two answers an annotator sees next.

Where the fewest have voted comes first: the comparison itself, then its two models, then its instruction. What no judge
has judged waits until the end, for its votes say nothing of a judge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import blake2b
from itertools import combinations

from mminstruct.bench.folder import BenchmarkData
from mminstruct.bench.trust.votes import Comparison
from mminstruct.web.explore.bench.ballots import can_be_written


def comparisons(data: BenchmarkData) -> list[Comparison]:
    """Return what can be voted on: any two models' answers to a question.

    Left out: an empty answer, which loses to all, and answers that are the same to the letter.
    """
    models = sorted(data.answers)
    found = []
    for question in data.questions:
        texts = {model: data.answers[model].by_question.get(question.question_id, "").strip() for model in models}
        answered = [model for model in models if texts[model]]
        found += [
            (question.question_id, model, opponent)
            for model, opponent in combinations(answered, 2)
            if texts[model] != texts[opponent] and can_be_written(question.question_id, model, opponent)
        ]
    return found


def next_comparison(
    pool: Sequence[Comparison],
    n_votes: Mapping[Comparison, int],
    voted: Collection[Comparison],
    skipped: Sequence[Comparison],
    judged: Collection[Comparison],
    instructions: Mapping[str, str],
    annotator: str,
) -> Comparison | None:
    """Return the comparison of `pool` that an annotator is to see next, None where nothing is left.

    `n_votes`: of all people. `voted`: the annotator's own, not asked again. `skipped`: in their order; they come last.
    `instructions`: each question's text, by id. What is equal in all else stands in an order of the annotator's own, so
    that two people at work at once rarely see the same, and a page that is loaded again shows the same.
    """
    left = [each for each in pool if each not in voted]
    if not left:
        return None
    of_pair: Counter[tuple[str, str]] = Counter()
    of_instruction: Counter[str] = Counter()
    for comparison, n in n_votes.items():
        of_pair[_pair(comparison)] += n
        of_instruction[instructions[comparison[0]]] += n
    turn = {comparison: place for place, comparison in enumerate(skipped, start=1)}

    def key(comparison: Comparison) -> tuple[int, bool, int, int, int, bytes]:
        return (
            turn.get(comparison, 0),
            comparison not in judged,
            n_votes.get(comparison, 0),
            of_pair[_pair(comparison)],
            of_instruction[instructions[comparison[0]]],
            _lot(annotator, comparison),
        )

    return min(left, key=key)


def _pair(comparison: Comparison) -> tuple[str, str]:
    return comparison[1:]


def _lot(annotator: str, parts: Iterable[str]) -> bytes:
    return blake2b("\0".join((annotator, *parts)).encode("utf-8", "replace"), digest_size=8).digest()
