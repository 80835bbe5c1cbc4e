"""Put a picture of the page into docs/page.png: a workflow as a web front, a worker and a browser have run it.

A program takes the picture, so that it cannot show what the page does not do. Run it with the project's folder in
PYTHONPATH: the services are those of the tests.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.services.browser import NOT_INSTALLED, REMEDY, browser, executable
from tests.services.celery import Worker
from tests.services.web import WebFront

PICTURE = Path(__file__).parent.parent / "docs" / "page.png"
SIZE = {"width": 1440, "height": 900}


def main() -> None:
    """Take the picture anew, where there is a browser."""
    if executable() is None:
        sys.exit(f"{NOT_INSTALLED}: {REMEDY}.")
    with tempfile.TemporaryDirectory() as folder:
        settings = {"DATA_DIR": folder}
        with (
            WebFront(Path(folder) / "web", settings) as web,
            Worker(Path(folder) / "laptop", settings),
            browser() as chromium,
            chromium.new_context(viewport=SIZE, color_scheme="light", device_scale_factor=1.5) as context,
        ):
            take(context.new_page(), web.url)


def take(page: Page, url: str) -> None:
    """Run the nested workflow on the page at `url` and take a picture of it, with one step looked at."""
    page.goto(url)
    page.get_by_role("button", name="Start nested").click()
    expect(page.locator("#run-state")).to_contain_text("succeeded", timeout=20_000)
    page.get_by_text("The code that builds it").click()
    page.get_by_role("treeitem", name="xsum([6, 12])").click()
    page.locator("#run").screenshot(path=PICTURE, animations="disabled")


if __name__ == "__main__":
    main()
