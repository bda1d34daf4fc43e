"""In a real browser: a stranger lands and listens; a listener publishes; another one likes and
reports; an operator takes the song down. With and without scripts, and whatever the console
complains about, the security policy included, fails the test."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from songs.models import Publication, Report, Song, User
from songs.sharing.chores import count_categories
from songs.sharing.counts import counts_of
from tests.songs.sharing.sharing import in_categories, public
from tests.support import cast
from tests.support.browser import CHROMIUM, Looked, opened

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CHROMIUM, reason="NO BROWSER TESTED: Chromium is not installed"),
]
SECONDS = 12
PICTURE = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15"
    b"\xc4\x89\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d\x00\x00"
    b"\x00\x00IEND\xaeB`\x82"
)
MAX_BYTES = 120 * 1024  # of the first page, without its covers
Open = Callable[..., AbstractContextManager[Looked]]


@pytest.fixture
def look(browser: Browser, live_server) -> Open:
    """Opens a page as this account, or as a stranger."""

    def look(user: User | None = None, **context: Any) -> AbstractContextManager[Looked]:
        client = Client()
        if user:
            client.force_login(user)
        session = client.cookies[settings.SESSION_COOKIE_NAME].value if user else "none"
        cookie = {"name": settings.SESSION_COOKIE_NAME, "value": session}
        return opened(browser, live_server.url, cookie, **context)

    return look


def sound() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(8000)
        audio.writeframes(bytes(2 * 8000 * SECONDS))
    return file.getvalue()


def playable(song: Song) -> Song:
    """Gives the song files that a browser plays and shows."""
    for field, name, content in (
        ("s3_key", f"{song.pk}.wav", sound()),
        ("thumbnail_s3_key", f"{song.pk}.png", PICTURE),
    ):
        default_storage.save(name, ContentFile(content))
        setattr(song, field, name)
    song.save(update_fields=["s3_key", "thumbnail_s3_key"])
    return song


@pytest.fixture
def songs(alice: User) -> list[Publication]:
    made = [public(alice, "Waltz", "Piano", title=title) for title in ("One", "Two", "Three")]
    for publication in made:
        playable(publication.song)
    count_categories()
    return made


def plays(song: Publication) -> int:
    return counts_of([Publication.objects.get(pk=song.pk)])[song.pk].plays


def test_a_stranger_lands_and_listens_by_keyboard(look: Open, songs: list[Publication]) -> None:
    with look() as stranger:
        page = stranger.page
        page.goto("/")
        with page.expect_response("**/play") as told:
            page.get_by_role("button", name="Play Three").press("Enter")
            page.locator("#player audio").evaluate("(audio) => { audio.playbackRate = 8; }")
        assert told.value.status == 204
        assert plays(songs[2]) == 1
        page.get_by_role("link", name="Discover more").press("Enter")
        expect(page.get_by_role("heading", name="Discover")).to_be_visible()
        page.get_by_role("main").get_by_role("link", name="Two", exact=True).press("Enter")
        expect(page.get_by_role("heading", name="Two")).to_be_visible()


def test_a_jump_to_the_end_is_no_play(look: Open, songs: list[Publication]) -> None:
    with look() as stranger:
        page = stranger.page
        page.goto(f"/listen/{songs[0].pk}/")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(urlsplit(request.url).path))
        ended = """
            (audio) => new Promise((done) => {
              audio.addEventListener("ended", done);
              const jump = () => { audio.currentTime = 11; };
              if (audio.readyState > 0) jump();
              else audio.addEventListener("loadedmetadata", jump);
            })"""
        page.get_by_role("button", name="Play One").click()
        page.locator("#player audio").evaluate(ended)
        assert f"/listen/{songs[0].pk}/audio" in asked
        assert f"/listen/{songs[0].pk}/play" not in asked


def test_the_first_page_is_small_and_asks_no_other_host(
    look: Open, songs: list[Publication], live_server
) -> None:
    with look() as stranger:
        page = stranger.page
        sizes: dict[str, int] = {}
        page.on("requestfinished", lambda r: sizes.__setitem__(r.url, len(r.response().body())))
        page.goto("/")
        page.wait_for_load_state("networkidle")
    covers = {url for url in sizes if url.endswith("/cover")}
    assert len(covers) == 3
    assert all(url.startswith(live_server.url) for url in sizes)
    assert sum(size for url, size in sizes.items() if url not in covers) <= MAX_BYTES


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_a_song_is_published_liked_reported_and_taken_down(
    look: Open, alice: User, bob: User, olga: User, scripts: bool
) -> None:
    song = in_categories(playable(cast.a_song(alice, "an elegy for my aunt Biscuit")), "Waltz")
    with look(alice, java_script_enabled=scripts) as at_alice:
        publish(at_alice.page, song)
    with look(bob, java_script_enabled=scripts) as at_bob:
        like(at_bob.page)
        report(at_bob.page)
    with look(olga) as at_olga:
        take_down(at_olga.page)
    with look(alice, java_script_enabled=scripts) as at_alice:
        page = at_alice.page
        page.goto(f"/songs/{song.pk}/")
        expect(page.get_by_text("It copies the Blue Danube")).to_be_visible()
        expect(page.get_by_role("button", name="Publish the song")).to_have_count(0)
    assert Client().get(f"/listen/{song.pk}/").status_code == 404


def publish(page: Page, song: Song) -> None:
    page.goto(f"/songs/{song.pk}/")
    expect(page.get_by_text("Private: only you can hear it")).to_be_visible()
    share = page.locator("#share")
    share.get_by_label("Title").fill("Elegy")
    share.get_by_label("Name shown with it").fill("Alma")
    share.get_by_role("button", name="Publish the song").press("Enter")
    expect(page.get_by_text("Your song is public.")).to_be_visible()
    page.get_by_role("link", name="See its page").press("Enter")
    expect(page.get_by_role("heading", name="Elegy")).to_be_visible()
    expect(page.get_by_text("by Alma")).to_be_visible()
    assert "Biscuit" not in page.content()


def like(page: Page) -> None:
    page.goto("/discover/")
    page.get_by_role("link", name="Elegy", exact=True).press("Enter")
    button = page.get_by_role("button", name="Like")
    button.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(button).to_have_text("Like 1")
    button.press("Enter")
    expect(button).to_have_text("Like 0")
    button.press("Enter")
    expect(button).to_have_text("Like 1")


def report(page: Page) -> None:
    page.get_by_role("link", name="This should not be here").press("Enter")
    page.get_by_label("It copies another work").check()
    page.get_by_label("What should the operators know?").fill("the Blue Danube")
    page.get_by_role("button", name="Report the song").press("Enter")
    expect(page.get_by_text("Thank you.")).to_be_visible()
    assert Report.objects.count() == 1


def take_down(page: Page) -> None:
    page.goto("/admin/songs/publication/")
    page.get_by_role("link", name="Elegy").click()
    expect(page.get_by_text("the Blue Danube")).to_be_visible()
    expect(page.get_by_label("Play Elegy")).to_be_visible()
    page.get_by_role("link", name="Take down…").click()
    page.get_by_label("Reason").fill("It copies the Blue Danube")
    page.get_by_role("button", name="Take it down").click()
    expect(page.get_by_text("Taken down").first).to_be_visible()
    expect(page.get_by_role("link", name="Put back…")).to_be_visible()


def test_the_public_pages_fit_and_axe_finds_nothing(
    look: Open, songs: list[Publication], bob: User
) -> None:
    one = songs[0].pk
    own = Song.objects.get(pk=one)
    pages: dict[str, tuple[User | None, str]] = {
        "landing": (None, "/"),
        "discover": (None, "/discover/"),
        "category": (bob, "/discover/?category=waltz&order=new"),
        "song": (None, f"/listen/{one}/"),
        "song-listener": (bob, f"/listen/{one}/"),
        "report": (None, f"/listen/{one}/report"),
        "share": (own.owner, f"/songs/{one}/"),
        "publish": (own.owner, f"/songs/{one}/publish"),
    }
    for name, (user, address) in pages.items():
        with look(user) as looked:
            looked.page.goto(address)
            assert looked.problems(name) == []


def test_axe_finds_nothing_on_the_panel_s_pages(
    look: Open, songs: list[Publication], olga: User
) -> None:
    Report.objects.create(publication=songs[0], hearer="x", kind="copy", words="the Danube")
    one = songs[0].pk
    with look(olga) as looked:
        for address in (
            "?state=all",
            *(f"{one}/{view}/" for view in ("change", "take-down", "dismiss")),
        ):
            looked.page.goto(f"/admin/songs/publication/{address}")
            assert looked.problems(f"panel-{address.strip('/?')}") == [], address


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_categories_beside_an_unknown_one_stand_in_a_line_each(
    alice: User, look: Open, width: int
) -> None:
    """On a telephone their words stood a letter a line."""
    names = ("Acoustic guitar", "Calm", "Happy", "Mid-tempo", "Piano", "Synthwave", "Warm")
    public(alice, *names, title="One")
    count_categories()
    with look(viewport={"width": width, "height": 800}) as looked:
        looked.page.goto("/discover/?category=waltz")
        looked.complaints.clear()  # of the page's status, 404
        chips = looked.page.locator("main a.chip")
        expect(chips).to_have_count(len(names))
        lines = chips.evaluate_all("chips => chips.map(chip => chip.offsetHeight / 44)")
        assert set(lines) == {1}
        assert looked.too_wide() == []
