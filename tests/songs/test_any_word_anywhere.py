"""Whatever stands in any field of any form of a listener, or in any query: an answer in the site's
own words comes back, and nothing of it runs as markup."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus

import pytest
from django.test import Client

from songs.limits.rules import RULES
from songs.limits.shares import shares
from songs.models import Publication, SongStatus, User
from tests.songs.sharing.sharing import public
from tests.support.cast import a_song
from tests.support.forms import Form, forms_of

pytestmark = pytest.mark.django_db
WORDS = [
    "",
    " \t\r\n ",
    "word " * 10_000,
    "x" * 30_000,
    "9" * 5_000,
    "-1",
    "1e999",
    "NaN",
    "<script>alert(1)</script>\"'><img src=x>",
    "🎵" * 400,
    "שלום \u202eעולם\u2066",
    "e\u0301\u200b\u2028\ufeff\ufffe",
    "' OR 1=1 --",
    "%00%s%(x)s{{ 7*7 }}{% now %}",
    "../../../../etc/passwd",
    "00000000-0000-0000-0000-000000000000",
]
NUL = ["\0", "a\0b"]
PAGES = [
    *("/", "/songs/", "/songs/{ready}/", "/songs/{failed}/", "/songs/{made}/", "/listen/{ready}/"),
    *("/listen/{ready}/report", "/discover/", "/accounts/", "/accounts/email/"),
    *("/accounts/password/change/", "/accounts/close/", "/accounts/download/"),
    *("/accounts/sessions/", "/accounts/2fa/", "/accounts/reauthenticate/"),
    *("/accounts/logout/", "/accounts/credits/"),
]
STRANGERS = ["/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"]
STRANGERS += ["/listen/{ready}/report", "/listen/{ready}/"]
QUERIES = [
    *("/?like=", "/songs/?q=", "/songs/?category=", "/songs/?status=", "/songs/?page="),
    *("/songs/cards?song=", "/songs/{ready}/card?seen=", "/discover/?category=", "/discover/?by="),
    *("/discover/?page=", "/accounts/credits/?page=", "/accounts/login/?next="),
    *("/listen/{ready}/audio?download=", "/accounts/download/state?seen="),
]


@pytest.fixture(autouse=True)
def _no_limit(settings: Any) -> Iterator[None]:
    settings.LIMITS = dict.fromkeys(RULES)
    settings.ACCOUNT_RATE_LIMITS = False
    shares.forget()
    yield
    shares.forget()


@pytest.fixture
def songs(alice: User) -> dict[str, Any]:
    ready: Publication = public(alice)
    return {
        "ready": ready.pk,
        "failed": a_song(alice, status=SongStatus.FAILED).pk,
        "made": a_song(alice, status=SongStatus.PROCESSING).pk,
    }


def forms_for(browser: Client, pages: list[str], songs: dict[str, Any]) -> dict[str, Form]:
    """Each form once, however many pages show it."""
    found = {}
    for page in pages:
        path = page.format(**songs)
        shown = browser.get(path, follow=True).content.decode()
        for form in forms_of(shown):
            found[f"{form.action or path} {sorted(form.fields)}"] = Form(
                form.action or path, form.fields
            )
    return found


def answers(browser: Client, form: Form, word: str) -> Iterator[tuple[str, Any]]:
    for field in form.fields:
        if field != "csrfmiddlewaretoken":
            yield field, browser.post(form.action, form.fields | {field: word})


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("by", ["alice", "a stranger"])
def test_any_word_in_any_field_of_any_form(
    alice: User, songs: dict[str, Any], by: str, word: str
) -> None:
    browser = Client()
    if by == "alice":
        browser.force_login(alice)
    forms = forms_for(browser, PAGES if by == "alice" else STRANGERS, songs)
    assert len(forms) > (15 if by == "alice" else 4)
    for name, form in forms.items():
        for field, answer in answers(browser, form, word):
            page = b"".join(answer)
            assert answer.status_code in (200, 302, 303, 404, 422), (name, field)
            is_said = b'role="alert"' in page or b'class="errorlist"' in page
            assert is_said or answer.status_code != 422, (name, field)
            assert b"<script>alert(1)" not in page
            if by == "alice":
                browser.force_login(alice)


@pytest.mark.parametrize("word", NUL)
def test_a_nul_in_any_field_is_a_400(alices: Client, songs: dict[str, Any], word: str) -> None:
    for name, form in forms_for(alices, PAGES, songs).items():
        for field, answer in answers(alices, form, word):
            assert answer.status_code == 400, (name, field)


@pytest.mark.parametrize("word", [*WORDS, *NUL])
@pytest.mark.parametrize("query", QUERIES)
def test_any_word_in_any_query(
    alices: Client, songs: dict[str, Any], query: str, word: str
) -> None:
    for browser in (alices, Client()):
        answer = browser.get(query.format(**songs) + quote_plus(word[:2_000]))
        allowed = (400,) if "\0" in word else (200, 204, 302, 404)
        assert answer.status_code in allowed
        assert b"<script>alert(1)" not in b"".join(answer)
