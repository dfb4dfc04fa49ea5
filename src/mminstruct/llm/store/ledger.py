"""The store's ledger: what each stage of each run has paid for, written in the transaction that holds the replies."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from mminstruct.llm.chat import Reply
from mminstruct.llm.usage import Account, Spent

_ADD = """
INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
    requests = requests + excluded.requests,
    prompt_tokens = prompt_tokens + excluded.prompt_tokens,
    completion_tokens = completion_tokens + excluded.completion_tokens,
    cost = cost + excluded.cost,
    unpriced = unpriced + excluded.unpriced
"""
_COLUMNS = "requests, prompt_tokens, completion_tokens, cost, unpriced"


class MeanTokens(NamedTuple):
    """What a request of a stage took on average, over so many."""

    n_requests: int
    prompt: float
    completion: float


def book(connection: sqlite3.Connection, paid: Iterable[tuple[Reply, Account, float | None]]) -> None:
    """Add replies to what their accounts have spent; a cost of None is one whose price is not known."""
    sums: dict[tuple[str, str, str], list[float]] = {}
    for reply, account, cost in paid:
        key = (account.run_id, account.stage, reply.model)
        line = sums.get(key)
        if line is None:
            line = sums[key] = [0, 0, 0, 0.0, 0]
        line[0] += 1
        line[1] += reply.prompt_tokens
        line[2] += reply.completion_tokens
        if cost is None:
            line[4] += 1
        else:
            line[3] += cost
    connection.executemany(_ADD, [(*key, *line) for key, line in sums.items()])


def spent(connection: sqlite3.Connection, run_id: str) -> dict[tuple[str, str], Spent]:
    """Return what a run has spent, by stage and model, in the order of their names."""
    found = connection.execute(
        f"SELECT stage, model, {_COLUMNS} FROM ledger WHERE run_id = ? ORDER BY stage, model", (run_id,)
    )
    return {(stage, model): _spent(*sums) for stage, model, *sums in found}


def spent_by_run(connection: sqlite3.Connection) -> dict[tuple[str, str, str], Spent]:
    """Return what all runs have spent, by run, stage and model."""
    found = connection.execute(f"SELECT run_id, stage, model, {_COLUMNS} FROM ledger ORDER BY run_id, stage, model")
    return {(run_id, stage, model): _spent(*sums) for run_id, stage, model, *sums in found}


def mean_tokens(connection: sqlite3.Connection, stage: str, model: str) -> MeanTokens | None:
    """Return the mean over all runs' requests of a stage to a model, or None where there were none."""
    n_requests, n_prompt, n_completion = connection.execute(
        "SELECT sum(requests), sum(prompt_tokens), sum(completion_tokens) FROM ledger WHERE stage = ? AND model = ?",
        (stage, model),
    ).fetchone()
    return MeanTokens(n_requests, n_prompt / n_requests, n_completion / n_requests) if n_requests else None


def _spent(requests: int, prompt_tokens: int, completion_tokens: int, cost: float, unpriced: int) -> Spent:
    return Spent(requests, prompt_tokens, completion_tokens, None if unpriced else cost)
