"""Hand-over: what the next shift should know, on one page and as a text."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs.api import asked_by, pause
from jobs.control import hand_over
from jobs.errors import InvalidTransition
from jobs.models import HandOverNote
from jobs.testing import travel
from songs.models import User
from tests.jobs.admin.panel import shown
from tests.support import cast, rows
from tests.support.functions import at_once

pytestmark = pytest.mark.django_db
PAGE, TEXT, NOTE = (reverse(f"admin:hand_over{part}") for part in ("", "_text", "_note"))
HOME = reverse("admin:index")
HOSTILE = "<script>alert(1)</script>‮ سلام 🎹 & “quotes”"


@pytest.fixture
def olga(client: Client) -> User:
    account = cast.olga()
    client.force_login(account)
    return account


def in_hours(hours: float) -> str:
    return f"{timezone.now() + timedelta(hours=hours):%Y-%m-%dT%H:%M}"


def leave(client: Client, text: str, hours: float = 4, **fields: Any) -> Any:
    newest = hand_over.newest()
    over = newest.pk if newest else ""
    form = {"text": text, "until": in_hours(hours), "over": over, **fields}
    return client.post(NOTE, form)


def test_a_note_stands_on_operations_until_its_end(client: Client, olga: User) -> None:
    response = leave(client, "The GPU host is being moved; 503s are expected.", hours=4)

    assert response.status_code == 302
    for address in (PAGE, HOME):
        assert "The GPU host is being moved" in shown(client, address)
        assert "olga" in shown(client, address)
    travel(timedelta(hours=5))
    assert "The GPU host is being moved" not in shown(client, HOME)
    assert "There is no note that counts now." in shown(client, PAGE)


def test_a_note_is_changed_and_ended_and_what_it_said_is_kept(client: Client, olga: User) -> None:
    leave(client, "the old one")
    leave(client, "the new one")
    assert "the new one" in shown(client, HOME)
    assert "the old one" not in shown(client, HOME)

    leave(client, "")

    assert "the new one" not in shown(client, HOME)
    past = shown(client, PAGE).split('id="jobs-past"')[1]
    assert past.index("Ended by") < past.index("the new one") < past.index("the old one")
    said = LogEntry.objects.order_by("id").values_list("change_message", flat=True)
    assert list(said) == ["Wrote the note for the next shift."] * 2 + ["Ended the note."]


def test_two_operators_at_once_write_one_note(client: Client, olga: User) -> None:
    leave(client, "mine", over="")

    response = leave(client, "yours", over="")

    assert response.status_code == 422
    page = response.content.decode()
    assert "Another operator has written a note since this form was opened." in page
    assert "yours</textarea>" in page
    assert [note.text for note in HandOverNote.objects.all()] == ["mine"]


def test_a_note_that_another_one_has_overtaken_can_be_sent_once_more(
    client: Client, olga: User
) -> None:
    """With the form that the refusal's page brings."""
    leave(client, "mine", over="")
    page = leave(client, "yours", over="").content.decode()
    over = re.search(r'name="over" value="(\d+)"', page)
    assert over

    assert leave(client, "yours", over=over[1]).status_code == 302

    assert [note.text for note in HandOverNote.objects.all()] == ["yours", "mine"]


@pytest.mark.django_db(transaction=True)
def test_two_notes_at_the_same_moment_are_one() -> None:
    people = [cast.listener(name, credits_=0) for name in ("olga", "otto", "oda", "omar")]
    until = timezone.now() + timedelta(hours=1)

    results = at_once(
        *(lambda who=who: hand_over.write(who.username, until, who, None) for who in people)
    )

    assert HandOverNote.objects.count() == 1
    refused = [str(result) for result in results if isinstance(result, InvalidTransition)]
    assert len(refused) == 3
    assert all("Another operator has written a note" in words for words in refused)


