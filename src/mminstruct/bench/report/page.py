"""The report as a page: one HTML file that needs no server, no network and no script.

Report (+ thumbnails)  ─►  report.html, from the templates beside this file, which hold all of its English

Names, captions and answers are other people's text: everything is escaped, and the page's own content security policy
forbids scripts and requests altogether.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, Environment, PackageLoader, StrictUndefined

from mminstruct.bench.folder import write_text
from mminstruct.bench.report import formats
from mminstruct.bench.report.by_judge import judge_views, shade, within
from mminstruct.bench.report.contents import Report
from mminstruct.bench.report.drawing import BAR_WIDTH, SHARES

_MOST_BREAKDOWN_ROWS = 1500  # on the page; 190 pairs × 167 instructions would make ten megabytes
_LONGEST_ANSWER = 3000  # characters; a model that never stops has hundreds of thousands


def write_page(report: Report, file: Path, thumbnails: Mapping[str, bytes] | None = None) -> None:
    """Write the page, whole or not at all; `thumbnails` are JPEG bytes by the questions' `image`."""
    write_text(file, render_page(report, thumbnails))


def render_page(report: Report, thumbnails: Mapping[str, bytes] | None = None) -> str:
    """Return the page's HTML."""
    environment = page_environment(PackageLoader("mminstruct.bench.report"))
    return environment.get_template("page.html.j2").render(page_context(report, thumbnails or {}))


def page_context(report: Report, thumbnails: Mapping[str, bytes]) -> dict[str, Any]:
    """Return what the page's templates speak of."""
    return {
        "report": report,
        "views": judge_views(report),
        "pictures": {name: base64.b64encode(data).decode("ascii") for name, data in thumbnails.items()},
        "broken_down": within(report.pairs, _MOST_BREAKDOWN_ROWS),
    }


def page_environment(loader: BaseLoader) -> Environment:
    """Return the environment in which this page's templates, and pages that share them, are rendered."""
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "count": formats.count,
        "decimal": formats.decimal,
        "p_value": formats.p_value,
        "percent": formats.percent,
        "shade": shade,
    }
    environment.globals |= {
        "DASH": formats.DASH,
        "BAR_WIDTH": BAR_WIDTH,
        "SHARES": SHARES,
        "LONGEST_ANSWER": _LONGEST_ANSWER,
    }
    return environment
