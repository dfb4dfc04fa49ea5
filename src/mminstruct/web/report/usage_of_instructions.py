"""How the pairs fall on the instructions, and what the instructions are: counted from ids and scores alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mminstruct.pipeline.run_tables import Tables
from mminstruct.rows import Instruction
from mminstruct.stages.match import balance
from mminstruct.web.report.contents import Balance, CategoryLine, InstructionLine, Spread, VerbObject
from mminstruct.web.report.tallies import Tally, count_values
from mminstruct.web.report.verbs import verb_and_object

_SCORE_STEP = 0.001


@dataclass(frozen=True)
class Uses:
    """How often each instruction, by its id, stands in a table."""

    matches: Counter[str]
    kept: Counter[str]
    samples: Counter[str]
    questions: Counter[str]


def count_uses(tables: Tables) -> Uses:
    """Count the instructions' ids in the tables of pairs."""
    of = (tables.matches, tables.kept, tables.samples, tables.benchmark)
    return Uses(*(count_values(table.columns(["instruction_id"]), "instruction_id") for table in of))


def instruction_lines(instructions: Sequence[Instruction], uses: Uses) -> list[InstructionLine]:
    """Return all final instructions, the most used first."""
    lines = [
        InstructionLine(
            instruction_id=each.instruction_id,
            text=each.text,
            category=each.category,
            n_raw=len(each.members),
            n_matches=uses.matches[each.instruction_id],
            n_kept=uses.kept[each.instruction_id],
            n_samples=uses.samples[each.instruction_id],
        )
        for each in instructions
    ]
    return sorted(lines, key=lambda line: (-line.n_samples, -line.n_matches, line.instruction_id))


def balance_of(name: str, counts: Mapping[str, int], instructions: Sequence[Instruction]) -> Balance | None:
    """Return the balance of a table's pairs over all final instructions; None where there are none of either."""
    numbers = np.array([counts.get(each.instruction_id, 0) for each in instructions], np.int64)
    if not len(numbers) or not numbers.sum():
        return None
    found = balance(numbers)
    n_top = -(-len(numbers) // 10)
    return Balance(
        of=name,
        n=found.n_matches,
        n_instructions=len(numbers),
        fewest=found.fewest,
        median=found.median,
        most=found.most,
        n_unused=int((numbers == 0).sum()),
        n_effective=found.n_effective,
        n_top=n_top,
        top_share=float(np.sort(numbers)[::-1][:n_top].sum() / numbers.sum()),
    )


def score_spreads(tables: Tables) -> list[Spread]:
    """Return the cosine similarities of all matches and of the samples, to a thousandth."""
    tallies = []
    for name, table in (("matches", tables.matches), ("samples", tables.samples)):
        tally = Tally(name, _SCORE_STEP, -1.0)
        for _, part in table.columns(["score"]):
            tally.add(np.clip(part.column("score").to_numpy(), -1.0, 1.0))  # rounding may leave 1.000001
        tallies.append(tally)
    return [tally.spread(*tallies) for tally in tallies if tally.n]


def category_lines(instructions: Sequence[Instruction], uses: Uses) -> list[CategoryLine]:
    """Return the categories, the one with the most samples first."""
    of = {each.instruction_id: each.category for each in instructions}
    n_instructions = Counter(of.values())
    n_samples, n_questions = _by_category(uses.samples, of), _by_category(uses.questions, of)
    lines = [CategoryLine(name, n, n_samples[name], n_questions[name]) for name, n in n_instructions.items()]
    return sorted(lines, key=lambda line: (-line.n_samples, -line.n_instructions, line.category))


def verb_lines(instructions: Sequence[Instruction], uses: Uses) -> list[VerbObject]:
    """Return every verb and object of the final instructions, those of the most samples first."""
    n_instructions: Counter[tuple[str, str]] = Counter()
    n_samples: Counter[tuple[str, str]] = Counter()
    for each in instructions:
        found = verb_and_object(each.text)
        n_instructions[found] += 1
        n_samples[found] += uses.samples[each.instruction_id]
    lines = [VerbObject(*found, n, n_samples[found]) for found, n in n_instructions.items()]
    return sorted(lines, key=lambda line: (-line.n_samples, -line.n_instructions, line.verb, line.object))


def _by_category(uses: Mapping[str, int], category_of: Mapping[str, str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for instruction_id, n in uses.items():
        counts[category_of.get(instruction_id, "")] += n
    return counts
