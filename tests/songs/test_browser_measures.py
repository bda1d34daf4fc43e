"""What every listener's page keeps to, in a real browser: its weight, its one host, its keyboard,
motion that can be switched off, and no violation that axe knows of, in both themes."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, Response, expect

from songs.models import SongStatus, User
from songs.sharing import publishing
from songs.sharing.chores import count_categories
from tests.songs.sharing.sharing import in_categories
from tests.songs.test_browser_player import PLAYS, POSITION, a_playable, until
from tests.support import cast
from tests.support.browser import CHROMIUM, Looked, opened

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CHROMIUM, reason="NO BROWSER TESTED: Chromium is not installed"),
]
MAX_BYTES = 120_000  # of a first page with its scripts and styles, as production sends them
MAX_TABS = 25
Looking = Callable[..., AbstractContextManager[Looked]]


@pytest.fixture
def looking(browser: Browser, live_server, client) -> Looking:
    """Open the site as an account, or as a stranger."""

    def at(user: User | None = None, **context: Any) -> AbstractContextManager[Looked]:
        name, value = settings.SESSION_COOKIE_NAME, "none"
        if user is not None:
            client.force_login(user)
            value = client.cookies[name].value
        return opened(browser, live_server.url, {"name": name, "value": value}, **context)

    return at


@pytest.fixture
def site(client) -> dict[str, list[str]]:
    """A site with public songs; the addresses that a stranger has, and those of a listener."""
    alice = cast.alice()
    songs = [a_playable(alice, title) for title in ("A tango", "A waltz", "A march")]
    for song in songs:
        publishing.publish(in_categories(song, "Piano"), title=song.title, byline="Alma")
    count_categories()
    making = cast.a_song(alice, "a polka", title="A polka", status=SongStatus.PROCESSING)
    failed = cast.a_song(
        alice, "a jig", title="A jig", status=SongStatus.FAILED, reason="It rained."
    )
    public = f"/listen/{songs[0].pk}/"
    return {
        "stranger": [
            "/", "/discover/", "/discover/?category=piano&order=new", "/discover/?category=tuba",
            public, f"{public}report", "/accounts/login/", "/accounts/signup/",
            "/accounts/password/reset/", "/nothing-here",
        ],
        "listener": [
            "/", "/songs/", "/songs/?q=nothing", "/discover/", public, "/accounts/",
            "/accounts/credits/", "/accounts/download/", "/accounts/close/", "/accounts/sessions/",
            "/accounts/2fa/", "/accounts/email/", "/accounts/password/change/",
            f"/songs/{songs[0].pk}/publish",
            *(f"/songs/{song.pk}/" for song in (songs[0], making, failed)),
        ],
    }  # fmt: skip


@pytest.mark.parametrize("who", ["stranger", "listener"])
def test_a_first_page_is_light_and_asks_no_other_host(
    looking: Looking, site: dict[str, list[str]], who: str
) -> None:
    with looking(User.objects.get() if who == "listener" else None) as looked:
        looked.page.route("**/*", lambda route: route.continue_())  # leaves its cache aside
        for address in site[who]:
            answers = answers_to(looked.page, address)
            hosts = {urlsplit(answer.url).netloc for answer in answers}
            assert hosts == {urlsplit(looked.page.url).netloc}, address
            weights = {
                answer.url: weight(answer)
                for answer in answers
                if answer.ok and answer.request.resource_type not in ("image", "media")
            }
            assert len(weights) > 8, weights
            assert sum(weights.values()) <= MAX_BYTES, (address, weights)
            del looked.complaints[:]  # the browser notes a 404


def weight(answer: Response) -> int:
    """Bytes on the wire: production has compressed its scripts and styles, and no page."""
    body, is_compressed = answer.body(), urlsplit(answer.url).path.startswith("/static/")
    return len(gzip.compress(body) if is_compressed else body)


def answers_to(page: Page, address: str) -> list[Response]:
    answers: list[Response] = []

    def hear(answer: Response) -> None:
        answers.append(answer)

    page.on("response", hear)
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.remove_listener("response", hear)
    return [answer for answer in answers if not answer.url.startswith("data:")]


def test_a_stranger_comes_from_the_landing_page_to_music_by_keyboard_alone(
    looking: Looking, site: dict[str, list[str]]
) -> None:
    with looking() as looked:
        page = looked.page
        page.goto("/")
        reach(page, "Play A march")
        page.keyboard.press("Enter")
        until(page, f"{PLAYS} && {POSITION} > 0.2")
        reach(page, "Discover more")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Discover", level=1)).to_be_visible()
        assert page.evaluate(PLAYS)
        reach(page, "Play A tango")
        page.keyboard.press("Space")
        expect(page.get_by_role("region", name="Player")).to_contain_text("A tango")
        until(page, f"{PLAYS} && {POSITION} > 0.2")
        reach(page, "Position")
        page.keyboard.press("ArrowRight")
        until(page, f"{POSITION} >= 1")


def reach(page: Page, name: str) -> None:
    """Press Tab until the element with this name has the focus, and can be seen to have it."""
    element = page.get_by_label(name, exact=True).or_(page.get_by_role("link", name=name)).first
    for _ in range(MAX_TABS):
        page.keyboard.press("Tab")
        if element.evaluate("(element) => element === document.activeElement"):
            outline = "(element) => getComputedStyle(element).outlineStyle"
            assert element.evaluate(outline) != "none"
            return
    raise AssertionError(f"{name} is not reached by {MAX_TABS} tabs")


def test_nothing_moves_where_the_listener_wants_no_motion(
    looking: Looking, site: dict[str, list[str]]
) -> None:
    moves = "document.getAnimations().length"
    for motion, is_still in (("no-preference", False), ("reduce", True)):
        with looking(User.objects.get()) as looked:
            looked.page.emulate_media(reduced_motion=motion)
            for address in ("/songs/", site["listener"][-2]):
                looked.page.goto(address)
                looked.page.get_by_text("Being made", exact=True).wait_for()
                assert (looked.page.evaluate(moves) == 0) == is_still, (address, motion)


@pytest.mark.parametrize("who", ["stranger", "listener"])
def test_axe_finds_nothing_on_any_page_in_either_theme(
    looking: Looking, site: dict[str, list[str]], who: str
) -> None:
    with looking(User.objects.get() if who == "listener" else None) as looked:
        for number, address in enumerate(site[who]):
            looked.page.goto(address)
            assert looked.problems(f"all-{who}-{number}") == [], address
            del looked.complaints[:]  # the browser notes a 404


def test_the_list_of_credits_on_paper_is_dark_on_white_without_what_one_presses(looking) -> None:
    with looking(cast.alice(), color_scheme="dark") as looked:
        page = looked.page
        page.goto("/accounts/credits/")
        page.emulate_media(media="print", color_scheme="dark")

        expect(page.locator(".ledger")).to_be_visible()
        expect(page.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
        expect(page.locator("body")).to_have_css("color", "rgb(35, 28, 22)")
        for pressed in (".tabs", ".who", ".parting-links", ".player", "main .button"):
            assert not page.locator(pressed).filter(visible=True).count(), pressed
