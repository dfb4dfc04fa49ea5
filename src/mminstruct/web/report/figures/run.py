"""The figures of a run's stages, matches, texts and kinds of instructions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mminstruct.web.report.contents import CategoryLine, Histogram, Match, Spread, StageLine
from mminstruct.web.report.figures.figure import ACCENT, INK, QUIET, SECOND, SOFT, Figure, finished
from mminstruct.web.report.figures.texts import hover, label
from mminstruct.web.report.figures.words import Words, words_of

_MOST_RANKS = 1000  # bars that a figure can show; of more instructions, the most used ones
_FEWEST_DRAWN = 5  # texts: of fewer a curve says nothing that the table does not
_ROW = 26  # pixels of a horizontal bar


def stages_figure(stages: Sequence[StageLine]) -> Figure | None:
    """Return seconds and tokens by stage, side by side; None where no stage has begun."""
    begun = [stage for stage in stages if stage.seconds]
    if not begun:
        return None
    words, names = words_of("stages"), [stage.stage for stage in begun]
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.06)
    seconds = [stage.seconds for stage in begun]
    figure.add_bar(x=seconds, y=names, orientation="h", marker_color=ACCENT, showlegend=False, row=1, col=1,
                   text=[f"{value:,.1f}" for value in seconds], textposition="outside", cliponaxis=False,
                   hoverinfo="skip")  # fmt: skip
    kinds = (("prompt", [stage.prompt_tokens for stage in begun], QUIET),
             ("completion", [stage.completion_tokens for stage in begun], SECOND))  # fmt: skip
    for name, numbers, colour in kinds:
        figure.add_bar(x=numbers, y=names, orientation="h", name=words[name], marker_color=colour, row=1, col=2,
                       hovertemplate="%{x:,} " + words[name] + "<extra></extra>")  # fmt: skip
    over_tokens = {"orientation": "h", "x": 0.53, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"}
    figure.update_layout(barmode="stack", bargap=0.35, legend=over_tokens, margin={"l": 80})
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(title=words["seconds"], range=[0, 1.18 * max(seconds)], row=1, col=1)
    figure.update_xaxes(title=words["tokens"], rangemode="tozero", row=1, col=2)
    return finished(figure, 110 + _ROW * len(begun), 560)


def balance_figure(match: Match) -> Figure | None:
    """Return the pairs of each instruction, the most used first: those that became samples, and the others."""
    lines = sorted(match.instructions, key=lambda line: -line.n_matches)[:_MOST_RANKS]
    if not lines or not lines[0].n_matches:
        return None
    words, ranks = words_of("balance"), list(range(1, len(lines) + 1))
    texts = [
        words["hover"].format(text=hover(line.text), samples=f"{line.n_samples:,}", matches=f"{line.n_matches:,}")
        for line in lines
    ]
    figure = go.Figure()
    for name, numbers, colour in (
        ("samples", [line.n_samples for line in lines], ACCENT),
        ("others", [line.n_matches - line.n_samples for line in lines], QUIET),
    ):
        figure.add_bar(x=ranks, y=numbers, name=words[name], marker_color=colour, marker_line_width=0,
                       customdata=texts, hovertemplate="%{customdata}<extra></extra>")  # fmt: skip
    even = sum(line.n_matches for line in match.instructions) / len(match.instructions)
    figure.add_scatter(x=[0.4, len(lines) + 0.6], y=[even, even], mode="lines", hoverinfo="skip",
                       name=words["even"].format(n=f"{even:,.1f}"),
                       line={"dash": "dot", "width": 1.5, "color": INK})  # fmt: skip
    figure.update_layout(barmode="stack", legend_traceorder="normal", bargap=0.2 if len(lines) < 100 else 0)
    figure.update_xaxes(title=words["rank"], showgrid=False, range=[0.4, len(lines) + 0.6])
    figure.update_yaxes(title=words["pairs"], rangemode="tozero")
    return finished(figure, 320)


def scores_figure(match: Match) -> Figure | None:
    """Return the distribution of scores of all matches and of the samples."""
    if not match.scores:
        return None
    words, figure = words_of("scores"), go.Figure()
    for spread, colour in zip(match.scores, (SOFT, ACCENT), strict=False):
        name = words[spread.name].format(n=f"{spread.n:,}")
        figure.add_trace(_steps(spread, name, colour, words, "{:.3g}"))
    figure.update_xaxes(title=words["score"], showgrid=False)
    figure.update_yaxes(title=words["share"], rangemode="tozero")
    return finished(figure, 300)


def lengths_figure(lengths: Sequence[Spread]) -> Figure | None:
    """Return the lengths of instructions and of answers, side by side."""
    panels = [
        [spread for spread in lengths if spread.name.endswith("instructions")],
        [spread for spread in lengths if spread.name.startswith("answers")],
    ]
    panels = [drawn for panel in panels if (drawn := [spread for spread in panel if spread.n >= _FEWEST_DRAWN])]
    if not panels:
        return None
    words = words_of("lengths")
    figure = make_subplots(1, len(panels), horizontal_spacing=0.1)
    colours = {"raw instructions": SOFT, "general instructions": ACCENT, "answers kept": ACCENT}
    for column, panel in enumerate(panels, 1):
        for spread in panel:
            name = words[spread.name].format(n=f"{spread.n:,}")
            trace = _steps(spread, name, colours.get(spread.name, SECOND), words, "{:,.0f}")
            trace.legend = "legend" if column == 1 else "legend2"
            figure.add_trace(trace, row=1, col=column)
    second = {"orientation": "h", "x": 0.55, "y": 1.02, "yanchor": "bottom"}
    figure.update_layout(legend2=second, margin={"t": 60})
    figure.update_xaxes(title=words["words"], showgrid=False, rangemode="tozero")
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(title=words["share"], col=1)
    return finished(figure, 340, 620 if len(panels) == 2 else 0)


def categories_figure(categories: Sequence[CategoryLine]) -> Figure | None:
    """Return each category's share of the instructions and of the samples."""
    if not categories:
        return None
    words, figure = words_of("categories"), go.Figure()
    names = [label(line.category) or "–" for line in categories]
    for name, numbers, colour in (
        ("instructions", [line.n_instructions for line in categories], QUIET),
        ("samples", [line.n_samples for line in categories], ACCENT),
    ):
        total = sum(numbers)
        if not total:
            continue
        shares = [100 * number / total for number in numbers]
        told = [
            words["hover"].format(category=category, n=f"{number:,}", share=f"{share:.1f}")
            for category, number, share in zip(names, numbers, shares, strict=True)
        ]
        figure.add_bar(x=shares, y=names, orientation="h", name=words[name].format(n=f"{total:,}"), customdata=told,
                       marker_color=colour, hovertemplate="%{customdata}<extra></extra>")  # fmt: skip
    figure.update_layout(barmode="group", bargap=0.35, bargroupgap=0.1, legend_traceorder="normal", margin={"l": 130})
    figure.update_xaxes(title=words["share"], rangemode="tozero")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return finished(figure, 110 + 32 * len(categories))


