"""What the page shows of each judge: its pairs, its matrix of win rates, its ratings, length against success.

Nothing is estimated here; figures are those of the report, put in their places.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mminstruct.bench.report.contents import JudgeReport, PairReport, Rating, Report
from mminstruct.bench.report.drawing import Axis, Point, Scatter, bar_axis, scatter


@dataclass(frozen=True)
class Cell:
    """A model's win rate against another, with its interval; `shade` is 0 (all lost) to 10 (all won)."""

    win_rate: float
    low: float | None
    high: float | None

    @property
    def shade(self) -> int:
        """The step of the diverging colours; 5 is even."""
        return shade(self.win_rate)


@dataclass(frozen=True)
class Matrix:
    """Win rates of the row's model against the column's; None on the diagonal and where there is no rate."""

    models: list[str]
    rows: list[list[Cell | None]]


@dataclass(frozen=True)
class JudgeView:
    """One judge's part of the page."""

    judge: JudgeReport
    pairs: list[PairReport]
    ratings: list[Rating]  # group by group, the best first
    n_groups: int
    rating_axis: Axis | None
    matrix: Matrix | None
    by_length: list[Point]  # mean words of each model against its success
    lengths: Scatter | None  # the same, as drawn


def judge_views(report: Report) -> list[JudgeView]:
    """Return a view for each judge, in the report's order. Every judge of a pair or rating must be among them."""
    pairs: dict[str, list[PairReport]] = {judge.judge: [] for judge in report.judges}
    ratings: dict[str, list[Rating]] = {judge.judge: [] for judge in report.judges}
    for pair in report.pairs:
        pairs[pair.judge].append(pair)
    for rating in report.ratings:
        ratings[rating.judge].append(rating)
    return [_view(judge, pairs[judge.judge], ratings[judge.judge], report) for judge in report.judges]


def shade(win_rate: float) -> int:
    """Return a win rate's step on the scale of eleven colours.

    >>> shade(0.0), shade(0.5), shade(0.97)
    (0, 5, 10)
    """
    return round(10 * win_rate)


def win_rate_matrix(pairs: Sequence[PairReport], order: Sequence[str]) -> Matrix | None:
    """Return the win rates of all models against each other; None where the pairs are no more than a list.

    That is: fewer than three models, or no more pairs than it takes to compare each with one baseline.
    """
    named = {model for pair in pairs for model in (pair.model_a, pair.model_b)}
    models = [model for model in order if model in named]
    if len(models) < 3 or len(pairs) < len(models):
        return None
    cells: dict[tuple[str, str], Cell] = {}
    for pair in pairs:
        if pair.win_rate is None:
            continue
        cells[pair.model_a, pair.model_b] = Cell(pair.win_rate, pair.ci_low, pair.ci_high)
        cells[pair.model_b, pair.model_a] = Cell(1 - pair.win_rate, _rest(pair.ci_high), _rest(pair.ci_low))
    return Matrix(models, [[cells.get((row, column)) for column in models] for row in models])


def within(pairs: Iterable[PairReport], most_rows: int) -> list[PairReport]:
    """Return the first pairs whose breakdowns have at most so many rows together."""
    shown = []
    for pair in pairs:
        most_rows -= len(pair.by_category) + len(pair.by_instruction)
        if most_rows < 0:
            break
        shown.append(pair)
    return shown


def _view(judge: JudgeReport, pairs: list[PairReport], ratings: list[Rating], report: Report) -> JudgeView:
    ratings = sorted(ratings, key=lambda rating: (rating.group, -rating.rating))
    n_groups = len({rating.group for rating in ratings})
    order = [rating.model for rating in ratings]
    order += [model.model for model in report.models if model.model not in order]
    ends = [end for each in ratings for end in (each.rating, each.ci_low, each.ci_high) if end is not None]
    by_length = _by_length(pairs, ratings if n_groups == 1 else [], report)
    return JudgeView(
        judge=judge,
        pairs=pairs,
        ratings=ratings,
        n_groups=n_groups,
        rating_axis=bar_axis(ends) if ends else None,
        matrix=win_rate_matrix(pairs, order),
        by_length=by_length,
        lengths=scatter(by_length) if by_length else None,
    )


def _by_length(pairs: Sequence[PairReport], ratings: Sequence[Rating], report: Report) -> list[Point]:
    """Return mean words against the rating; without comparable ratings, against the mean win rate over opponents."""
    words = {model.model: model.mean_words for model in report.models if model.n_answers}
    if ratings:
        rated = [each for each in ratings if each.model in words]
        return [Point(each.model, words[each.model], each.rating, each.ci_low, each.ci_high) for each in rated]
    rates: dict[str, list[float]] = {}
    for pair in pairs:
        if pair.win_rate is not None:
            rates.setdefault(pair.model_a, []).append(100 * pair.win_rate)
            rates.setdefault(pair.model_b, []).append(100 * (1 - pair.win_rate))
    return [Point(name, words[name], sum(of) / len(of)) for name, of in rates.items() if name in words]


def _rest(share: float | None) -> float | None:
    return None if share is None else 1 - share