def test_a_form_that_is_sent_twice_writes_one_note(client: Client, olga: User) -> None:
    form = {"text": "once", "until": in_hours(4), "over": ""}
    client.post(NOTE, form)

    again = client.post(NOTE, form, follow=True)

    assert "This form was sent before" in again.content.decode()
    assert HandOverNote.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"until": "tomorrow"}, "This is no time; 2026-11-27T10:30 is one."),
        ({"until": ""}, "The note has no end"),
        ({"until": "2020-01-01T10:00"}, "The note ends in the past"),
        ({"until": "2999-01-01T10:00"}, "The note ends in more than 7 days"),
        ({"text": "w" * 2_001}, "The note has 2,001 characters; at most 2,000 are allowed."),
        ({"text": "a\0b"}, "Null characters are not allowed."),
        ({"text": "  "}, "The note is empty, and there is none that it could end."),
        ({"text": "\u200b\u2060"}, "The note has no character that can be seen."),
        ({"over": "x"}, "Enter a whole number."),
        ({"over": "9" * 30}, "Another operator has written a note"),
    ],
)
def test_a_note_that_cannot_be_is_told_and_nothing_is_written(
    client: Client, olga: User, fields: dict[str, str], sentence: str
) -> None:
    response = leave(client, **{"text": "a note"} | fields)

    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert not HandOverNote.objects.exists()
    assert not LogEntry.objects.exists()


def test_the_code_is_told_in_the_same_words(olga: User) -> None:
    with pytest.raises(InvalidTransition, match="The note has no end"):
        hand_over.write("a note", None, olga, None)


def test_it_has_what_fails_what_is_paused_and_why_and_who_did_what(
    client: Client, olga: User
) -> None:
    for _ in range(3):
        rows.failed_run(failure_kind="call-modal-api · 503 busy")
    rows.make_function()
    with asked_by(olga):
        pause(f"{rows.FN}-failure", reason="the mail server is down")
    rows.make_cluster(seen_at=rows.now() - timedelta(minutes=4))
    client.post(
        reverse("admin:jobs_registeredfunction_state", args=[rows.FN]),
        {"to": "still", "reason": "a new model"},
    )

    page, text = shown(client, PAGE), shown(client, TEXT)

    for words in (
        "503",
        "the mail server is down",
        f"Nothing is told when a run of {rows.FN} fails.",
        "studio-1",
        "unfinished runs",
    ):
        assert words in page
        assert words in text
    assert "Open failures: 3" in text
    assert "by olga: “the mail server is down”" in text
    assert "- studio-1: died, silent for 4 min" in text


def test_the_text_is_plain_and_the_page_escapes_it(client: Client, olga: User) -> None:
    leave(client, HOSTILE)
    rows.failed_run(failure_kind=f"step · {HOSTILE}"[:200])

    response = client.get(TEXT)

    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert HOSTILE in response.content.decode()
    assert "<script>alert" not in shown(client, PAGE)
    assert "<script>alert" not in shown(client, HOME)


def test_an_account_sees_what_it_may_see(client: Client, olga: User) -> None:
    leave(client, "for all of us")
    rows.failed_run(failure_kind="call-modal-api · 503 busy")
    client.force_login(cast.staff("viola", "view_run"))

    page, text = shown(client, PAGE), shown(client, TEXT)

    for secret in ("Paused functions", "Clusters alive", "Acts of the last"):
        assert secret not in page
        assert secret not in text
    assert "for all of us" in page
    assert "503" in text
    assert "Leave the note" not in page
    refused = leave(client, "mine")
    assert refused.status_code == 403
    assert "“Can add hand-over note”" in refused.content.decode()
    assert HandOverNote.objects.count() == 1


def test_an_account_without_the_permission_sees_no_note(client: Client, olga: User) -> None:
    leave(client, "for all of us")
    client.force_login(cast.staff("vera", "view_event", "add_handovernote"))

    assert "for all of us" not in shown(client, HOME)
    for address in (PAGE, TEXT):
        assert client.get(address).status_code == 403
    assert leave(client, "mine").status_code == 403


def test_looking_writes_nothing(client: Client, olga: User) -> None:
    assert client.get(NOTE).status_code == 405
    assert not HandOverNote.objects.exists()
