"""`manifest.json`: for each stage of a run its fingerprint and what it took and gave."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from mminstruct.errors import RunError
from mminstruct.llm.usage import Spent
from mminstruct.pipeline.tables import Folder
from mminstruct.rows import Reject

NAME = "manifest.json"


@dataclass
class StageRecord:
    """One stage's entry.

    `seconds` and `cached` add up over the sessions that worked on it in its present form. Requests, tokens and cost are
    all that this run has paid for this stage, in earlier forms too; `paid` has them by model.
    """

    fingerprint: str
    status: str = "running"  # or `done`, or `stale`: done, but a stage before it has been made anew since
    n_in: int = 0
    n_out: int = 0
    n_rejected: int = 0
    rejects: dict[str, int] = field(default_factory=dict)  # by reason
    requests: int = 0  # answered by the endpoint, so paid for
    cached: int = 0  # served by the reply store
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None  # None: nothing was asked, or no price is known
    paid: dict[str, Spent] = field(default_factory=dict)  # the same, by model
    seconds: float = 0.0
    model: str = ""  # the language model or the encoder
    tables: dict[str, int] = field(default_factory=dict)  # rows of each table it wrote
    output: str = ""  # content hash of those tables
    notes: list[str] = field(default_factory=list)  # what a reader of the run should know

    def book(self, paid: dict[str, Spent]) -> None:
        """Take over what was paid for, by model."""
        total = sum(paid.values(), Spent())
        self.requests, self.cost = total.requests, total.cost
        self.prompt_tokens, self.completion_tokens = total.prompt_tokens, total.completion_tokens
        self.paid = paid

    def count_rejects(self, rejects: Iterable[Reject]) -> None:
        """Add rejects to the counts."""
        counts = Counter(self.rejects)
        counts.update(str(reject.reason) for reject in rejects)
        self.rejects = dict(counts.most_common())
        self.n_rejected = counts.total()


@dataclass
class Manifest:
    """All stages' records, in their order."""

    stages: dict[str, StageRecord] = field(default_factory=dict)
    version: str = ""  # of mminstruct
    run_id: str = ""  # under which the reply store books what the run pays for


def read_manifest(folder: Folder) -> Manifest:
    """Return the manifest of a run folder, an empty one where there is none yet. Raises RunError when unreadable."""
    if not folder.exists(NAME):
        return Manifest()
    try:
        content: dict[str, Any] = json.loads(folder.read(NAME))
        stages = {name: _record(entry) for name, entry in content["stages"].items()}
        return Manifest(stages, content["version"], content.get("run_id", ""))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise RunError(
            f"{folder.path(NAME)} is not a run's manifest ({error!r}). Remove it and run again: finished work is made "
            "anew from the replies on disk, nothing is paid for twice."
        ) from error


def _record(entry: dict[str, Any]) -> StageRecord:
    record = StageRecord(**entry)
    record.paid = {model: Spent(**spent) for model, spent in entry.get("paid", {}).items()}
    return record


def write_manifest(folder: Folder, manifest: Manifest) -> None:
    """Write the manifest whole or not at all."""
    folder.write(NAME, json.dumps(asdict(manifest), indent=2, ensure_ascii=False).encode())
