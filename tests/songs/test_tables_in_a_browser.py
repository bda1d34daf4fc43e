"""The tables of an account's pages on a narrow telephone, in Chromium."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.test import Client
from django.urls import reverse
from playwright.sync_api import expect

from tests.support import browser as chromium
from tests.support import cast

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not chromium.CHROMIUM, reason="NO BROWSER TESTED: Chromium is not installed"
    ),
]
# Words of the element that are drawn on more than one line.
BROKEN = """
cell => {
  const walk = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), broken = [];
  for (let text = walk.nextNode(); text; text = walk.nextNode())
    for (const word of text.data.matchAll(/\\S+/g)) {
      const range = document.createRange();
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      const tops = [...range.getClientRects()].map((line) => Math.round(line.top));
      if (new Set(tops).size > 1) broken.push(word[0]);
    }
  return broken;
}
"""


@pytest.mark.parametrize("width", [360, 390, 480])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_heading_is_there_and_no_word_is_broken(
    browser, live_server, client: Client, width: int, scheme: str
) -> None:
    alice = cast.alice()
    client.force_login(alice)
    Authenticator.objects.create(
        user=alice,
        type=Authenticator.Type.WEBAUTHN,
        data={"name": "the telephone's own key", "credential": {}},
    )
    UserSession.objects.create(
        user=alice,
        ip="2001:db8:85a3:1234:5678:8a2e:370:7334",
        session_key=client.session.session_key,
        user_agent="Mozilla/5.0 (X11; Linux x86_64) Chrome/142.0.0.0 Safari/537.36",
    )
    name = settings.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value}
    view = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    pages = {
        "usersessions_list": ["Since", "Browser"],
        "mfa_list_webauthn": ["Key", "Used", "Acts"],
    }
    with chromium.opened(browser, live_server.url, cookie, **view) as looked:
        for page, headings in pages.items():
            looked.page.goto(reverse(page))
            looked.picture(f"{page}-{width}-{scheme}")
            heads = looked.page.locator("th")
            expect(heads).to_have_text(headings)
            for head in heads.all():
                expect(head).to_be_visible()
            for cell in looked.page.locator("th, .when, .number").all():
                assert cell.evaluate(BROKEN) == []
            assert looked.too_wide() == []
