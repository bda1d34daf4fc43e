"""In a real browser: the form by keyboard, errors that keep what was typed, a card that asks until
its song is there and then stops. Whatever the console complains about, the security policy
included, fails the test."""

from __future__ import annotations

import contextlib
import io
import wave
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    Route,
    expect,
)
from playwright.sync_api import (
    TimeoutError as NotInTime,
)

from jobs.models import Run
from songs.models import Song, SongStatus, User
from tests.songs.making import order
from tests.support import cast, rows
from tests.support.browser import CHROMIUM

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CHROMIUM, reason="NO BROWSER TESTED: Chromium is not installed"),
]


@pytest.fixture
def page(browser: Browser, live_server) -> Iterator[Page]:
    context = browser.new_context(base_url=live_server.url, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(10_000)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.extend(complaint(message)))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert not complaints


def complaint(message: ConsoleMessage) -> list[str]:
    """A form that came back (422) is noted by the browser; it is what the test is about."""
    expected = "status of 422" in message.text
    return [message.text] if message.type in ("error", "warning") and not expected else []


def alice_at(page: Page, client, address: str) -> User:
    alice = cast.alice()
    sign_in(page, client, alice)
    page.goto(address)
    return alice


def sign_in(page: Page, client, user: User) -> None:
    client.force_login(user)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies(
        [{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": page_base(page)}]
    )


def page_base(page: Page) -> str:
    page.goto("/accounts/login/")
    return page.evaluate("location.origin")


def test_a_stranger_becomes_a_listener_by_keyboard(page: Page) -> None:
    page.goto("/accounts/signup/")
    page.get_by_label("Name").focus()
    for typed in ("dora", "dora@example.com", cast.PASSWORD, cast.PASSWORD):
        page.keyboard.type(typed)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Describe a song")).to_be_visible()
    page.get_by_role("button", name="Sign out").press("Enter")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_song_is_ordered_by_keyboard(page: Page, client) -> None:
    alice = alice_at(page, client, "/")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.get_by_label("What should it sound like?").focus()
    page.keyboard.type("a waltz for two cats")
    expect(page.get_by_text("20 of 2,000")).to_be_visible()
    page.get_by_label("Length").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("output").first).to_have_text("1:05")
    page.get_by_label("Instrumental").press("Space")
    page.get_by_role("button", name="Make my song").press("Enter")
    expect(page.get_by_role("heading", name="A waltz for two cats")).to_be_visible()
    song = Song.objects.get(owner=alice)
    assert (song.audio_duration, song.instrumental) == (65.0, True)


def test_an_idea_is_added_to_what_is_typed(page: Page, client) -> None:
    alice_at(page, client, "/")
    words = page.get_by_label("What should it sound like?")
    words.fill("cats")
    page.get_by_role("button", name="sad piano ballad").click()
    expect(words).to_have_value("cats, sad piano ballad about leaving home")
    expect(words).to_be_focused()


def test_a_form_that_comes_back_keeps_what_was_typed(page: Page, client) -> None:
    alice_at(page, client, "/")
    words = page.get_by_label("What should it sound like?")
    words.fill("x" * 2001)
    expect(page.get_by_text("2,001 of 2,000")).to_be_visible()
    page.get_by_role("button", name="Make my song").click()
    expect(page.get_by_text("Shorten it by 1.")).to_be_visible()
    expect(words).to_have_value("x" * 2001)
    expect(words).to_be_focused()
    assert not Song.objects.exists()


def test_a_double_click_makes_one_song(page: Page, client) -> None:
    alice_at(page, client, "/")
    page.get_by_label("What should it sound like?").fill("a waltz for two cats")
    page.get_by_role("button", name="Make my song").dblclick()
    expect(page.get_by_role("heading", name="A waltz for two cats")).to_be_visible()
    assert Song.objects.count() == 1


def test_after_going_back_the_same_words_are_a_new_wish(page: Page, client) -> None:
    alice_at(page, client, "/")
    for made in (1, 2):
        page.get_by_label("What should it sound like?").fill("a waltz for two cats")
        page.get_by_role("button", name="Make my song").click()
        expect(page.get_by_role("heading", name="A waltz for two cats")).to_be_visible()
        assert Song.objects.count() == made
        page.go_back()


def test_after_going_back_a_form_that_is_sent_as_it_is_is_the_same_wish(page: Page, client) -> None:
    alice_at(page, client, "/")
    page.get_by_label("What should it sound like?").fill("a waltz for two cats")
    for _ in range(3):
        page.get_by_role("button", name="Make my song").click()
        expect(page.get_by_role("heading", name="A waltz for two cats")).to_be_visible()
        page.go_back()
    assert Song.objects.count() == 1


def test_a_form_that_came_back_and_was_changed_is_one_more_song_however_often_it_is_sent(
    page: Page, client
) -> None:
    alice_at(page, client, "/")
    for words, made in (("a waltz", 1), ("a march", 2)):
        page.get_by_label("What should it sound like?").fill(words)
        for _ in range(2):
            page.get_by_role("button", name="Make my song").click()
            expect(page.get_by_role("heading", name=words.capitalize())).to_be_visible()
            page.go_back()
        assert Song.objects.count() == made


def test_back_to_a_page_that_the_browser_has_to_ask_for_anew_is_the_same_wish_too(
    page: Page, client
) -> None:
    page.route("**/*", lambda route: route.continue_())  # which leaves its cache aside
    alice_at(page, client, "/")
    words = page.get_by_label("What should it sound like?")
    words.fill("a waltz for two cats")
    token = page.locator("[name=form_token]").input_value()
    for _ in range(2):
        page.get_by_role("button", name="Make my song").click()
        expect(page.get_by_role("heading", name="A waltz for two cats")).to_be_visible()
        page.go_back()
        expect(words).to_have_value("a waltz for two cats")
        expect(page.locator("[name=form_token]").first).to_have_value(token)
    assert Song.objects.count() == 1


def lose_the_first_answer(page: Page) -> list[Route]:
    """The site does what the first form asks for, and the browser stays where it is, as when the
    connection goes or a second click breaks the first one off. Gives the forms that were sent."""
    sent: list[Route] = []

    def send(route: Route) -> None:
        if route.request.method != "POST":
            return route.continue_()
        sent.append(route)
        if len(sent) > 1:
            return route.continue_()
        route.fetch(max_redirects=0)
        return route.abort("aborted")

    page.route("**/*", send)
    return sent


def test_without_scripts_a_second_click_makes_no_second_song(
    browser: Browser, live_server, client
) -> None:
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    client.force_login(cast.alice())
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": cookie, "url": live_server.url}])
    page.goto("/")
    sent = lose_the_first_answer(page)
    page.get_by_label("What should it sound like?").fill("a waltz for two cats")
    for _ in range(2):
        page.get_by_role("button", name="Make my song").click()
    expect(page.get_by_role("heading", name="A waltz for two cats")).to_be_visible()
    context.close()
    assert (len(sent), Song.objects.count()) == (2, 1)


def test_an_operators_second_click_grants_nothing_more(page: Page, client) -> None:
    alice, olga = cast.alice(), cast.olga()
    sign_in(page, client, olga)
    page.goto(f"/admin/songs/user/{alice.pk}/grant-credits/")
    sent = lose_the_first_answer(page)
    page.get_by_label("Amount").fill("5")
    page.get_by_label("Reason").fill("the broken night")
    button = page.get_by_role("button", name="Grant credits")
    button.click()
    button.click()
    expect(page.get_by_text("Nothing was granted twice")).to_be_visible()
    assert len(sent) == 2
    assert list(alice.credit_entries.values_list("amount", flat=True)) == [5, 3]


def test_an_operators_double_click_is_one_rerun(page: Page, client) -> None:
    run = rows.completed_run()
    sign_in(page, client, cast.olga())
    page.goto(f"/admin/jobs/run/{run.pk}/change/")
    sent = lose_the_first_answer(page)
    button = page.get_by_role("button", name="Rerun from the start")
    button.dblclick()
    with contextlib.suppress(NotInTime):  # it is gone if the browser has sent two
        button.dblclick(timeout=3_000)
    expect(page.get_by_text("This form was sent before")).to_be_visible()
    assert len(sent) >= 2  # the browser sends as many of the four clicks as it has time for
    assert Run.objects.filter(rerun_of=run).count() == 1


def finish(song: Song) -> None:
    default_storage.save("song.wav", ContentFile(a_second_of_silence()))
    Song.objects.filter(pk=song.pk).update(status=SongStatus.PROCESSED, s3_key="song.wav")


def a_second_of_silence() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(8000)
        audio.writeframes(bytes(16_000))
    return file.getvalue()


def test_a_card_asks_for_news_and_stops_when_the_song_is_there(page: Page, client) -> None:
    alice = alice_at(page, client, "/")
    song = cast.a_song(alice, status=SongStatus.QUEUED)
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if "card" in request.url else None)
    page.goto(f"/songs/{song.pk}/")
    expect(page.get_by_text("it starts in a moment")).to_be_visible()
    with page.expect_response("**/card?**") as unchanged:
        pass
    assert unchanged.value.status == 204
    finish(song)
    expect(page.get_by_text("Ready to play", exact=True)).to_be_visible()
    expect(page.locator("#live")).to_have_text("“A waltz for two cats”: Ready to play.")
    expect(page.get_by_role("link", name="Download")).to_be_visible()
    assert page.locator("[hx-trigger]").count() == 0
    so_far = len(asked)
    page.wait_for_timeout(2500)  # longer than the two seconds between two questions
    assert len(asked) == so_far


