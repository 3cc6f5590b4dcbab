"""Settings of every test: one thread, and a few fixed examples from hypothesis; and a browser."""

import shutil

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)  # signals are short: further threads only wait for each other

settings.register_profile("soundstage", max_examples=20, deadline=None, derandomize=True)
settings.load_profile("soundstage")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)


@pytest.fixture(scope="session")
def browser():
    """A Chromium; the test is skipped without one, or without Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium on the path")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=path, args=list(BROWSER_ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    """Opens a file; the test fails at its end if the page complained or reached out."""
    contexts, troubles = [], []

    def open_(address, *, width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("request", lambda request: note(request.url))
        page.goto(address)
        return page

    def note(url):
        if not url.startswith(("file:", "data:")):
            troubles.append(f"request: {url}")

    yield open_
    for context in contexts:
        context.close()
    assert troubles == []
