"""The header in a real browser: on a small telephone, for staff too, nothing is cut off."""

from __future__ import annotations

import pytest
from django.conf import settings
from playwright.sync_api import Browser

from tests.support import cast
from tests.support.browser import CHROMIUM, opened

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CHROMIUM, reason="NO BROWSER TESTED: Chromium is not installed"),
]
# Links and buttons of the header with words on more than one line, or wider than their place.
BROKEN = """
() => [...document.querySelectorAll("header a, header button")].filter((element) => {
  const words = [...element.childNodes].filter((node) => node.nodeType === 3 && node.data.trim());
  return words.some((node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    return range.getClientRects().length > 1;
  }) || (element.scrollWidth > element.clientWidth + 1 && !element.matches(".name"));
}).map((element) => element.textContent.trim())
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390])
def test_the_navigation_of_staff_fits_a_telephone(
    browser: Browser, live_server, client, scheme: str, width: int
) -> None:
    olga = cast.olga()
    client.force_login(olga)
    name = settings.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value}
    wide = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    with opened(browser, live_server.url, cookie, **wide) as looked:
        for address in ("/", "/songs/", "/discover/", "/accounts/"):
            looked.page.goto(address)
            looked.picture(f"staff-{address.strip('/') or 'home'}-{width}-{scheme}")
            assert looked.page.get_by_role("navigation", name="Main").locator("a").count() == 4
            assert looked.page.evaluate(BROKEN) == [], address
            assert looked.too_wide() == [], address
            assert looked.axe_violations() == [], address