def _steps(spread: Spread, name: str, colour: str, words: Words, form: str) -> Any:
    """Return a histogram as an outline of the shares, so that two of different size can lie on each other."""
    histogram = spread.histogram
    assert histogram is not None, "a spread of no numbers is left out"
    shares = [100 * count / spread.n for count in histogram.counts]
    edges = [histogram.start + place * histogram.width for place in range(len(shares) + 1)]
    told = [_told(histogram, place, shares[place], words, form) for place in range(len(shares))]
    return go.Scatter(
        x=[edges[0], *edges],
        y=[0.0, *shares, 0.0],
        mode="lines",
        line={"shape": "hv", "width": 2, "color": colour},
        name=name,
        customdata=["", *told, ""],
        hovertemplate="%{customdata}<extra></extra>",
    )


def _told(histogram: Histogram, place: int, share: float, words: Words, form: str) -> str:
    low = histogram.start + place * histogram.width
    whole = form.endswith(",.0f}")  # of whole numbers, the last one in the bin is named
    high = low + histogram.width - (1 if whole else 0)
    key = "hover_single" if whole and high <= low else "hover"
    n, told_share = f"{histogram.counts[place]:,}", f"{share:.1f}"
    return words[key].format(low=form.format(low), high=form.format(high), n=n, share=told_share)
