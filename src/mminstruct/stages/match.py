"""Stage 3, match: instructions for each image, by the similarity of their embeddings.

    images, instructions ─► cosine similarities ─► per_image instructions each ─► Match or Reject

    Match(match_id="9c…", image_id="1f…", instruction_id="07…", score=0.41, rank=2)

Images are taken in their order, block by block; the blocks' sizes change nothing. The paper samples an instruction by
CLIP similarity and publishes no more than that: the rule here is our choice (see docs/matching.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mminstruct.config.match import MatchConfig
from mminstruct.encoders.protocols import Embeddings
from mminstruct.rows import Image, Instruction, Match, Reason, Reject, content_id

Floats = npt.NDArray[np.float64]
_DECIMALS = 6  # of a score; the digits after them depend on how many images are multiplied at once


class Matcher:
    """Matches images, and remembers how many each instruction has got."""

    def __init__(
        self, instructions: Sequence[Instruction], instruction_embeddings: Embeddings, config: MatchConfig, seed: int
    ) -> None:
        self.counts: npt.NDArray[np.int64] = np.zeros(len(instructions), np.int64)  # images of each instruction
        self._ids = [instruction.instruction_id for instruction in instructions]
        self._positions = {instruction_id: position for position, instruction_id in enumerate(self._ids)}
        self._embeddings = np.asarray(instruction_embeddings, np.float64)  # (m, d)
        self._config = config
        self._seed = seed

    def count(self, matches: Iterable[Match]) -> None:
        """Count matches that were written before, so that an interrupted run goes on where it was."""
        for match in matches:
            self.counts[self._positions[match.instruction_id]] += 1

    def match(self, images: Sequence[Image], image_embeddings: Embeddings) -> list[Match | Reject]:
        """Return each image's matches, the best-scoring first, or its reject; `image_embeddings` is `(n, d)`."""
        if not self._ids or not images:
            return [self._reject(image, "there is no instruction to match with") for image in images]
        scores = np.round(np.asarray(image_embeddings, np.float64) @ self._embeddings.T, _DECIMALS)  # (n, m)
        order = np.argsort(-self._keys(images, scores), axis=1, kind="stable")
        ranks = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
        results: list[Match | Reject] = []
        for image, row_scores, row_order, row_ranks in zip(images, scores, order, ranks, strict=True):
            drawn = self._draw(row_scores, row_order)
            self.counts[drawn] += 1
            for position in drawn[np.argsort(row_ranks[drawn])].tolist():
                match_id = content_id(image.image_id, self._ids[position])
                score, rank = float(row_scores[position]), int(row_ranks[position])
                results.append(Match(match_id, image.image_id, self._ids[position], score, rank))
            if not len(drawn):
                results.append(self._reject(image, self._why_none(row_scores)))
        return results

    def _keys(self, images: Sequence[Image], scores: Floats) -> Floats:
        """Return `(n, m)` numbers of which an image's highest are its instructions.

        With softmax, score / temperature + Gumbel noise, times the temperature: taking the highest is drawing from
        the softmax without replacement (Gumbel-top-k; Vieira 2014, Kool et al. 2019). The noise alone draws from all
        alike.
        """
        if self._config.sampling == "top_k":
            return scores
        noise = np.stack([gumbel_noise(self._seed, image.image_id, len(self._ids)) for image in images])
        if self._config.sampling == "random":
            return noise
        return scores + self._config.temperature * noise

    def _draw(self, scores: Floats, order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the first `per_image` positions in `order` that are over `min_score` and under their cap."""
        config = self._config
        if config.min_score is not None:
            order = order[scores[order] >= config.min_score]
        if config.max_per_instruction is not None:
            order = order[self.counts[order] < config.max_per_instruction]
        return order[: config.per_image]

    def _why_none(self, scores: Floats) -> str:
        config = self._config
        found = [f"best score {scores.max():.3f}"]
        if config.min_score is not None:
            found.append(f"min_score {config.min_score}")
        if (cap := config.max_per_instruction) is not None:
            n_capped = int((self.counts >= cap).sum())
            found.append(f"{n_capped} of {len(scores)} instructions at max_per_instruction {cap}")
        return ", ".join(found)

    def _reject(self, image: Image, detail: str) -> Reject:
        return Reject(image.image_id, "match", Reason.NO_MATCH, detail, image.description)


def gumbel_noise(seed: int, image_id: str, n: int) -> Floats:
    """Return `(n,)` standard Gumbel numbers that depend on nothing but seed and image, whatever the numpy version.

    −log(−log u), with u uniform on (0, 1) from 52 bits each of a SHAKE-128 digest.
    """
    digest = hashlib.shake_128(f"{seed} {image_id}".encode()).digest(8 * n)
    uniform = ((np.frombuffer(digest, "<u8") >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52
    return -np.log(-np.log(uniform))


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
