"""The report as a page: one HTML file that opens from disk, and asks nothing of anybody.

RunReport ─► figures ─► run.html        from the templates beside this file, which hold all of the English;
Report    ─► figures ─► benchmark.html  the latter is the page of `bench report` with figures, and shares its style

Names, captions and answers are other people's text: HTML is escaped by Jinja, figures by `figures/texts.py`, and JSON
so that nothing in it ends its script. The page's own content security policy lets the two scripts of ours run, by
their hashes, and forbids every request.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

import yaml
from jinja2 import ChoiceLoader, PackageLoader
from markupsafe import Markup

from mminstruct.bench.report import page as bench_page
from mminstruct.bench.report.by_judge import JudgeView, judge_views
from mminstruct.bench.report.contents import Report
from mminstruct.bench.report.formats import decimal
from mminstruct.errors import MissingExtraError
from mminstruct.web.report.contents import RunReport
from mminstruct.web.report.figures.figure import Figure

_SHOWN_TEXT = 420  # characters of an answer that stand on its card
_LONGEST_TEXT = 6000  # and of all of it: a model that never stops has hundreds of thousands


@dataclass(frozen=True)
class _Total:
    """Sums over all stages."""

    requests: int
    cached: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    seconds: float

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


def render_run(run: RunReport, state: str = "") -> str:
    """Return a run's page; `state` is what `writing.py` knows a page by."""
    views = judge_views(run.benchmark) if run.benchmark else []
    figures = _run_figures(run) | (_benchmark_figures(run.benchmark, views) if run.benchmark else {})
    return _render("run.html.j2", figures, run=run, state=state, total=_total(run), views=views)


def render_benchmark(report: Report, thumbnails: Mapping[str, bytes]) -> str:
    """Return a benchmark's page with figures."""
    context = bench_page.page_context(report, thumbnails)
    return _render("benchmark.html.j2", _benchmark_figures(report, context["views"]), **context)


def _render(template: str, figures: Mapping[str, Figure | None], **context: Any) -> str:
    environment = bench_page.page_environment(
        ChoiceLoader([PackageLoader("mminstruct.web.report"), PackageLoader("mminstruct.bench.report")])
    )
    library, script = _plotly(), _own("report.js")
    environment.filters |= {
        "base64": lambda data: base64.b64encode(data).decode("ascii"),
        "beginning": _beginning,
        "cost": lambda cost: decimal(cost, 2 if cost is None or cost >= 1 or not cost else 4),
        "duration": duration,
        "json": as_json,
    }
    environment.globals |= {
        "FIGURES": _Figures({name: figure for name, figure in figures.items() if figure}),
        "LONGEST_TEXT": _LONGEST_TEXT,
        "SHOWN_TEXT": _SHOWN_TEXT,
        "REASONS": yaml.safe_load(_own("reasons.yaml")),
        "PLOTLY": Markup(library),
        "SCRIPT": Markup(script),
    }
    return environment.get_template(template).render(policy=Markup(_policy(library, script)), **context)


class _Figures(dict[str, Figure]):
    """The figures by name; one that is not there is None to a template, as it may be asked for."""

    def __missing__(self, name: str) -> None:
        return None


def _run_figures(run: RunReport) -> dict[str, Figure | None]:
    from mminstruct.web.report.figures import flow, instruction_map, verbs
    from mminstruct.web.report.figures import run as of_run

    return {
        "stages": of_run.stages_figure(run.stages),
        "image_flow": flow.flow_figure(run.image_flow),
        "instruction_flow": flow.flow_figure(run.instruction_flow),
        "map": instruction_map.map_figure(run.map) if run.map else None,
        "balance": of_run.balance_figure(run.match) if run.match else None,
        "scores": of_run.scores_figure(run.match) if run.match else None,
        "lengths": of_run.lengths_figure(run.lengths),
        "categories": of_run.categories_figure(run.categories),
        "verbs": verbs.verbs_figure(run.verbs, run.verbs_count_samples),
    }


def _benchmark_figures(report: Report, views: list[JudgeView]) -> dict[str, Figure | None]:
    from mminstruct.web.report.figures import benchmark

    figures = {"position": benchmark.position_figure(report)}
    for place, view in enumerate(views, 1):
        figures[f"win-rates-{place}"] = benchmark.win_rates_figure(view)
        figures[f"ratings-{place}"] = benchmark.ratings_figure(view)
        figures[f"lengths-{place}"] = benchmark.lengths_of_models_figure(view)
    return figures


def _total(run: RunReport) -> _Total:
    costs = [line.cost for line in run.stages if line.requests]
    return _Total(
        requests=sum(line.requests for line in run.stages),
        cached=sum(line.cached for line in run.stages),
        prompt_tokens=sum(line.prompt_tokens for line in run.stages),
        completion_tokens=sum(line.completion_tokens for line in run.stages),
        cost=None if None in costs else sum(cost for cost in costs if cost is not None),
        seconds=sum(line.seconds for line in run.stages),
    )


def require_plotly() -> None:
    """Raise MissingExtraError without plotly, before anything has been counted in vain."""
    if find_spec("plotly") is None:
        raise MissingExtraError("plotly", "The report", "pip install 'mminstruct[web]'")


def _plotly() -> str:
    """Return plotly.js, out of plotly's own package."""
    from plotly.offline import get_plotlyjs

    library: str = get_plotlyjs()
    return library.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _own(name: str) -> str:
    return (files("mminstruct.web.report") / "templates" / name).read_text(encoding="utf-8")


def _policy(*scripts: str) -> str:
    """Return the content security policy under which these scripts run, and nothing else does."""
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii") for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def as_json(value: Any) -> Markup:
    """Return JSON for a script element: nothing in it is read as markup, whatever its texts are.

    >>> as_json("</script><!--")
    Markup('"\\\\u003c/script\\\\u003e\\\\u003c!--"')
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def duration(seconds: float) -> str:
    """Return a time as people say it.

    >>> duration(0.42), duration(75), duration(7384)
    ('0.4 s', '1 min 15 s', '2 h 3 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"


def _beginning(text: str, most: int) -> str:
    """Return at most so many characters of a text, its lines as they are."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
