"""The map of instructions: each a dot in the plane, those that say alike near each other."""

from __future__ import annotations

import plotly.graph_objects as go

from mminstruct.web.report.contents import InstructionMap, MapPoint
from mminstruct.web.report.figures.figure import INK, QUIET, SERIES, Figure, finished
from mminstruct.web.report.figures.texts import hover, label
from mminstruct.web.report.figures.words import Words, words_of


def map_figure(found: InstructionMap) -> Figure | None:
    """Return the scatter plot: a raw instruction has its final one's colour, and colours repeat after eight."""
    if not found.points:
        return None
    words, figure = words_of("map"), go.Figure()
    size = 5 if found.n_raw_shown > 500 else 8
    for kind, marker in (
        ("rejected", {"size": size, "symbol": "x-thin", "line": {"width": 1.5, "color": QUIET}}),
        ("raw", {"size": size, "opacity": 0.85}),
        ("final", {"size": 13, "symbol": "diamond", "line": {"color": INK, "width": 1.5}}),
    ):
        points = [point for point in found.points if point.kind == kind]
        if points:
            figure.add_scatter(
                x=[round(point.x, 3) for point in points],
                y=[round(point.y, 3) for point in points],
                mode="markers",
                name=words[kind],
                marker={"color": [_colour(point) for point in points], **marker},
                customdata=[f"{hover(point.text)}<br><i>{_told(point, words)}</i>" for point in points],
                hovertemplate="%{customdata}<extra></extra>",
            )
    figure.update_layout(dragmode="pan", margin={"l": 8, "r": 8, "b": 8, "t": 40})
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x")
    return finished(figure, 560)


def _colour(point: MapPoint) -> str:
    return QUIET if point.cluster < 0 or point.kind == "rejected" else SERIES[point.cluster % len(SERIES)]


def _told(point: MapPoint, words: Words) -> str:
    values = {"cluster": point.cluster, "n": f"{point.n_raw:,}", "reason": label(point.reason)}
    return words[f"hover_{point.kind}"].format(**values)
