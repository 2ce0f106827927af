"""Pages opened from disk in a headless Chromium, with everything that they do wrong."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = f"no Chromium on PATH ({', '.join(NAMES)}): .ci/install_chromium installs Debian's"


def find_chromium() -> str | None:
    """Return the path of an installed Chromium, or None."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@dataclass
class Opened:
    """An open page, and its script errors, its requests and its messages of the console."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def wait(self) -> None:
        """Wait until all live charts are drawn."""
        self.page.wait_for_function("document.documentElement.dataset.ready === 'yes'", timeout=60_000)

    def find_violations(self) -> list[str]:
        """Return the rules of axe-core that the page breaks, each with the first element."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page).response["violations"]
        return [f"{one['id']}: {one['nodes'][0]['html'][:200]} {one['nodes'][0]['failureSummary']}" for one in found]

    def broken_images(self) -> list[str]:
        """Return the start of the address of every image that has not loaded."""
        return self.page.evaluate(
            "[...document.images].filter((i) => !i.complete || !i.naturalWidth).map((i) => i.src.slice(0, 80))"
        )


@contextmanager
def start_browser() -> Iterator[Any]:
    """Yield a headless Chromium, and end it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # A container runs as root, where Chromium has no sandbox.
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@contextmanager
def open_page(
    browser: Any, path: Path, *, width: int = 1280, height: int = 900, dark: bool = False, javascript: bool = True
) -> Iterator[Opened]:
    """Open an HTML file from disk and yield it with its errors and requests."""
    scheme = "dark" if dark else "light"
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, java_script_enabled=javascript
    )
    opened = Opened(context.new_page())
    opened.page.on("pageerror", lambda error: opened.errors.append(str(error)))
    opened.page.on("console", lambda said: opened.errors.append(said.text) if said.type == "error" else None)
    opened.page.on("request", lambda asked: opened.requests.append(asked.url))
    opened.page.goto(path.resolve().as_uri())
    yield opened
    context.close()
