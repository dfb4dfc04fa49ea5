"""One question's whole story: its image and caption, all answers, and both orders of each judgment side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from mminstruct.bench.judging.verdicts import Verdict
from mminstruct.bench.rows import BenchmarkQuestion, Judgment, answers_id
from mminstruct.bench.trust.votes import Comparison, Votes
from mminstruct.web.explore.bench.explorer import BenchExplorer, Contents, Seen


def tell_question(explorer: BenchExplorer, contents: Contents, votes: Votes, question_id: str) -> dict[str, Any]:
    """Return what GET /api/questions/{id} answers. Raises KeyError for a question that is not there."""
    question = contents.questions[question_id]
    return {
        "question_id": question.question_id,
        "instruction": question.instruction,
        "caption": question.caption,
        "category": question.category,
        "source": question.source,
        "reference_answer": question.reference_answer,
        "image": question.image,
        "picture": explorer.has_picture(question),
        "answers": _answers(contents, question_id),
        "contests": [_contest(contents, question, seen) for seen in contents.seen.get(question_id, ())],
        "votes": [
            _votes_on(comparison, verdicts, votes)
            for comparison, verdicts in sorted(votes.by_comparison.items())
            if comparison[0] == question_id
        ],
    }


def _answers(contents: Contents, question_id: str) -> list[dict[str, Any]]:
    """Return every model's answer; None is the text of a model that has given none."""
    found = []
    for model, answers in contents.data.answers.items():
        text = answers.by_question.get(question_id)
        found.append({"model": model, "text": text, "n_words": None if text is None else len(text.split())})
    return found


def _contest(contents: Contents, question: BenchmarkQuestion, seen: Seen) -> dict[str, Any]:
    pair, outcome = seen
    model, opponent = pair.pair
    counting = [each for each in (outcome.model_first, outcome.opponent_first) if each is not None]
    return {
        "judge": pair.judge,
        "model_a": model,
        "model_b": opponent,
        "verdict": None if outcome.verdict is None else outcome.verdict.value,
        "half_tie": outcome.is_half_tie,
        "by_rule": outcome.by_rule,
        "orders": [_reply(each) for each in counting],
        "others": [_other(contents, question, each) for each in _not_counted(contents, seen, counting)],
    }


def _reply(row: Judgment) -> dict[str, Any]:
    """Return a reply with what it means: `says` is the better model's name, `neither`, or None for an unread one."""
    says = {"A": row.model_a, "B": row.model_b, "C": "neither"}
    return {
        "first": row.model_a,
        "second": row.model_b,
        "letter": row.letter,
        "says": None if row.letter is None else says[row.letter],
        "reply": row.reply,
        "sees": row.sees,
        "ask": row.ask,
        "sample": row.sample,
    }


def _other(contents: Contents, question: BenchmarkQuestion, row: Judgment) -> dict[str, Any]:
    """Return a reply that does not count, with why not."""
    texts = [contents.data.answers[model].by_question.get(question.question_id) for model in (row.model_a, row.model_b)]
    changed = None in texts or row.answers_id not in ("", answers_id(question, *(text or "" for text in texts)))
    if row.sample:
        why = "repeat"  # for the judge's agreement with itself
    elif changed:
        why = "changed"  # the answers, since
    elif row.letter is None:
        why = "unread"  # and so asked again
    else:
        why = "settings"  # older ones
    return {**_reply(row), "why": why}


def _not_counted(contents: Contents, seen: Seen, counting: Sequence[Judgment]) -> list[Judgment]:
    pair, outcome = seen
    return [
        row
        for row in contents.replies.get(outcome.question.question_id, ())
        if row.judge == pair.judge
        and {row.model_a, row.model_b} == set(pair.pair)
        and not any(row is each for each in counting)
    ]


def _votes_on(comparison: Comparison, verdicts: Sequence[Verdict], votes: Votes) -> dict[str, Any]:
    counts = Counter(verdicts)
    majority = votes.majority.get(comparison)
    return {
        "model_a": comparison[1],
        "model_b": comparison[2],
        "wins": counts[Verdict.WIN],
        "losses": counts[Verdict.LOSS],
        "ties": counts[Verdict.TIE],
        "majority": None if majority is None else majority.value,
    }
