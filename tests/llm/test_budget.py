"""A budget is never passed by more than what is in flight, stops cleanly, and a larger one goes on where it stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from mminstruct.config.budget import BudgetConfig
from mminstruct.config.llm import Price
from mminstruct.errors import BudgetError
from mminstruct.llm.budget import Budget
from mminstruct.llm.chat import Reply
from mminstruct.llm.endpoint import Endpoint
from mminstruct.llm.http.client import HttpChat
from mminstruct.llm.http.wire import Session
from mminstruct.llm.store.replies import ReplyStore
from mminstruct.llm.usage import Account, Spent
from support.fault_run import ask
from support.llm_server import LlmServer

CONCURRENCY = 6
PRICE = Price(prompt_per_million=1000, completion_per_million=10_000)  # a reply: 100 and 5 tokens, 0.15
N_TOKENS, COST = 105, 0.15


@pytest.fixture
def server() -> Iterator[LlmServer]:
    with LlmServer(latency_s=0.01, reply=lambda body: "one two three four five") as server:
        yield server


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ReplyStore]:
    with ReplyStore(tmp_path) as store:
        yield store


async def run(
    server: LlmServer, store: ReplyStore, budget: Budget, n_rows: int = 100, stage: str = "answer"
) -> list[Reply | BaseException]:
    """Ask for so many rows at once, as one session of a run does."""
    endpoint = Endpoint((server.base_url,), "m", concurrency=CONCURRENCY, price=PRICE)
    async with Session() as session:
        chat = HttpChat(endpoint, store, session, Account("run", stage), budget)
        return await asyncio.gather(*(chat.ask(ask(row)) for row in range(n_rows)), return_exceptions=True)


def next_session(limits: BudgetConfig, store: ReplyStore) -> Budget:
    return Budget(limits, sum(store.spent("run").values(), Spent()))


class TestReached:
    @pytest.mark.parametrize(
        ("limits", "spent", "told"),
        [
            (BudgetConfig(), Spent(10**9, 10**12, 10**12, 1e9), None),
            (BudgetConfig(max_requests=10), Spent(9), None),
            (BudgetConfig(max_requests=10), Spent(10), "10 spent, budget.max_requests is 10"),
            (BudgetConfig(max_tokens=1000), Spent(1, 600, 399), None),
            (BudgetConfig(max_tokens=1000), Spent(1, 600, 400), "1,000 spent, budget.max_tokens is 1,000"),
            (BudgetConfig(max_cost=20), Spent(1, cost=19.99), None),
            (BudgetConfig(max_cost=20), Spent(1, cost=20.5), "20.5000 spent, budget.max_cost is 20.0000"),
            (BudgetConfig(max_requests=0), Spent(), "0 spent, budget.max_requests is 0"),
            (BudgetConfig(max_tokens=1000), Spent(1, 1, 1, None), None),  # costs are not asked about
        ],
    )
    def test_it_is_reached_when_what_is_spent_is_the_limit(
        self, limits: BudgetConfig, spent: Spent, told: str | None
    ) -> None:
        reached = Budget(limits, spent).reached()
        assert told in reached if told is not None and reached is not None else reached is None is told

    def test_what_was_spent_at_no_known_price_cannot_be_held_to_a_cost(self) -> None:
        budget = Budget(BudgetConfig(max_cost=20), Spent())
        budget.charge(Spent(1, 100, 5, None))
        reached = budget.reached()
        assert reached is not None and "cannot be held" in reached and "unknown" in reached


class TestRuns:
    @pytest.mark.parametrize(
        ("limits", "n_paid"),
        [
            (BudgetConfig(max_requests=20), 20),
            (BudgetConfig(max_tokens=20 * N_TOKENS), 20),
            (BudgetConfig(max_cost=20 * COST - 0.01), 20),
            (BudgetConfig(max_requests=1), 1),
            (BudgetConfig(max_requests=0), 0),
        ],
    )
    async def test_it_is_passed_by_no_more_than_what_is_in_flight_and_all_that_came_is_stored(
        self, limits: BudgetConfig, n_paid: int, server: LlmServer, store: ReplyStore
    ) -> None:
        budget = next_session(limits, store)
        found = await run(server, store, budget)
        assert all(isinstance(one, Reply | BudgetError) for one in found)
        replies = [one for one in found if isinstance(one, Reply)]
        assert n_paid <= len(replies) < n_paid + CONCURRENCY or len(replies) == n_paid == 0
        assert server.n_received == len(server.requests) == len(replies) == len(store) == budget.spent.requests
        spent = next_session(limits, store).spent
        assert (spent.requests, spent.tokens) == (len(replies), N_TOKENS * len(replies))
        assert spent.cost == pytest.approx(COST * len(replies))

    async def test_a_larger_one_goes_on_and_the_same_one_asks_nothing(
        self, server: LlmServer, store: ReplyStore
    ) -> None:
        await run(server, store, next_session(BudgetConfig(max_requests=20), store))
        n_paid = server.n_received
        await run(server, store, next_session(BudgetConfig(max_requests=20), store))
        assert server.n_received == n_paid
        found = await run(server, store, next_session(BudgetConfig(max_requests=200), store))
        assert all(isinstance(one, Reply) for one in found) and server.n_received == 100

    async def test_stored_replies_cost_nothing_and_come_also_when_nothing_is_left(
        self, server: LlmServer, store: ReplyStore
    ) -> None:
        await run(server, store, next_session(BudgetConfig(), store), n_rows=30)
        found = await run(server, store, next_session(BudgetConfig(max_requests=30), store), n_rows=30)
        assert all(isinstance(one, Reply) and one.cached for one in found)
        assert server.n_received == 30

    async def test_one_budget_holds_over_several_stages(self, server: LlmServer, store: ReplyStore) -> None:
        budget = next_session(BudgetConfig(max_requests=20), store)
        await run(server, store, budget, n_rows=15, stage="augment")
        found = await run(server, store, budget, n_rows=40)
        assert sum(isinstance(one, BudgetError) for one in found) > 0
        assert server.n_received < 20 + CONCURRENCY
