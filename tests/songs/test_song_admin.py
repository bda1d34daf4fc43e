"""The operator's pages of the product: who may see, who may grant, and what is written down."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from jobs.models import Event
from songs import credits
from songs.models import Category, CreditEntry, Song, SongStatus, User
from tests.support import cast
from tests.support.cast import a_song

SONGS, USERS = "/admin/songs/song/", "/admin/songs/user/"


def as_(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_an_operator_grants_credits_with_a_reason(olgas: Client, olga: User, alice: User) -> None:
    address = f"{USERS}{alice.pk}/grant-credits/"
    assert "alice has" in olgas.get(address).content.decode()
    answer = olgas.post(address, {"amount": "5", "why": "the broken night"}, follow=True)
    entry = alice.credit_entries.first()
    assert (entry.amount, entry.why, entry.by) == (5, "the broken night", olga)
    assert "the balance is 8 now" in answer.content.decode()
    assert "the broken night" in LogEntry.objects.get().change_message


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"amount": "-4", "why": "x"}, "alice has 3 credits; 4 cannot be taken back."),
        ({"amount": "0", "why": "x"}, "must not be zero"),
        ({"amount": "many", "why": "x"}, "Enter a whole number."),
        ({"amount": "99999999999", "why": "x"}, "less than or equal to"),
        ({"amount": "5", "why": " "}, "This field is required."),
        ({}, "This field is required."),
    ],
)
def test_a_grant_that_cannot_be_booked_writes_nothing(
    olgas: Client, alice: User, form: dict[str, str], sentence: str
) -> None:
    answer = olgas.post(f"{USERS}{alice.pk}/grant-credits/", form)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert User.objects.get(pk=alice.pk).credits == 3
    assert not LogEntry.objects.exists()


def test_a_songs_page_says_what_it_cost(olgas: Client, alice: User) -> None:
    song = a_song(alice)
    credits.charge(song)
    assert "Song: −1, " in olgas.get(f"{SONGS}{song.pk}/change/").content.decode()


def test_looking_is_not_granting(alice: User) -> None:
    vera = as_(cast.vera())
    address = f"{USERS}{alice.pk}/grant-credits/"
    assert "Grant credits" not in vera.get(f"{USERS}{alice.pk}/change/").content.decode()
    assert vera.get(address).status_code == 403
    assert vera.post(address, {"amount": "5", "why": "x"}).status_code == 403
    assert User.objects.get(pk=alice.pk).credits == 3


def test_granting_needs_its_own_permission_only(alice: User) -> None:
    gustav = as_(cast.gustav())
    assert "Grant credits" in gustav.get(f"{USERS}{alice.pk}/change/").content.decode()
    answer = gustav.post(f"{USERS}{alice.pk}/grant-credits/", {"amount": "-1", "why": "x"})
    assert answer.status_code == 302
    assert User.objects.get(pk=alice.pk).credits == 2


def test_listeners_and_strangers_are_sent_to_the_sign_in(alices: Client, alice: User) -> None:
    for client in (alices, Client()):
        answer = client.post(f"{USERS}{alice.pk}/grant-credits/", {"amount": "5", "why": "x"})
        assert answer.status_code == 302
        assert "/admin/login/" in answer["Location"]
    assert User.objects.get(pk=alice.pk).credits == 3


@pytest.mark.parametrize("key", ["999999", "nobody"])
def test_an_unknown_listener_is_a_404(olgas: Client, key: str) -> None:
    assert olgas.get(f"{USERS}{key}/grant-credits/").status_code == 404


def test_a_listener_shows_balance_and_ledger(olgas: Client, alice: User) -> None:
    page = olgas.get(f"{USERS}{alice.pk}/change/").content.decode()
    assert "for the test" in page
    assert "+3" in page


def test_changing_a_listener_leaves_a_balance_that_moved_meanwhile(
    olgas: Client, alice: User
) -> None:
    page = olgas.get(f"{USERS}{alice.pk}/change/")
    form = page.context["adminform"].form
    fields = {n: v for n, v in form.initial.items() if n in form.fields and v not in (None, False)}
    assert "credits" not in fields
    answer = olgas.post(
        f"{USERS}{alice.pk}/change/", {**fields, "email": "new@example.com", "credits": "999"}
    )
    alice.refresh_from_db()
    assert answer.status_code == 302
    assert (alice.email, alice.credits) == ("new@example.com", 3)


def test_an_operator_makes_an_account(olgas: Client) -> None:
    form = {"username": "dora", "password1": cast.PASSWORD, "password2": cast.PASSWORD}
    assert olgas.post(f"{USERS}add/", {**form, "usable_password": "true"}).status_code == 302
    assert User.objects.get(username="dora").check_password(cast.PASSWORD)


def test_a_song_links_to_its_event(olgas: Client, alice: User) -> None:
    event = Event.objects.create(name="generate-song-event")
    song = a_song(alice, event_id=event.id)
    for page in (SONGS, f"{SONGS}{song.pk}/change/"):
        assert f"/admin/jobs/event/{event.id}/change/" in olgas.get(page).content.decode()


@pytest.mark.parametrize("words", ["waltz", "alice", "{id}"])
def test_a_song_is_found_by_words_listener_or_id(olgas: Client, alice: User, words: str) -> None:
    song = a_song(alice)
    a_song(cast.bob(), "a march")
    found = olgas.get(SONGS, {"q": words.format(id=song.pk)}).content.decode()
    assert "A waltz for two cats" in found
    assert "A march" not in found


def test_an_operator_renames_a_song_and_touches_nothing_else(olgas: Client, alice: User) -> None:
    song = a_song(alice)
    olgas.post(f"{SONGS}{song.pk}/change/", {"title": "Cats", "status": "failed", "s3_key": "x"})
    changed = Song.objects.get()
    assert (changed.title, changed.status, changed.s3_key) == ("Cats", "processed", song.s3_key)


def test_an_operators_title_that_shows_nothing_is_none(olgas: Client, alice: User) -> None:
    song = a_song(alice)
    olgas.post(f"{SONGS}{song.pk}/change/", {"title": "\u3164\u2800"})
    assert Song.objects.get().title == ""
    olgas.post(f"{SONGS}{song.pk}/change/", {"title": "👩\u200d👩\u200d👧 \u202eat home"})
    assert Song.objects.get().title == "👩\u200d👩\u200d👧 at home"


def test_a_category_has_a_name_that_shows_something(olgas: Client) -> None:
    category = Category.objects.create(name="Waltz", folded="waltz")
    page = olgas.post(f"/admin/songs/category/{category.pk}/change/", {"name": "\u3164"})
    assert "This field is required." in page.content.decode()
    category.refresh_from_db()
    assert category.name == "Waltz"


def test_a_song_in_the_making_is_not_deleted(olgas: Client, alice: User) -> None:
    song = a_song(alice, status=SongStatus.PROCESSING)
    olgas.post(f"{SONGS}{song.pk}/delete/", {"post": "yes"})
    form = {"action": "delete_selected", "_selected_action": [str(song.pk)], "post": "yes"}
    olgas.post(SONGS, form)
    assert Song.objects.filter(pk=song.pk).exists()


def test_the_ledger_is_read_only_even_for_a_superuser(olgas: Client, alice: User) -> None:
    entry = CreditEntry.objects.get()
    ledger = "/admin/songs/creditentry/"
    assert "for the test" in olgas.get(ledger).content.decode()
    assert olgas.get(f"{ledger}{entry.pk}/change/").status_code == 200
    for address in (f"{ledger}add/", f"{ledger}{entry.pk}/change/", f"{ledger}{entry.pk}/delete/"):
        assert olgas.post(address, {"amount": "9", "post": "yes"}).status_code == 403
    assert CreditEntry.objects.get().amount == 3


def test_the_lists_do_not_run_what_a_song_brought_along(olgas: Client, alice: User) -> None:
    evil = "<script>alert(1)</script>"
    song = a_song(alice, evil, title=evil)
    song.categories.add(Category.objects.create(name=evil, folded=evil))
    pages = [SONGS, f"{SONGS}{song.pk}/change/", "/admin/songs/category/", USERS]
    for page in [*pages, f"{USERS}{alice.pk}/change/", "/admin/songs/creditentry/"]:
        answer = olgas.get(page)
        assert answer.status_code == 200
        assert evil not in answer.content.decode(), page
