"""A page whose head is slow to arrive: no half of it is painted, so nothing moves."""

from __future__ import annotations

import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from django.conf import settings
from playwright.sync_api import Browser

from songs.models import User
from tests.support import cast
from tests.support.browser import CHROMIUM, opened

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CHROMIUM, reason="NO BROWSER TESTED: Chromium is not installed"),
]
EXPECTS = '<link rel="expect" href="#main" blocking="render">'
SEEN = "/seen"  # asked for when the first half is painted, or is not for a while
LOOK = f"""
window.shifts = [];
new PerformanceObserver((list) => {{
  for (const shift of list.getEntries()) shifts.push(...shift.sources.map(
    ({{ node, previousRect, currentRect }}) =>
      `${{node?.outerHTML?.slice(0, 90)}} from ${{[previousRect.x, previousRect.y]}}`
      + ` to ${{[currentRect.x, currentRect.y]}}`));
}}).observe({{ type: "layout-shift", buffered: true }});
const seen = () => fetch("{SEEN}").catch(() => {{}});
requestAnimationFrame(() => requestAnimationFrame(seen));
setTimeout(seen, 500);
"""


class Halves(ThreadingHTTPServer):
    """Between the browser and the site: a page comes up to `cut`, the rest when that is seen."""

    daemon_threads = True

    def __init__(self, site: str, cut: str, without: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.site, self.cut, self.without = site, cut, without
        self.seen = threading.Event()


class Handler(BaseHTTPRequestHandler):
    server: Halves

    def do_GET(self) -> None:
        if self.path == SEEN:
            self.server.seen.set()
            self.send_response(HTTPStatus.NO_CONTENT)
            self.end_headers()
            return
        headers = {"Cookie": self.headers.get("Cookie", "")}
        answer = requests.get(self.server.site + self.path, headers=headers, timeout=10)
        self.send_response(answer.status_code)
        kind = answer.headers.get("Content-Type", "text/plain")
        self.send_header("Content-Type", kind)
        self.end_headers()
        if not kind.startswith("text/html"):
            self.wfile.write(answer.content)
            return
        page = answer.text.replace(self.server.without, "")
        at = page.index(self.server.cut)
        self.wfile.write(page[:at].encode())
        self.wfile.flush()
        self.server.seen.wait(10)
        self.wfile.write(page[at:].encode())

    def log_message(self, *_: object) -> None:
        """Without a word."""


@pytest.fixture
def user() -> User:
    return cast.alice()


def shifts(
    browser: Browser, live_server, client, user: User, *, cut: str, without: str = ""
) -> list[str]:
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value}
    halves = Halves(live_server.url, cut, without)
    threading.Thread(target=halves.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{halves.server_port}"
    try:
        with opened(browser, url, cookie, viewport={"width": 390, "height": 800}) as looked:
            looked.page.add_init_script(LOOK)
            looked.page.goto("/songs/")
            found: list[str] = looked.page.evaluate("window.shifts")
            return found
    finally:
        halves.shutdown()
        halves.server_close()


@pytest.mark.parametrize("cut", [">My songs<", '<div class="who">', '<a class="name"'])
def test_a_header_that_comes_in_two_halves_does_not_move(
    browser: Browser, live_server, client, user: User, cut: str
) -> None:
    assert shifts(browser, live_server, client, user, cut=cut) == []


def test_without_the_line_that_waits_for_it_it_does(
    browser: Browser, live_server, client, user: User
) -> None:
    found = shifts(browser, live_server, client, user, cut=">My songs<", without=EXPECTS)
    assert any('<nav class="tabs"' in shift for shift in found)
