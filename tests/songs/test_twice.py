"""Nothing twice by a double click, Back or a second tab: orders, second tries and grants."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db.models import F
from django.test import Client

from jobs.control.form_submissions import FIELD, TOKEN_LIFE
from jobs.models import Event, Run
from jobs.testing import travel
from songs.models import CreditEntry, Song, SongStatus, User
from songs.views import ASKED_BEFORE
from tests.support.cast import a_song, staff, wishes
from tests.support.forms import form_of, forms_of
from tests.support.functions import at_once
from tests.support.rows import id_at, now

pytestmark = pytest.mark.django_db


def old_token() -> str:
    return str(id_at(now() - TOKEN_LIFE - timedelta(hours=1)))


def token_of(client: Client, page: str, part: str = FIELD) -> str:
    return form_of(client.get(page).content.decode(), part).fields[FIELD]


def order(client: Client, words: str = "a waltz", token: Any = None) -> str:
    """Where an order leads to."""
    answer = client.post("/songs/", wishes(full_described_song=words, form_token=token))
    assert answer.status_code == 303, answer.content
    return answer["Location"]


def copy_of(client: Client) -> Client:
    """Another tab of the same browser."""
    other = Client()
    other.cookies = client.cookies
    return other


# --- orders ---------------------------------------------------------------------------------------


def test_each_page_brings_a_form_of_its_own(alices: Client) -> None:
    first, second = (token_of(alices, "/") for _ in range(2))
    assert first != second
    assert order(alices, token=first) != order(alices, token=second)
    assert Song.objects.count() == 2


def test_the_same_form_is_one_song_and_the_second_page_says_so(alices: Client) -> None:
    form = wishes(form_token=token_of(alices, "/"))
    pages = [alices.post("/songs/", form, follow=True) for _ in range(2)]
    assert [ASKED_BEFORE in page.content.decode() for page in pages] == [False, True]
    assert pages[0].redirect_chain == pages[1].redirect_chain
    assert Song.objects.count() == Event.objects.count() == Run.objects.count() == 1


def test_back_another_word_and_two_clicks_are_two_songs(alices: Client) -> None:
    token = token_of(alices, "/")
    addresses = [order(alices, words, token) for words in ("a waltz", "a march", "a march")]
    assert addresses[1] == addresses[2] != addresses[0]
    assert order(alices, "a waltz", token) == addresses[0]
    assert Song.objects.count() == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [("audio_duration", "61"), ("guidance_scale", "14.5"), ("instrumental", "on")],
)
def test_each_wish_counts_as_content(alices: Client, field: str, value: str) -> None:
    form = wishes()
    addresses = [
        alices.post("/songs/", sent)["Location"]
        for sent in (form, form | {field: value}, form | {field: value})
    ]
    assert addresses[1] == addresses[2] != addresses[0]


def test_the_same_number_written_otherwise_is_the_same_wish(alices: Client) -> None:
    form = wishes(audio_duration="60")
    alices.post("/songs/", form)
    alices.post("/songs/", form | {"audio_duration": "60.0"})
    assert Song.objects.count() == 1


@pytest.mark.parametrize("token", [None, "", "nonsense", "9" * 5000])
def test_without_a_usable_token_the_same_wish_is_one_song_for_ten_minutes(
    alices: Client, token: str | None
) -> None:
    first = order(alices, token=token)
    assert order(alices, token=token) == first
    assert order(alices, "a march", token) != first
    travel(timedelta(minutes=11))
    assert order(alices, token=token) != first


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("token", ["6a0b1ad5-1d3f-4a5c-9a39-30a45fb7d9a1", ""])
def test_clicks_at_once_are_one_song(alices: Client, token: str) -> None:
    assert len(set(at_once(*[lambda: order(copy_of(alices), token=token)] * 5))) == 1
    assert Song.objects.count() == Event.objects.count() == 1


def test_a_deleted_song_does_not_come_back_by_its_form(alices: Client) -> None:
    form = wishes(form_token=token_of(alices, "/"))
    alices.post("/songs/", form)
    Song.objects.all().delete()
    answer = alices.post("/songs/", form, follow=True)
    assert "was deleted. Open a new form for another song." in answer.content.decode()
    assert answer.redirect_chain == [("/songs/", 303)]
    assert not Song.objects.exists()


def test_a_form_that_was_refused_can_be_sent_again(alices: Client, alice: User) -> None:
    form = wishes()
    making = [a_song(alice, status=SongStatus.QUEUED) for _ in range(3)]
    assert alices.post("/songs/", form).status_code == 422
    making[0].delete()
    assert alices.post("/songs/", form).status_code == 303


def test_a_form_that_is_too_old_comes_back_with_all_that_was_typed(alices: Client) -> None:
    old = old_token()
    form = wishes(full_described_song="a tango <for> one", instrumental="on", form_token=old)
    answer = alices.post("/songs/", form)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "opened more than 7 days ago" in page
    assert "a tango &lt;for&gt; one</textarea>" in page
    assert not Song.objects.exists()
    fresh = form_of(page, "/songs/ ").fields[FIELD]
    assert fresh != old
    assert alices.post("/songs/", form | {FIELD: fresh}).status_code == 303


def test_a_form_that_comes_back_with_an_error_keeps_its_token(alices: Client) -> None:
    token = token_of(alices, "/")
    page = alices.post("/songs/", wishes(full_described_song="", form_token=token))
    assert form_of(page.content.decode(), "/songs/ ").fields[FIELD] == token


# --- second tries ---------------------------------------------------------------------------------


def test_a_second_try_is_one_song_from_whichever_page_and_tab(alices: Client, alice: User) -> None:
    failed = a_song(alice, status=SongStatus.FAILED)
    again = f"/songs/{failed.pk}/again"
    tokens = [token_of(alices, page, again) for page in (f"/songs/{failed.pk}/", "/songs/", "/")]
    assert len(set(tokens)) == 3
    addresses = [alices.post(again, {FIELD: token})["Location"] for token in (*tokens, *tokens, "")]
    assert len(set(addresses)) == 1
    assert Song.objects.in_the_making().count() == 1


@pytest.mark.django_db(transaction=True)
def test_second_tries_at_once_are_one_song(alices: Client, alice: User) -> None:
    again = f"/songs/{a_song(alice, status=SongStatus.FAILED).pk}/again"
    tokens = [str(uuid.uuid4()), str(uuid.uuid4()), ""] * 2

    def click(token: str) -> str:
        return copy_of(alices).post(again, {FIELD: token})["Location"]

    assert len(set(at_once(*[lambda token=token: click(token) for token in tokens]))) == 1


def test_a_second_try_that_was_deleted_is_not_made_again_by_the_same_form(
    alices: Client, alice: User
) -> None:
    failed = a_song(alice, status=SongStatus.FAILED)
    again, token = f"/songs/{failed.pk}/again", str(uuid.uuid4())
    alices.post(again, {FIELD: token})
    Song.objects.exclude(pk=failed.pk).delete()
    page = alices.post(again, {FIELD: token}, follow=True).content.decode()
    assert "was deleted" in page
    assert Song.objects.count() == 1
    alices.post(again, {FIELD: token_of(alices, f"/songs/{failed.pk}/", again)})
    assert Song.objects.count() == 2


def test_a_second_try_by_a_page_that_is_too_old_says_so(alices: Client, alice: User) -> None:
    failed = a_song(alice, status=SongStatus.FAILED)
    answer = alices.post(f"/songs/{failed.pk}/again", {FIELD: old_token()}, follow=True)
    assert "opened more than 7 days ago" in answer.content.decode()
    assert Song.objects.count() == 1


# --- grants ---------------------------------------------------------------------------------------


def grant_page(user: User) -> str:
    return f"/admin/songs/user/{user.pk}/grant-credits/"


def grant(client: Client, user: User, amount: str = "5", **more: str) -> Any:
    return client.post(grant_page(user), {"amount": amount, "why": "a broken night"} | more)


def granted(user: User) -> int:
    return CreditEntry.objects.filter(user=user, why="a broken night").count()


def test_the_same_grant_that_is_sent_twice_is_booked_once(olgas: Client, alice: User) -> None:
    token = token_of(olgas, grant_page(alice))
    assert [grant(olgas, alice, form_token=token).status_code for _ in range(2)] == [302, 302]
    assert (granted(alice), User.objects.get(pk=alice.pk).credits) == (1, 8)
    assert LogEntry.objects.count() == 1
    page = olgas.get(f"/admin/songs/user/{alice.pk}/change/").content.decode()
    assert "Nothing was granted twice" in page


@pytest.mark.parametrize("token", ["", "nonsense"])
def test_a_grant_that_lost_its_token_is_booked_once_too(
    olgas: Client, alice: User, token: str
) -> None:
    assert [grant(olgas, alice, form_token=token).status_code for _ in range(2)] == [302, 302]
    assert granted(alice) == 1


@pytest.mark.django_db(transaction=True)
def test_grants_at_once_are_booked_once(olgas: Client, alice: User) -> None:
    token = token_of(olgas, grant_page(alice))
    clicks = [lambda: grant(copy_of(olgas), alice, form_token=token).status_code] * 4
    assert at_once(*clicks) == [302] * 4
    assert (granted(alice), User.objects.get(pk=alice.pk).credits) == (1, 8)


def test_a_corrected_amount_is_booked_beside_the_first_and_once(olgas: Client, alice: User) -> None:
    token = token_of(olgas, grant_page(alice))
    for amount in ("5", "-5", "-5", "6", "5"):
        grant(olgas, alice, amount, form_token=token)
    assert (granted(alice), User.objects.get(pk=alice.pk).credits) == (3, 9)


def test_the_same_grant_to_two_listeners_is_two_grants(
    olgas: Client, alice: User, bob: User
) -> None:
    for user in (alice, bob):
        grant(olgas, user, form_token="")
    assert (granted(alice), granted(bob)) == (1, 1)


def test_a_grant_that_could_not_be_booked_can_be_sent_again(olgas: Client, alice: User) -> None:
    token = token_of(olgas, grant_page(alice))
    assert grant(olgas, alice, "-4", form_token=token).status_code == 422
    User.objects.filter(pk=alice.pk).update(credits=F("credits") + 1)
    assert grant(olgas, alice, "-4", form_token=token).status_code == 302


def test_the_same_grant_from_a_second_tab_is_asked_back(olgas: Client, alice: User) -> None:
    first, second = (token_of(olgas, grant_page(alice)) for _ in range(2))
    grant(olgas, alice, form_token=first)

    asked = grant(olgas, alice, form_token=second)

    page = asked.content.decode()
    assert asked.status_code == 422
    assert "You granted +5 credits for this reason" in page
    assert 'type="checkbox" name="once_more"' in page
    assert granted(alice) == 1
    for _ in range(2):
        assert grant(olgas, alice, form_token=second, once_more="on").status_code == 302
    assert granted(alice) == 2


def test_what_was_granted_a_while_ago_is_granted_again_without_a_question(
    olgas: Client, alice: User
) -> None:
    grant(olgas, alice, form_token=token_of(olgas, grant_page(alice)))
    CreditEntry.objects.update(at=F("at") - timedelta(minutes=11))
    assert grant(olgas, alice, form_token=token_of(olgas, grant_page(alice))).status_code == 302
    assert granted(alice) == 2


def test_two_operators_with_a_form_each_grant_twice(olgas: Client, alice: User) -> None:
    gustavs = Client()
    gustavs.force_login(staff("gustav", "view_user", "grant_credits"))
    for client in (olgas, gustavs):
        grant(client, alice, form_token=token_of(client, grant_page(alice)))
    assert granted(alice) == 2


def test_a_grant_by_a_form_that_is_too_old_comes_back_as_it_was_typed(
    olgas: Client, alice: User
) -> None:
    answer = grant(olgas, alice, form_token=old_token())
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "opened more than 7 days ago" in page
    assert 'value="a broken night"' in page
    assert granted(alice) == 0


def test_each_form_of_a_listener_that_asks_for_a_song_carries_a_token(
    alices: Client, alice: User
) -> None:
    failed = a_song(alice, status=SongStatus.FAILED)
    for page in ("/", "/songs/", f"/songs/{failed.pk}/", f"/songs/{failed.pk}/card?seen=x"):
        forms = forms_of(alices.get(page).content.decode())
        asking = [form for form in forms if form.action == "/songs/" or "again" in form.action]
        assert asking
        assert all(uuid.UUID(form.fields[FIELD]).version == 7 for form in asking)
