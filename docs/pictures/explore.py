"""Take the pictures of the explorer's views, for the documentation: one file a view beside this script.

    python docs/pictures/explore.py runs/demo bench/my        the run's views and the benchmark's
    python docs/pictures/explore.py runs/demo                 the run's alone

Chromium is driven by Playwright (the extra `dev`); set CHROMIUM where it is not at /usr/bin/chromium.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).parent
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
WIDTH, HEIGHT = 1440, 900
TALLER = {"leaderboard": 1500}  # what speaks against a judge stands before its figures
LARGEST = 390_000  # bytes of one picture
SHOWN = {
    "gallery": ".picture.loaded",
    "sample": "dialog .story .picture.loaded",
    "map": ".legend-head h2",
    "review": ".story .picture.loaded",
    "live": ".picture.loaded",
    "leaderboard": "main table",
    "questions": "main article",
    "arena": ".answers",
}
"""What stands on a view once it is whole."""
RUN_VIEWS = ("gallery", "sample", "map", "review", "live")
BENCH_VIEWS = ("leaderboard", "questions", "arena")


@contextmanager
def explorer(folder: str) -> Iterator[str]:
    """Serve a folder; the address, without a slash at the end."""
    command = [sys.executable, "-m", "mminstruct", "explore", folder, "--no-browser", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = next(line for line in process.stdout if "http://" in line)
            yield line[line.index("http://") :].split()[0].rstrip("/")
        finally:
            process.terminate()


def show(page: Page, address: str, view: str) -> None:
    """Go to a view and bring it to where there is something to see; nothing is decided or voted."""
    page.goto(f"{address}/{'gallery?status=kept&sort=-score' if view in ('gallery', 'sample') else view}")
    if view == "sample":
        page.locator(".cards a").nth(2).click()
    elif view == "questions":
        page.locator("[data-id]").nth(2).click()
    elif view in ("review", "arena"):
        page.locator("input[required]").fill("Ada")
        page.keyboard.press("Enter")
    page.mouse.move(0, 0)  # nothing looks pointed at
    page.locator(SHOWN[view]).first.wait_for()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(2_000)  # a map is drawn, pictures fade in


def take(browser: Browser, address: str, view: str, path: Path) -> None:
    """Write one view's picture: a PNG of 256 colours."""
    page = browser.new_page(
        viewport={"width": WIDTH, "height": TALLER.get(view, HEIGHT)}, color_scheme="light", reduced_motion="reduce"
    )
    page.set_default_timeout(180_000)  # a leaderboard is computed, a map laid out
    show(page, address, view)
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    page.close()
    png = io.BytesIO()
    shot.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(png, "PNG", optimize=True)
    path.write_bytes(png.getvalue())
    print(f"{path.name}: {len(png.getvalue()):,} bytes")
    if len(png.getvalue()) > LARGEST:
        raise SystemExit(f"{path.name} has over {LARGEST:,} bytes")


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="folder of a finished run")
    parser.add_argument("bench", nargs="?", help="folder of a benchmark with judgments")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the pictures")
    parser.add_argument("--prefix", default="explore", help="what the files' names begin with")
    parser.add_argument("--views", nargs="+", default=[*RUN_VIEWS, *BENCH_VIEWS], help="these views alone")
    given = parser.parse_args()
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for folder, views in ((given.run, RUN_VIEWS), (given.bench, BENCH_VIEWS)):
            if folder:
                with explorer(folder) as address:
                    for view in (view for view in views if view in given.views):
                        take(browser, address, view, given.out / f"{given.prefix}-{view}.png")
        browser.close()


if __name__ == "__main__":
    main()
