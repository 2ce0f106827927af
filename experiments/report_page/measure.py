"""Measure pages in a headless Chromium: bytes, time to first paint, time until all charts are live.

    PYTHONPATH=tests/support python experiments/report_page/measure.py [PAGE...]

Without pages, the sweep of study B and 224 synthetic jobs are made and measured.
"""

import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from browser import open_page, start_browser
from sweep_folders import make_grid

from compression.commands.report_sweep import report_html

ROOT = Path(__file__).resolve().parents[2]
REPEATS = 5
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
# On a busy machine a page may be complete before the browser has painted it.
PAINTED = "performance.getEntriesByName('first-contentful-paint').length > 0"


def make_pages(folder: Path) -> dict[str, Path]:
    """Return the two pages by name, and print how long each took to make."""
    (folder / "study-b").mkdir()
    shutil.copy(ROOT / "experiments" / "studies" / "b" / "results.csv", folder / "study-b")
    strategies, sparsities = ("gmp", "rigl", "set", "snip"), [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97]
    make_grid(folder / "synthetic", sparsities=sparsities, bits=[2, 3, 4, 5, 6, 8], strategies=strategies)
    pages = {}
    for name in ("study-b", "synthetic"):
        begun = time.perf_counter()
        report_html(folder / name)
        print(f"{name}: made in {time.perf_counter() - begun:.1f} s")
        pages[name] = folder / name / "report.html"
    return pages


def measure(pages: dict[str, Path]) -> dict[str, dict[str, float]]:
    """Return bytes, and medians over fresh tabs of milliseconds to the first paint and to live charts."""
    found = {}
    with start_browser() as browser:
        for name, path in pages.items():
            paints, lives = [], []
            for _ in range(REPEATS):
                with open_page(browser, path) as opened:
                    if opened.page.locator("#data").count():
                        opened.wait()
                    opened.page.wait_for_function(PAINTED)
                    paints.append(opened.page.evaluate(FIRST_PAINT))
                    lives.append(opened.page.evaluate("performance.now()"))
                    assert opened.errors == [], opened.errors
            found[name] = {
                "bytes": path.stat().st_size,
                "first_paint_ms": round(statistics.median(paints)),
                "live_ms": round(statistics.median(lives)),
            }
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        given = {path: Path(path) for path in sys.argv[1:]}
        print(json.dumps(measure(given or make_pages(Path(scratch))), indent=1))
