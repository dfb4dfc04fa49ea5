"""How soon the explorer shows the first cards of a large run, in Debian's Chromium.

    python benchmarks/explore_page.py RUN      a minute; RUN is a finished run with 234,000 samples, say

Each view of a page is a browser context of its own, so that nothing is in its cache. Times are the page's own, from the
start of the navigation: until the first card stands there, until its thumbnail is drawn, and until the filters have
their counts. Output: `benchmarks/results/explore_page.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from harness import HERE, machine

RESULTS = HERE / "results" / "explore_page.md"
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
N_VIEWS = 5
MARKS = {
    "first cards": "article.card h3",
    "first picture": ".picture.loaded",
    "filters with counts": ".facets .n",
}
WATCH = """
window.firstSeen = new Promise((resolve) => {
  const [marks, seen] = [%s, {}];
  const look = () => {
    for (const [name, selector] of Object.entries(marks)) {
      if (!(name in seen) && document.querySelector(selector)) seen[name] = performance.now();
    }
    if (Object.keys(seen).length === Object.keys(marks).length) resolve(seen);
    else requestAnimationFrame(look);
  };
  look();
});
"""
PAGES = {
    "gallery": "gallery",
    "kept, best match first": "gallery?status=kept&sort=-score",
    "search for a word": "gallery?q=lantern",
    "a category, the 500th page": "gallery?source=coco&page=499",
}


@contextmanager
def explorer(run: str) -> Iterator[tuple[str, float]]:
    """Serve a run; the address, and the seconds from the start of the command to the first answer with rows."""
    command = [sys.executable, "-m", "mminstruct", "explore", run, "--no-browser", "--port", "0"]
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = next(line for line in process.stdout if "http://" in line)
            address = line[line.index("http://") :].split()[0].rstrip("/.")
            with urllib.request.urlopen(f"{address}/api/items?size=1", timeout=600) as response:
                json.load(response)
            yield address, time.perf_counter() - started
        finally:
            process.terminate()


def ask(address: str, path: str) -> Any:
    """Return the JSON at `path`."""
    with urllib.request.urlopen(f"{address}{path}", timeout=600) as response:
        return json.load(response)


def view(browser: Browser, link: str) -> dict[str, float]:
    """Open a page anew and return the milliseconds at which each mark was seen."""
    context = browser.new_context(viewport={"width": 1600, "height": 1000})
    page = context.new_page()
    page.add_init_script(WATCH % json.dumps(MARKS))
    page.goto(link)
    seen: dict[str, float] = page.evaluate("window.firstSeen")
    context.close()
    return seen


def measure(address: str) -> list[str]:
    """Return the rows of the table."""
    rows = []
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        view(browser, f"{address}/gallery")  # the browser's own start
        for label, path in PAGES.items():
            seen = [view(browser, f"{address}/{path}") for _ in range(N_VIEWS)]
            times = [[one[name] for one in seen] for name in MARKS]
            cells = " | ".join(f"{statistics.median(each):,.0f} ({max(each):,.0f})" for each in times)
            rows.append(f"| {label} | {cells} |")
            print(rows[-1], file=sys.stderr, flush=True)
        browser.close()
    return rows


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="folder of a finished run")
    run = parser.parse_args().run
    with explorer(run) as (address, ready_s):  # what a busy machine measures says nothing: look at the load
        while not ask(address, "/api/search/status")["ready"]:
            time.sleep(0.5)
        about, kept = ask(address, "/api/about"), ask(address, "/api/items?status=kept&size=1")["total"]
        rows = measure(address)
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    RESULTS.write_text(
        f"""# From the address to the first cards

`python benchmarks/explore_page.py RUN`: {machine(["playwright", "duckdb", "starlette", "uvicorn"])}.

A run of {about["n_items"]:,} rows, {kept:,} of them training samples, on a local disk; Chromium on the same machine,
which draws without a GPU; load at the end {load}. Milliseconds from the start of the navigation, median of {N_VIEWS}
views with an empty cache (the slowest in brackets). From the start of `mminstruct explore` to its first answer with
rows: {ready_s:.1f} s.

| page | {" | ".join(MARKS)} |
|---|{"---:|" * len(MARKS)}
"""
        + "\n".join(rows)
        + "\n",
        encoding="utf-8",
    )
    print(Path(RESULTS).read_text())


if __name__ == "__main__":
    main()
