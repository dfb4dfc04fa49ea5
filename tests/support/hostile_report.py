"""A run's report whose every text of others tries to be more than text."""

from __future__ import annotations

from dataclasses import replace

from mminstruct.web.report.contents import RunReport

MARK = "<b>bold</b>"
HOSTILE = (
    f"</script><!--{MARK}<script>alert(1)</script><img src=x onerror=alert(2)><a href='http://evil.test'>a</a>&amp;"
)


def hostile(report: RunReport) -> RunReport:
    """Return the report with the same text wherever a run's own text stands."""
    assert report.match is not None
    return replace(
        report,
        name=HOSTILE,
        sources=[replace(each, name=HOSTILE) for each in report.sources],
        stages=[replace(each, model=HOSTILE, notes=[HOSTILE]) for each in report.stages],
        spent=[replace(each, model=HOSTILE) for each in [*report.spent, *report.spent]],
        settings=[replace(each, value=HOSTILE) for each in report.settings],
        match=replace(
            report.match,
            instructions=[replace(each, text=HOSTILE, category=HOSTILE) for each in report.match.instructions],
        ),
        map=report.map and replace(report.map, points=[replace(each, text=HOSTILE) for each in report.map.points]),
        categories=[replace(each, category=f"{n}{HOSTILE}") for n, each in enumerate(report.categories)],
        verbs=[replace(each, verb=HOSTILE, object=HOSTILE) for each in report.verbs],
        samples=[
            replace(each, instruction=HOSTILE, text=20 * HOSTILE, description=HOSTILE, image_name=HOSTILE)
            for each in report.samples
        ],
        rejected=[
            replace(each, row_id=HOSTILE, text=HOSTILE, detail=HOSTILE, instruction=HOSTILE, image_name=HOSTILE)
            for each in report.rejected
        ],
    )
