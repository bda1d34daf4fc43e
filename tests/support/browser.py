"""Chromium for tests that look at pages; whatever its console complains about fails the test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
# Widths and themes that a page is looked at in.
VIEWS = [(width, scheme) for width in (1280, 390) for scheme in ("light", "dark")]
SHOTS = os.environ.get("SCREENSHOTS")  # a folder for a picture of each page that a test opens
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Elements that stick out of the page to the right and do not lie in a box that scrolls by itself.
TOO_WIDE = """
() => [...document.querySelectorAll("body *")].filter((element) => {
  const box = element.getBoundingClientRect();
  if (!box.width || box.right <= document.documentElement.clientWidth + 1) return false;
  for (let at = element.parentElement; at; at = at.parentElement)
    if (["auto", "scroll", "hidden"].includes(getComputedStyle(at).overflowX)) return false;
  return true;
}).map((element) => element.outerHTML.slice(0, 120))
"""
WIDER_THAN_ITS_WINDOW = """
() => { const page = document.documentElement;
  return page.scrollWidth > page.clientWidth + 1
    ? [`the page is ${page.scrollWidth} wide, its window ${page.clientWidth}`] : [] }
"""

# Axe's whole report, all that is well included, takes several times as long to hand over.
# Colours on their way from the other theme are no fault.
VIOLATIONS = """
async (sizes) => {
  for (const moving of document.getAnimations())
    if (moving instanceof CSSTransition) moving.finish();
  const rules = { "target-size": { enabled: sizes } };
  return (await axe.run(document, { preload: false, rules, resultTypes: ["violations"] }))
    .violations.map(({ id, nodes }) =>
      `${id}: ${nodes.slice(0, 4).map((node) => node.html.slice(0, 160)).join(", ")}`)
}
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright keeps an event loop in this thread
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@dataclass
class Looked:
    """A page of a signed-in account, and what its console has complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(10_000)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _heard(self, said: ConsoleMessage) -> None:
        if said.type != "log":
            self.complaints.append(said.text)

    def too_wide(self) -> list[str]:
        found: list[str] = self.page.evaluate(TOO_WIDE)
        return found + list(self.page.evaluate(WIDER_THAN_ITS_WINDOW))

    def axe_violations(self, *, sizes: bool = False) -> list[str]:
        """What axe finds, a line each: the rule and the elements that break it. Axe itself uses
        inline styles, which the page's policy forbids: those complaints are not the page's. With
        `sizes`, it looks for what is too small to be pressed, too."""
        before = len(self.complaints)
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(Axe().axe_script)
        found: list[str] = self.page.evaluate(VIOLATIONS, sizes)
        del self.complaints[before:]
        return found

    def problems(self, name: str, *, sizes: bool = False) -> list[str]:
        """What is wrong with the page in any of the views."""
        found: list[str] = []
        for width, scheme in VIEWS:
            self.page.set_viewport_size({"width": width, "height": 900})
            self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            self.picture(f"{name}-{width}-{scheme}")
            wrong = self.too_wide() + self.axe_violations(sizes=sizes)
            found += [f"{width} {scheme}: {line}" for line in wrong]
        return found

    def picture(self, name: str) -> None:
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


@contextmanager
def opened(browser: Browser, base: str, cookie: dict[str, str], **context: Any) -> Iterator[Looked]:
    """A page whose complaints fail the test when it is closed."""
    place = browser.new_context(base_url=base, reduced_motion="reduce", **context)
    place.add_cookies([{**cookie, "url": base}])  # type: ignore[typeddict-item]
    looked = Looked(place.new_page())
    yield looked
    place.close()
    assert not looked.complaints, looked.complaints
