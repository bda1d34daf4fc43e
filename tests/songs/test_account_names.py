"""No new account has a name that looks like another one's; accounts that exist keep theirs."""

from __future__ import annotations

import pytest
from django.test import Client

from songs.models import User
from tests.songs.doors import is_signed_in, sign_in, sign_up
from tests.support.cast import PASSWORD

pytestmark = pytest.mark.django_db
CYRILLIC_ALICE = "\u0430\u04cf\u0456\u0441\u0435"  # each of its letters has a Latin twin


@pytest.mark.parametrize(
    "name",
    [
        *("dora", "a.b+c-d_9", "Étoile", "Юля", "Σωκράτης", "李小龍"),
        *("東京tokyo", "さくら-love", "한국kim", "דורה", "दर"),
    ],
)
def test_names_of_one_script_or_of_one_language_are_taken(client: Client, name: str) -> None:
    assert sign_up(client, name, email="dora@example.com").status_code == 302
    assert User.objects.get().username == name


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("\u0430lice", "mixes letters of several scripts (Cyrillic and Latin)"),
        ("a\u03bfl", "mixes letters of several scripts (Greek and Latin)"),
        ("dora\u0661", "mixes letters of several scripts (Arabic and Latin)"),
        ("al\u200bice", "a character that cannot be seen (U+200B)"),
        ("al\u200dice\u2060", "a character that cannot be seen (U+200D, U+2060)"),
        ("\u202eecila", "a character that cannot be seen (U+202E)"),
        ("\u2066alice", "a character that cannot be seen (U+2066)"),
        ("ali\u00adce", "a character that cannot be seen (U+00AD)"),
        ("\u3164", "a character that cannot be seen (U+1160)"),
        ("\ufeffalice", "a character that cannot be seen (U+FEFF)"),
        (CYRILLIC_ALICE, "The name of another account looks the same in other letters."),
        ("alice\u00a0b", "A name has letters, digits and . + - _ alone."),
        ("😀", "A name has letters, digits and . + - _ alone."),
        ("\ufdfa" * 9, "A name has letters, digits and . + - _ alone."),  # 162 signs, with spaces
        ("\u33a5" * 100, "A name has at most 150 characters; yours has 200"),
    ],
)
def test_a_name_that_could_be_taken_for_another_is_refused_in_a_sentence(
    client: Client, alice: User, name: str, sentence: str
) -> None:
    answer = sign_up(client, name, email="dora@example.com")
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("taken", "name"),
    [
        *((CYRILLIC_ALICE, "Alice"), ("САРА", "capa"), ("capa", "Сара")),
        *(("ΜΟΡΑ", "mopa"), ("оно", "oho")),
    ],
)
def test_names_of_two_scripts_that_look_the_same_are_one(
    client: Client, taken: str, name: str
) -> None:
    User.objects.create_user(taken, password=PASSWORD)
    answer = sign_up(client, name, email="dora@example.com")
    assert "The name of another account looks the same" in answer.content.decode()
    assert User.objects.count() == 1


@pytest.mark.parametrize("typed", ["\uff44\uff4f\uff52\uff41", "\U0001d41dora"])
def test_forms_of_a_letter_become_the_usual_one(client: Client, typed: str) -> None:
    assert sign_up(client, typed, email="dora@example.com").status_code == 302
    assert User.objects.get().username == "dora"
    again = Client()
    sign_in(again, typed)
    assert is_signed_in(again)
    assert "Another account has this name." in sign_up(Client(), "dora").content.decode()


@pytest.mark.parametrize("name", ["\u0430lice", "al\u200bice", "\uff44\uff4f\uff52\uff41"])
def test_an_account_that_exists_keeps_its_name_and_signs_in(client: Client, name: str) -> None:
    User.objects.create_user("dora", password="another-long-enough-one")
    old = User.objects.create_user("old", password=PASSWORD)
    User.objects.filter(pk=old.pk).update(username=name)
    sign_in(client, name)
    assert client.session["_auth_user_id"] == str(old.pk)
