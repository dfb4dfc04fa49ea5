"""What all figures share: their frame, and the names of colours.

Colours are names of CSS variables (`var(--c1)`): the page's script puts in what the light or the dark page has.
"""

from __future__ import annotations

from typing import Any, TypedDict

INK, SOFT, RULE, PAGE = "var(--ink)", "var(--soft)", "var(--rule)", "var(--page)"
ACCENT, SECOND, QUIET = "var(--c1)", "var(--c2)", "var(--c0)"
SERIES = tuple(f"var(--c{number})" for number in range(1, 9))
"""Eight colours that people with any colour vision can tell apart (Okabe and Ito), made to suit either page."""

_FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif'


class Figure(TypedDict):
    """What the page's script gives to Plotly, and its height and the least width that it can be read at, in pixels."""

    data: list[dict[str, Any]]
    layout: dict[str, Any]
    height: int
    least_width: int


def finished(figure: Any, height: int, least_width: int = 0) -> Figure:
    """Return a `plotly.graph_objects.Figure` as plain data, in the frame of all figures."""
    own_margin = figure.layout.margin.to_plotly_json()
    figure.update_layout(
        height=height,
        margin={"l": 60, "r": 16, "t": 36, "b": 52, "pad": 4} | own_margin,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": _FONT, "size": 12, "color": INK},
        hoverlabel={"bgcolor": PAGE, "bordercolor": SOFT, "font": {"color": INK, "size": 12}, "align": "left"},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"} | figure.layout.legend.to_plotly_json(),
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": SOFT, "activecolor": INK},
        dragmode=figure.layout.dragmode or False,
    )
    axis = {"gridcolor": RULE, "linecolor": SOFT, "zerolinecolor": RULE, "automargin": True, "title_standoff": 6}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    plain = figure.to_plotly_json()
    plain["layout"].pop("template", None)  # some kilobytes a figure, of a look that is not ours
    return {"data": plain["data"], "layout": plain["layout"], "height": height, "least_width": least_width}
