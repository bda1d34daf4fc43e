"""The cache in a table, counts in it, and what is cleared once it has expired."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.cache import cache as default
from django.db.models import F
from django.test import Client

from songs import cache
from songs.accounts import clearing
from songs.models import CacheEntry, User
from songs.upkeep import clear_expired
from tests.songs.doors import sign_in
from tests.support.functions import ran

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def pass_time(by: timedelta = HOUR) -> None:
    CacheEntry.objects.update(expires_at=F("expires_at") - by)


def test_a_value_is_kept_until_it_expires() -> None:
    default.set("times", [1.5, 2], 60)
    assert default.get("times") == [1.5, 2]
    assert default.get("others", "none") == "none"
    pass_time()
    assert default.get("times") is None


def test_a_value_is_added_where_none_is_live() -> None:
    assert default.add("lock", True, 60)
    assert not default.add("lock", True, 60)
    pass_time()
    assert default.add("lock", True, 60)
    assert default.delete("lock")
    assert not default.delete("lock")


def test_a_value_without_a_timeout_stays() -> None:
    default.set("lasting", 1, None)
    pass_time()
    assert default.get("lasting") == 1
    assert default.touch("lasting", 60)
    pass_time()
    assert not default.touch("lasting", 60)


def test_a_value_can_be_counted_up() -> None:
    default.set("visits", 1)
    assert default.incr("visits") == 2
    with pytest.raises(ValueError, match="not found"):
        default.incr("others")


def test_code_in_a_value_is_not_run() -> None:
    with pytest.raises(TypeError):
        default.set("code", object())


def test_many_strangers_push_no_count_out() -> None:
    """Django's own DatabaseCache keeps 300 rows, and throws live ones out."""
    cache.count("attempts:one", HOUR)
    for number in range(400):
        default.set(f"row-{number}", number, 60)
    assert cache.count("attempts:one", HOUR).number == 2


def test_a_window_begins_with_the_first_and_then_begins_again() -> None:
    assert cache.count("x", HOUR).number == 1
    pass_time(timedelta(minutes=20))
    later = cache.count("x", HOUR)
    assert (later.number, round(later.ends_in / timedelta(minutes=1))) == (2, 40)
    pass_time(timedelta(minutes=41))
    assert cache.count("x", HOUR).number == 1


def test_a_count_is_taken_back_and_never_below_zero() -> None:
    cache.count("x", HOUR)
    cache.take_back("x", "y")
    cache.take_back("x")
    assert cache.count("x", HOUR).number == 1


# --- clearing ---


@pytest.fixture
def small_batches(monkeypatch) -> None:
    monkeypatch.setattr(clearing, "BATCH", 2)


@pytest.mark.usefixtures("small_batches")
def test_what_has_expired_is_cleared_and_nothing_else(client: Client, alice: User) -> None:
    for number in range(5):
        sign_in(Client())
        cache.count(f"old-{number}", HOUR)
    old = list(Session.objects.values_list("pk", flat=True))
    Session.objects.update(expire_date=F("expire_date") - timedelta(days=15))
    pass_time()
    sign_in(client)
    cache.count("new", HOUR)
    assert ran(clear_expired.handler).output == {"sessions": 5, "entries": 0, "counts": 5}
    assert list(CacheEntry.objects.filter(key__in=["new", "old-0"]).values_list("pk")) == [("new",)]
    assert not Session.objects.filter(pk__in=old).exists()
    assert UserSession.objects.get().session_key == client.session.session_key


def test_a_listener_who_signs_out_leaves_no_entry(client: Client, alice: User) -> None:
    sign_in(client)
    client.post("/accounts/logout/")
    assert ran(clear_expired.handler).output["entries"] == 1
    assert not UserSession.objects.exists()
