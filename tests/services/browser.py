"""A real browser: the Chromium of this machine, without a window, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MACOS = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
NOT_INSTALLED = "Chromium is not installed"
REMEDY = "install it, or Google Chrome (Debian: apt install chromium; macOS: brew install --cask google-chrome)"


def executable() -> str | None:
    """The path of the browser, or None where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or (str(MACOS) if MACOS.exists() else None)


@contextmanager
def browser() -> "Iterator[Browser]":
    """A browser, and its driver; both are gone after the block.

    Skips the test that asks for it where no browser is installed; with `CI` set, fails it.
    """
    from playwright.sync_api import sync_playwright  # here, since every run of the tests imports this module

    path = executable()
    if path is None and os.environ.get("CI"):
        pytest.fail(f"{NOT_INSTALLED}: {REMEDY}.")
    if path is None:
        pytest.skip(f"{NOT_INSTALLED}: {REMEDY}")
    # Chromium's sandbox needs a user namespace, which root has not in a container.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield started
        finally:
            started.close()