def test_what_is_pressed_on_the_page_of_a_song_in_the_making_exchanges_the_whole_page(
    page: Page, client
) -> None:
    alice = alice_at(page, client, "/")
    song = order(alice)
    page.goto(f"/songs/{song.pk}/")
    page.get_by_role("main").get_by_role("link", name="My songs").last.click()
    expect(page.get_by_role("heading", name="My songs")).to_be_visible()
    expect(page).to_have_url("/songs/")
    expect(page.locator("#page")).to_have_count(1)

    page.goto(f"/songs/{song.pk}/")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("is cancelled. It cost you nothing.")).to_be_visible()
    expect(page.locator("#page")).to_have_count(1)


@pytest.mark.parametrize("address", ["/songs/{}/", "/songs/"])
def test_the_focus_stays_where_it_is_when_news_of_a_song_arrive(
    page: Page, client, address: str
) -> None:
    alice = alice_at(page, client, "/")
    song = cast.a_song(alice, status=SongStatus.QUEUED)
    page.goto(address.format(song.pk))
    page.get_by_role("button", name="Cancel").focus()
    Song.objects.filter(pk=song.pk).update(status=SongStatus.PROCESSING)
    expect(page.get_by_text("Being made", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    finish(song)
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    role = "link" if address == "/songs/" else "heading"
    expect(page.get_by_role(role, name="A waltz for two cats", exact=True)).to_be_focused()


def test_the_library_hears_of_each_song(page: Page, client) -> None:
    alice = alice_at(page, client, "/")
    first, second = (cast.a_song(alice, status=SongStatus.QUEUED) for _ in range(2))
    page.goto("/songs/")
    card = page.locator(f"#card-{second.pk}")
    expect(card).to_contain_text("one of your songs is made first")
    finish(first)
    expect(page.locator(f"#card-{first.pk}").get_by_role("button", name="Play")).to_be_visible()
    expect(card).to_contain_text("it starts in a moment")
    Song.objects.filter(pk=second.pk).update(status=SongStatus.FAILED, reason="It rained.")
    expect(card).to_contain_text("It rained.")
    assert page.locator("[hx-trigger]").count() == 0


def test_deleting_asks_first_and_escape_keeps_the_song(page: Page, client) -> None:
    alice = alice_at(page, client, "/")
    song = cast.a_song(alice, status=SongStatus.FAILED)
    page.goto(f"/songs/{song.pk}/")
    page.get_by_role("button", name="Delete", exact=True).press("Enter")
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Delete it")).to_be_hidden()
    assert Song.objects.filter(pk=song.pk, deleted_at=None).exists()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("is deleted.")).to_be_visible()
    assert not Song.objects.filter(deleted_at=None).exists()
    page.get_by_role("button", name="Undo").press("Enter")
    expect(page.get_by_text("is back.")).to_be_visible()
    assert Song.objects.filter(pk=song.pk, deleted_at=None).exists()


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_page_is_wider_than_the_screen(page: Page, client, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    alice = alice_at(page, client, "/")
    long = cast.a_song(alice, "x" * 300, title="x" * 80, status=SongStatus.FAILED, reason="y" * 300)
    cast.a_song(alice, status=SongStatus.QUEUED)
    for address in ("/", "/songs/", f"/songs/{long.pk}/"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
