"""A benchmark's figures, a judge at a time: win rates, ratings, position bias, length against success.

The figures are those of `bench/report`; nothing is estimated here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mminstruct.bench.report import formats
from mminstruct.bench.report.by_judge import JudgeView, Matrix
from mminstruct.bench.report.contents import Report
from mminstruct.web.report.figures.figure import ACCENT, INK, SOFT, Figure, finished
from mminstruct.web.report.figures.texts import hover, label
from mminstruct.web.report.figures.words import Words, words_of

_LONGEST_NAME = 28
_WITH_TEXT = 9  # models: of more, a matrix has no room for figures in its cells
_OPEN = 1e6  # farther than any axis reaches
_DIVERGING = [[step / 10, f"var(--s{step})"] for step in range(11)]


def win_rates_figure(view: JudgeView) -> Figure | None:
    """Return the win rates with their intervals: all against all as a matrix, few pairs as a list."""
    if view.matrix is not None:
        return _matrix_figure(view.matrix)
    pairs = [pair for pair in view.pairs if pair.win_rate is not None]
    if not pairs:
        return None
    words = words_of("benchmark")
    shares = [_percents(pair.win_rate, pair.ci_low, pair.ci_high) for pair in pairs]
    names = [
        f"{label(pair.model_a, _LONGEST_NAME)} {words['against']} {label(pair.model_b, _LONGEST_NAME)}"
        for pair in pairs
    ]
    told = [
        words["hover_pair"].format(row=hover(pair.model_a), column=hover(pair.model_b), **_ends(share, 1))
        for pair, share in zip(pairs, shares, strict=True)
    ]
    figure = go.Figure(_dots(shares, names, told))
    figure.add_vline(x=50, line={"dash": "dot", "color": SOFT, "width": 1.5})
    figure.update_layout(margin={"l": 160, "t": 12}, showlegend=False)
    figure.update_xaxes(title=words["win_rate"], range=[-2, 102])
    figure.update_yaxes(autorange="reversed", type="category")
    return finished(figure, 90 + 30 * len(pairs), 520)


def _matrix_figure(matrix: Matrix) -> Figure:
    words, small = words_of("benchmark"), len(matrix.models) <= _WITH_TEXT
    names = [label(model, _LONGEST_NAME) for model in matrix.models]
    rates: list[list[float | None]] = []
    texts: list[list[str]] = []
    told: list[list[str]] = []
    for row, cells in zip(matrix.models, matrix.rows, strict=True):
        shares = [None if cell is None else _percents(cell.win_rate, cell.low, cell.high) for cell in cells]
        rates.append([None if share is None else share[0] for share in shares])
        texts.append([_cell_text(share, words) for share in shares])
        told.append([
            words["hover_pair"].format(row=hover(row), column=hover(column), **_ends(share, 1)) if share else ""
            for column, share in zip(matrix.models, shares, strict=True)
        ])  # fmt: skip
    heatmap = go.Heatmap(
        z=rates, x=names, y=names, zmin=0, zmax=100, colorscale=_DIVERGING, xgap=2, ygap=2, customdata=told,
        text=texts, texttemplate="%{text}" if small else None, textfont={"color": INK, "size": 11},
        hovertemplate="%{customdata}<extra></extra>", hoverongaps=False,
        colorbar={"title": {"text": words["win_rate"], "side": "right"}, "thickness": 10, "outlinewidth": 0,
                  "tickfont": {"color": INK}},
    )  # fmt: skip
    figure = go.Figure(heatmap)
    figure.update_layout(margin={"l": 130, "b": 90})
    figure.update_xaxes(title=words["column"], showgrid=False, type="category")
    figure.update_yaxes(title=words["row"], autorange="reversed", showgrid=False, type="category")
    return finished(figure, 150 + (56 if small else 30) * len(names), 260 + (96 if small else 40) * len(names))


def _cell_text(share: _Estimate | None, words: Words) -> str:
    if share is None:
        return ""
    _, low, high = share
    return words["cell_alone" if low is None and high is None else "cell"].format(**_ends(share, 0))


def ratings_figure(view: JudgeView) -> Figure | None:
    """Return the ratings with their intervals, the best at the top."""
    if not view.ratings:
        return None
    words = words_of("benchmark")
    values = [(each.rating, each.ci_low, each.ci_high) for each in view.ratings]
    told = [
        words["hover_rating"].format(model=hover(each.model), n=f"{each.n_comparisons:,}", **_ends(value, 0))
        for each, value in zip(view.ratings, values, strict=True)
    ]
    figure = go.Figure(_dots(values, [label(each.model, _LONGEST_NAME) for each in view.ratings], told))
    figure.update_layout(margin={"l": 130, "t": 12}, showlegend=False)
    figure.update_xaxes(title=words["rating"], range=_around(values))
    figure.update_yaxes(autorange="reversed", type="category")
    return finished(figure, 90 + 30 * len(values))


def position_figure(report: Report) -> Figure | None:
    """Return how often verdicts hold in both orders, and how often the first answer wins, by judge."""
    judges = [judge for judge in report.judges if judge.position_consistency is not None]
    if not judges:
        return None
    words = words_of("benchmark")
    names = [label(judge.judge, _LONGEST_NAME) for judge in judges]
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.08)
    for column, kind in enumerate(("position_consistency", "first_position_preference"), 1):
        shares = [_percents(*(getattr(judge, f"{kind}{end}") for end in ("", "_low", "_high"))) for judge in judges]
        told = [
            words["hover_share"].format(judge=hover(judge.judge), **_ends(share, 1))
            for judge, share in zip(judges, shares, strict=True)
        ]
        figure.add_trace(_dots(shares, names, told), row=1, col=column)
        figure.update_xaxes(range=[-2, 102], title=words[kind], row=1, col=column)
    figure.add_vline(x=50, line={"dash": "dot", "color": SOFT, "width": 1.5}, row=1, col=2)
    figure.update_layout(margin={"l": 130, "t": 12}, showlegend=False)
    figure.update_yaxes(autorange="reversed", type="category")
    return finished(figure, 100 + 34 * len(judges), 640)


def lengths_of_models_figure(view: JudgeView) -> Figure | None:
    """Return mean words of each model against its rating, or its mean win rate where ratings do not compare."""
    points = view.by_length
    if not points:
        return None
    words, rated = words_of("benchmark"), bool(view.ratings) and view.n_groups == 1
    heading = words["rating" if rated else "mean_win_rate"]
    values = [(point.y, point.low, point.high) for point in points]
    told = [
        words["hover_length"].format(
            model=hover(point.name),
            words=formats.decimal(point.x, 1),
            value=f"{heading} {formats.decimal(point.y, 0 if rated else 1)}",
        )
        for point in points
    ]
    figure = go.Figure(
        go.Scatter(
            x=[point.x for point in points],
            y=[point.y for point in points],
            mode="markers+text",
            text=[label(point.name, _LONGEST_NAME) for point in points],
            textposition="middle right",
            textfont={"color": INK, "size": 11},
            marker={"color": ACCENT, "size": 9, "symbol": _symbols(values)},
            error_y=_whiskers(values),
            customdata=told,
            hovertemplate="%{customdata}<extra></extra>",
            cliponaxis=False,
        )
    )
    figure.update_layout(margin={"r": 120})
    figure.update_xaxes(title=words["words"])
    figure.update_yaxes(title=heading, range=_around(values))
    return finished(figure, 380, 460)


_Estimate = tuple[float | None, float | None, float | None]
"""A figure, and the two ends of its interval; None where the data give none."""


def _dots(values: Sequence[_Estimate], names: Sequence[str], told: Sequence[str]) -> Any:
    """Return estimates side by side with their intervals, a name a line."""
    return go.Scatter(
        x=[value for value, _, _ in values],
        y=list(names),
        mode="markers",
        marker={"color": ACCENT, "size": 9, "symbol": _symbols(values)},
        error_x=_whiskers(values),
        customdata=list(told),
        hovertemplate="%{customdata}<extra></extra>",
    )


def _symbols(values: Sequence[_Estimate]) -> list[str]:
    """Return a hollow dot for an estimate without an interval: a full one would look certain."""
    return ["circle-open" if low is None and high is None else "circle" for _, low, high in values]


def _whiskers(values: Sequence[_Estimate]) -> dict[str, Any]:
    """Return the intervals as Plotly has them: how far each reaches from its estimate.

    One with a single end goes on past the axis; one without ends is not known, and is not drawn.
    """
    reach = [
        (0.0, 0.0)
        if value is None or (low is None and high is None)
        else (_OPEN if low is None else value - low, _OPEN if high is None else high - value)
        for value, low, high in values
    ]
    return {
        "type": "data",
        "symmetric": False,
        "array": [above for _, above in reach],
        "arrayminus": [below for below, _ in reach],
        "color": ACCENT,
        "thickness": 2,
        "width": 0,
    }


def _around(values: Sequence[_Estimate]) -> list[float]:
    """Return the range of an axis that holds all estimates and the ends of their intervals."""
    ends = [end for value in values for end in value if end is not None]
    margin = 0.06 * (max(ends) - min(ends)) or 1.0
    return [min(ends) - margin, max(ends) + margin]


def _ends(value: _Estimate, places: int) -> dict[str, str]:
    found, low, high = (formats.decimal(number, places) for number in value)
    return {"value": found, "low": low, "high": high}


def _percents(share: float | None, low: float | None, high: float | None) -> _Estimate:
    value, low, high = (None if number is None else 100 * number for number in (share, low, high))
    return value, low, high
