"""Stage 3, match: instructions for each image, by the similarity of their embeddings.

    images, instructions ─► cosine similarities ─► per_image instructions each ─► Match or Reject

    Match(match_id="9c…", image_id="1f…", instruction_id="07…", score=0.41, rank=2)

Images are taken in their order, block by block; the blocks' sizes change nothing. The paper samples an instruction by
CLIP similarity and publishes no more than that: the rule here is our choice (see docs/matching.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from mminstruct.config.match import MatchConfig
from mminstruct.encoders.protocols import Embeddings
from mminstruct.rows import Image, Instruction, Match, Reason, Reject
from mminstruct.stages.draw.drawer import Drawer, DrawRule

_DECIMALS = 6  # of a score as it is written


class Matcher:
    """Matches images, and remembers how many each instruction has got."""

    def __init__(
        self, instructions: Sequence[Instruction], instruction_embeddings: Embeddings, config: MatchConfig, seed: int
    ) -> None:
        self._ids = [instruction.instruction_id for instruction in instructions]
        self._positions = {instruction_id: position for position, instruction_id in enumerate(self._ids)}
        self._parts = [_part(instruction_id) for instruction_id in self._ids]
        self._config = config
        rule = DrawRule(
            config.per_image, config.sampling, config.temperature, config.max_per_instruction, config.min_score
        )
        self._drawer = Drawer(np.asarray(instruction_embeddings, np.float32), rule, seed)

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """How many images each instruction has got, `(m,)`."""
        return self._drawer.counts

    def count(self, matches: Iterable[Match]) -> None:
        """Count matches that were written before, so that an interrupted run goes on where it was."""
        for match in matches:
            self.counts[self._positions[match.instruction_id]] += 1

    def match(self, images: Sequence[Image], image_embeddings: Embeddings) -> list[Match | Reject]:
        """Return each image's matches, the best-scoring first, or its reject; `image_embeddings` is `(n, d)`."""
        if not self._ids or not images:
            return [self._reject(image, "there is no instruction to match with") for image in images]
        keys = np.frombuffer(bytes.fromhex("".join(image.image_id for image in images)), "<u8")
        drawn = self._drawer.draw(np.asarray(image_embeddings, np.float32), keys)
        scores = np.round(drawn.scores.astype(np.float64), _DECIMALS).tolist()
        positions, ranks, n_drawn = drawn.positions.tolist(), drawn.ranks.tolist(), drawn.n_drawn.tolist()
        results: list[Match | Reject] = []
        for number, (image, n) in enumerate(zip(images, n_drawn, strict=True)):
            image_id = image.image_id
            part = _part(image_id)
            for position, score, rank in zip(positions[number][:n], scores[number], ranks[number], strict=False):
                match_id = blake2b(part + self._parts[position], digest_size=8).hexdigest()
                results.append(Match(match_id, image_id, self._ids[position], score, rank))
            if not n:
                why = self._why_none(float(drawn.best_scores[number]), int(drawn.n_full[number]))
                results.append(self._reject(image, why))
        return results

    def _why_none(self, best_score: float, n_full: int) -> str:
        config = self._config
        found = [f"best score {best_score:.3f}"]
        if config.min_score is not None:
            found.append(f"min_score {config.min_score}")
        if (cap := config.max_per_instruction) is not None:
            found.append(f"{n_full} of {len(self._ids)} instructions at max_per_instruction {cap}")
        return ", ".join(found)

    def _reject(self, image: Image, detail: str) -> Reject:
        return Reject(image.image_id, "match", Reason.NO_MATCH, detail, image.description)


def _part(name: str) -> bytes:
    """Return what `content_id` hashes of one part; a hundred million ids are worth the short cut."""
    data = name.encode()
    return len(data).to_bytes(8, "little") + data


@dataclass(frozen=True, slots=True)
class Balance:
    """How evenly the images fell on the instructions."""

    n_instructions: int
    n_matches: int
    fewest: int  # matches of one instruction
    median: float
    most: int
    share_unused: float  # of the instructions, 0 to 1
    n_effective: float  # exp(entropy): so many instructions, used equally, would be as diverse (Hill 1973)

    def __str__(self) -> str:
        return (
            f"{self.n_matches:,} matches over {self.n_instructions:,} instructions: {self.fewest} to {self.most} each, "
            f"median {self.median:g}, {self.share_unused:.0%} never used, "
            f"as diverse as {self.n_effective:.0f} used equally"
        )


def balance(counts: npt.NDArray[np.int64]) -> Balance:
    """Return the balance of `(m,)` counts, the matches of each instruction."""
    if not len(counts):
        return Balance(0, 0, 0, 0.0, 0, 0.0, 0.0)
    n_matches = int(counts.sum())
    shares = counts[counts > 0] / max(1, n_matches)
    n_effective = float(np.exp(-(shares * np.log(shares)).sum())) if n_matches else 0.0
    return Balance(
        n_instructions=len(counts),
        n_matches=n_matches,
        fewest=int(counts.min()),
        median=float(np.median(counts)),
        most=int(counts.max()),
        share_unused=float((counts == 0).mean()),
        n_effective=n_effective,
    )
