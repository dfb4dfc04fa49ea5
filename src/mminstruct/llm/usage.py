"""What language models took: of one stage in this session (`Usage`), and of a run on the store's ledger (`Spent`)."""

from __future__ import annotations

from dataclasses import astuple, dataclass


@dataclass
class Usage:
    """What a stage's requests took so far in this session; cached replies are counted apart and cost nothing."""

    requests: int = 0
    cached: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def count(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Count a request that was answered."""
        self.requests += 1
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens

    def plus(self, other: Usage) -> Usage:
        """Return the sum."""
        return Usage(*(own + others for own, others in zip(astuple(self), astuple(other), strict=True)))

    def minus(self, earlier: Usage) -> Usage:
        """Return what came since an earlier state."""
        return Usage(*(own - others for own, others in zip(astuple(self), astuple(earlier), strict=True)))


@dataclass(frozen=True, slots=True)
class Account:
    """Who pays for a reply: a stage of a run."""

    run_id: str
    stage: str


@dataclass(frozen=True, slots=True)
class Spent:
    """What was paid for: replies that an endpoint gave and the store holds or held."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = 0.0  # None: for some of it no price was known

    @property
    def tokens(self) -> int:
        """Tokens of prompts and replies together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Spent) -> Spent:
        """Return the sum; its cost is unknown where either is."""
        cost = None if self.cost is None or other.cost is None else self.cost + other.cost
        return Spent(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            cost,
        )
