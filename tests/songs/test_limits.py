"""Limits count what costs, by account, network and the whole site, and say when to come again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.db.models import F
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.runs.claiming import claim_due
from songs.limits import clearing, counts, network_of, permits, refusals
from songs.limits.counts import Asked, Full
from songs.limits.rules import RULES
from songs.limits.shares import ASK_AGAIN, shares
from songs.models import Limit, LimitCount, Song, SongStatus, User
from songs.upkeep import clear_limits
from tests.songs.conftest import as_
from tests.support.cast import PASSWORD, a_song, listener, wishes
from tests.support.functions import ran

pytestmark = pytest.mark.django_db
ORDERS, EVERYBODY = RULES["orders-account"], "*"


@pytest.fixture(autouse=True)
def _own_windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Windows begin with the test, so that none ends within it."""
    monkeypatch.setattr(counts, "ORIGIN", int(timezone.now().timestamp()))
    shares.forget()
    yield
    shares.forget()


@pytest.fixture
def limits(settings: Any) -> dict[str, int | None]:
    """No limit but those that a test sets."""
    settings.LIMITS = dict.fromkeys(RULES)
    return settings.LIMITS


def order(client: Client, **changes: Any) -> Any:
    return client.post("/songs/", wishes(**changes))


def next_window() -> None:
    """The windows of now are the last ones."""
    for row in LimitCount.objects.all():
        span = row.ends_at - row.starts_at
        LimitCount.objects.filter(pk=row.pk).update(
            starts_at=F("starts_at") - span, ends_at=F("ends_at") - span
        )


def rich(name: str = "rich") -> User:
    return listener(name, credits_=100)


# --- orders ---


def test_orders_of_one_account_have_a_limit(limits: dict[str, int | None]) -> None:
    limits["orders-account"] = 2
    one, another = as_(rich()), as_(rich("other"))
    assert [order(one).status_code for _ in range(3)] == [303, 303, 429]
    assert order(another).status_code == 303
    assert Song.objects.count() == 3


def test_a_refused_order_says_when_to_come_again_and_keeps_what_was_typed(
    limits: dict[str, int | None],
) -> None:
    limits["orders-account"] = 1
    client = as_(rich())
    order(client)
    answer = order(client, full_described_song="a tango for a heron")
    page = answer.content.decode()
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 3600
    assert "You can order one song an hour, and this hour has none left. The next hour" in page
    assert "a tango for a heron" in page


def test_sentence_and_header_name_the_end_of_the_hour(limits: dict[str, int | None]) -> None:
    limits["orders-account"] = 1
    client = as_(rich())
    client.cookies["zone"] = "Asia/Kathmandu"
    order(client)
    answer = order(client)
    ends_at = LimitCount.objects.get(rule="orders-account").ends_at
    wait = (ends_at - timezone.now()).total_seconds()
    assert wait < int(answer["Retry-After"]) <= wait + 2
    begins = ends_at.astimezone(ZoneInfo("Asia/Kathmandu"))
    assert f"The next hour begins at {begins:%H:%M}: try again in " in answer.content.decode()


def test_a_window_that_ended_meanwhile_makes_no_listener_wait(
    limits: dict[str, int | None],
) -> None:
    """It was full when it refused; the next one has begun before that is noted."""
    limits["orders-account"] = 5
    assert permits.refused([Asked(ORDERS, "7")]).wait == 1


def test_the_next_window_begins_anew(limits: dict[str, int | None]) -> None:
    limits["orders-account"] = 1
    client = as_(rich())
    assert [order(client).status_code for _ in range(2)] == [303, 429]
    next_window()
    assert [order(client).status_code for _ in range(2)] == [303, 429]


def test_orders_of_one_network_have_a_limit_over_its_accounts(
    limits: dict[str, int | None],
) -> None:
    limits["orders-network"] = 2
    clients = [as_(rich(f"rich{n}")) for n in range(3)]
    statuses = [client.post("/songs/", wishes()).status_code for client in clients]
    assert statuses == [303, 303, 429]
    elsewhere = clients[2].post("/songs/", wishes(), REMOTE_ADDR="203.0.113.9")
    assert elsewhere.status_code == 303


def test_all_orders_of_a_day_have_a_budget(limits: dict[str, int | None]) -> None:
    limits["orders-all"] = 1
    assert order(as_(rich())).status_code == 303
    answer = order(as_(rich("other")))
    assert answer.status_code == 429
    said = "This site makes one song a day, and this day has none left. The next day begins at "
    assert said in answer.content.decode()


def test_songs_in_the_making_of_one_listener_have_a_limit(limits: dict[str, int | None]) -> None:
    limits["making-account"] = 2
    user = rich()
    client = as_(user)
    assert [order(client).status_code for _ in range(3)] == [303, 303, 429]
    row = LimitCount.objects.get(rule="making-account")
    assert (row.refused, row.refused_count, row.refused_most) == (1, 2, 2)
    Song.objects.owned_by(user).update(status=SongStatus.FAILED)
    assert order(client).status_code == 303


def test_songs_that_fail_count(limits: dict[str, int | None]) -> None:
    limits["orders-account"] = 2
    user = rich()
    client = as_(user)
    order(client)
    Song.objects.update(status=SongStatus.FAILED, event_id=None)  # as if its run had ended
    failed = Song.objects.get()
    assert client.post(f"/songs/{failed.pk}/again").status_code == 303
    Song.objects.update(status=SongStatus.FAILED, event_id=None)
    second = Song.objects.exclude(pk=failed.pk).get()
    answer = client.post(f"/songs/{second.pk}/again")
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0
    assert "You can order 2 songs an hour, and this hour has none left" in answer.content.decode()
    assert order(client).status_code == 429


def test_a_form_that_is_sent_twice_counts_once(limits: dict[str, int | None]) -> None:
    limits["orders-account"] = 2
    client, form = as_(rich()), wishes()
    for _ in range(4):
        assert client.post("/songs/", form).status_code == 303
    assert Song.objects.count() == 1
    assert order(client).status_code == 303


def test_a_repeat_beyond_the_limit_is_answered_with_its_song(
    limits: dict[str, int | None],
) -> None:
    limits["orders-account"] = 1
    client, form = as_(rich()), wishes()
    first = client.post("/songs/", form)
    assert client.post("/songs/", form)["Location"] == first["Location"]


def test_orders_that_make_nothing_use_up_no_limit(
    limits: dict[str, int | None], penny: User
) -> None:
    limits |= {"orders-network": 1, "orders-all": 1}
    for _ in range(3):
        assert order(as_(penny)).status_code == 422  # no credits
        assert order(as_(penny), audio_duration="long").status_code == 422
    assert order(as_(rich())).status_code == 303


def test_refused_orders_use_up_no_limit_of_others(limits: dict[str, int | None]) -> None:
    limits |= {"orders-account": 1, "orders-all": 2}
    hasty = as_(rich())
    assert [order(hasty).status_code for _ in range(5)] == [303, 429, 429, 429, 429]
    assert order(as_(rich("other"))).status_code == 303


def test_an_order_costs_one_statement_of_the_limits(limits: dict[str, int | None]) -> None:
    client = as_(rich())
    with CaptureQueriesContext(connection) as asked:
        order(client)
    of_limits = [query["sql"] for query in asked if "songs_limit" in query["sql"]]
    assert len(of_limits) == 1


@pytest.mark.django_db(transaction=True)
def test_two_orders_at_once_never_both_get_the_last_place() -> None:
    got: list[int] = []

    def ask() -> None:
        got.append(len(counts.take([Asked(ORDERS, "7"), Asked(RULES["orders-all"], EVERYBODY)])))
        connection.close()

    Limit.objects.filter(name="orders-account").update(most=5)
    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [1] * 7 + [2] * 5
    assert LimitCount.objects.get(rule="orders-account").count == 5


@pytest.mark.django_db(transaction=True)
def test_what_is_given_back_at_once_is_given_back_once_each() -> None:
    both = [Asked(ORDERS, "7"), Asked(RULES["orders-all"], EVERYBODY)]

    def there_and_back() -> None:
        for _ in range(20):
            counts.give_back(counts.take(both))
        connection.close()

    threads = [threading.Thread(target=there_and_back) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(LimitCount.objects.values_list("count", flat=True)) == {0}


def test_counting_does_not_wait_for_the_disk_and_the_order_does(
    limits: dict[str, int | None],
) -> None:
    """In a transaction of its own; within another one the setting would last until its end."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = 'on'")
        counts.take([Asked(ORDERS, "7")])
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("on",)


def test_songs_of_all_listeners_at_once_have_a_limit(
    limits: dict[str, int | None], settings: Any
) -> None:
    clients = [as_(rich(f"rich{n}")) for n in range(settings.SONGS_AT_ONCE + 3)]
    for client in clients:
        assert order(client).status_code == 303
    assert len(claim_due(1000)) == settings.SONGS_AT_ONCE


# --- the other kinds ---


def sign_up(number: int, **more: Any) -> Any:
    form = {"username": f"u{number}", "email": f"u{number}@example.org"}
    form |= {"password1": PASSWORD, "password2": PASSWORD}
    return Client().post("/accounts/signup/", form, **more)


def test_sign_ups_of_one_network_have_a_limit(limits: dict[str, int | None]) -> None:
    limits["sign-ups-network"] = 2
    assert [sign_up(n).status_code for n in range(3)] == [302, 302, 429]
    assert sign_up(4, REMOTE_ADDR="2001:db8::1").status_code == 302
    refused = sign_up(5)
    page = refused.content.decode()
    assert "2 accounts an hour can be made from your network, and this hour has none left" in page
    assert int(refused["Retry-After"]) > 0
    assert 'value="u5"' in page  # what was typed is kept
    assert User.objects.count() == 3


def test_sign_ups_of_a_day_have_a_limit(limits: dict[str, int | None]) -> None:
    limits["sign-ups-all"] = 1
    answers = [sign_up(n, REMOTE_ADDR=f"203.0.113.{n}") for n in range(2)]
    assert [answer.status_code for answer in answers] == [302, 429]


def test_a_name_that_is_taken_uses_up_no_sign_up(
    limits: dict[str, int | None], alice: User
) -> None:
    limits["sign-ups-network"] = 1
    form = {"username": "alice", "email": "a@example.org"}
    form |= {"password1": PASSWORD, "password2": PASSWORD}
    assert Client().post("/accounts/signup/", form).status_code == 422
    assert sign_up(1).status_code == 302


PATHS = {"downloads": ["audio", "cover"], "polling": ["card"]}


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize("scope", ["account", "network"])
def test_files_and_news_have_limits(
    limits: dict[str, int | None], alices: Client, alice: User, kind: str, scope: str
) -> None:
    limits[f"{kind}-{scope}"] = 3
    song = a_song(alice)
    paths = [f"/songs/{song.pk}/{part}" for part in PATHS[kind]]
    statuses = [alices.get(path).status_code for path in paths * 4][:4]
    assert 429 not in statuses[:3]
    assert statuses[3] == 429
    assert LimitCount.objects.get(rule=f"{kind}-{scope}").refused == 1


def test_news_for_scripts_are_refused_as_json(
    limits: dict[str, int | None], alices: Client, alice: User
) -> None:
    limits["polling-account"] = 1
    song = a_song(alice)
    alices.get(f"/songs/{song.pk}.json")
    answer = alices.get(f"/songs/{song.pk}.json")
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 60
    assert answer.json()["error"].startswith("Your pages have asked for news too often.")
    cards = alices.get("/songs/cards", headers={"HX-Request": "true"})
    assert (cards.status_code, cards["Content-Type"]) == (429, "text/plain; charset=utf-8")


def test_a_process_asks_for_a_share_and_counts_it_in_memory(
    limits: dict[str, int | None], alices: Client, alice: User
) -> None:
    limits |= {"polling-account": 500, "polling-network": 500}
    song = a_song(alice)
    with CaptureQueriesContext(connection) as asked:
        for _ in range(30):
            alices.get(f"/songs/{song.pk}/card")
    statements = [query["sql"] for query in asked if "songs_limitcount" in (query["sql"] or "")]
    assert len(statements) == 3  # shares of 10


def test_shares_of_several_processes_never_exceed_the_limit(
    limits: dict[str, int | None], alices: Client, alice: User
) -> None:
    limits["polling-account"] = 100
    song = a_song(alice)
    counts.take([Asked(RULES["polling-account"], str(alice.pk), 97)])  # another process's
    statuses = [alices.get(f"/songs/{song.pk}/card").status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]


# --- operators ---


class Clock:
    """A process's clock, in seconds."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(shares, "clock", made)
    monkeypatch.setattr(shares, "limits", {})
    shares.forget()
    return made


@pytest.mark.parametrize("most", [0, 1])
def test_a_lowered_limit_of_news_holds_within_five_seconds(
    limits: dict[str, int | None], alices: Client, alice: User, clock: Clock, most: int
) -> None:
    """Though the process has much left of its share."""
    limits["polling-account"] = 5_000
    song = a_song(alice)
    assert alices.get(f"/songs/{song.pk}/card").status_code == 200
    Limit.objects.filter(name="polling-account").update(most=most)
    clock.now += ASK_AGAIN
    answer = alices.get(f"/songs/{song.pk}/card")
    assert answer.status_code == 429
    assert ("have paused it" in answer.content.decode()) is (most == 0)


def test_a_raised_limit_of_news_holds_within_five_seconds(
    limits: dict[str, int | None], alices: Client, alice: User, clock: Clock
) -> None:
    limits["polling-account"] = 1
    song = a_song(alice)
    statuses = [alices.get(f"/songs/{song.pk}/card").status_code for _ in range(2)]
    Limit.objects.filter(name="polling-account").update(most=50)
    clock.now += ASK_AGAIN
    assert [*statuses, alices.get(f"/songs/{song.pk}/card").status_code] == [200, 429, 200]


def test_a_share_that_was_granted_before_a_limit_changed_is_dropped(
    limits: dict[str, int | None], clock: Clock
) -> None:
    """One thread has it granted, another one reads the lowered limit before it is kept."""
    rule = RULES["polling-account"]
    asked = [Asked(rule, "7", 10)]
    changes = shares.look()
    taken = counts.take(asked)
    Limit.objects.filter(name=rule.name).update(most=0)
    clock.now += ASK_AGAIN
    shares.look()
    shares.add(taken, changes)
    assert shares.use(asked) == asked


def test_a_process_reads_the_limits_once_in_five_seconds(
    limits: dict[str, int | None], alices: Client, alice: User, clock: Clock
) -> None:
    limits |= {"polling-account": 5_000, "polling-network": 5_000}
    song = a_song(alice)
    with CaptureQueriesContext(connection) as asked:
        for _ in range(20):
            alices.get(f"/songs/{song.pk}/card")
            clock.now += ASK_AGAIN / 10
    read = [query for query in asked if query["sql"] == counts.SET_BY_OPERATORS]
    assert len(read) == 2


def test_a_remembered_refusal_tells_the_time_that_is_left(
    limits: dict[str, int | None], alices: Client, alice: User, clock: Clock
) -> None:
    limits["polling-account"] = 0
    song = a_song(alice)
    first = int(alices.get(f"/songs/{song.pk}/card")["Retry-After"])
    clock.now += 3
    assert int(alices.get(f"/songs/{song.pk}/card")["Retry-After"]) == first - 3


def test_what_refused_is_kept_when_the_limit_changes_and_the_count_goes_on(
    limits: dict[str, int | None],
) -> None:
    limits["orders-account"] = 2
    client = as_(rich())
    assert [order(client).status_code for _ in range(3)] == [303, 303, 429]
    limits["orders-account"] = 10
    order(client)
    row = LimitCount.objects.get(rule="orders-account")
    assert (row.count, row.most) == (3, 10)
    assert (row.refused_count, row.refused_most) == (2, 2)


def test_an_operators_limit_holds_at_once(limits: dict[str, int | None]) -> None:
    client = as_(rich())
    Limit.objects.filter(name="orders-account").update(most=1)
    assert [order(client).status_code for _ in range(2)] == [303, 429]
    Limit.objects.filter(name="orders-account").update(most=2)
    assert [order(client).status_code for _ in range(2)] == [303, 429]


def test_an_operators_limit_of_songs_in_the_making_holds(limits: dict[str, int | None]) -> None:
    Limit.objects.filter(name="making-account").update(most=1)
    client = as_(rich())
    assert [order(client).status_code for _ in range(2)] == [303, 429]


def test_a_limit_of_zero_pauses(limits: dict[str, int | None]) -> None:
    Limit.objects.filter(name="orders-all").update(most=0)
    answer = order(as_(rich()))
    assert answer.status_code == 429
    assert "the operators of this site have paused it" in answer.content.decode()
    assert not Song.objects.exists()


def test_each_rule_has_its_row_and_its_default(settings: Any) -> None:
    assert set(Limit.objects.values_list("name", flat=True)) == set(RULES)
    assert set(settings.LIMITS) == set(RULES)


# --- by the clock ---


def test_ended_windows_are_cleared_and_refusals_kept_for_a_week(
    limits: dict[str, int | None],
) -> None:
    counts.take([Asked(ORDERS, "1")])
    counts.note([Asked(ORDERS, "2")])
    next_window()
    counts.take([Asked(ORDERS, "3")])
    clearing.clear()
    assert set(LimitCount.objects.values_list("subject", flat=True)) == {"2", "3"}
    LimitCount.objects.update(ends_at=timezone.now() - timedelta(days=8))
    clearing.clear()
    assert not LimitCount.objects.exists()


def test_the_clock_clears_them(limits: dict[str, int | None]) -> None:
    counts.take([Asked(ORDERS, "1")])
    next_window()
    assert [trigger.cron for trigger in clear_limits.triggers] == ["23 * * * *"]
    run = ran(clear_limits.handler)
    assert (run.status, run.output) == ("completed", {"removed": 1})
    assert not LimitCount.objects.filter(subject="1").exists()


# --- words ---


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("most", [0, 1, 1200])
def test_each_limit_has_its_sentences(name: str, most: int) -> None:
    said = str(refusals.TooMany(Full(RULES[name], most, 90.0, timezone.now())))
    assert said[0].isupper() or said[0].isdigit()
    assert said.endswith(".")
    assert not set("{}|") & set(said)
    if name != "making-account":
        assert said.lower().endswith("try again in 2 minutes.")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (60, "60 seconds"),
        (61, "2 minutes"),
        (3601, "2 hours"),
        (86400, "24 hours"),
    ],
)
def test_the_time_to_wait_is_never_less_than_it_takes(seconds: int, words: str) -> None:
    assert refusals.in_words(seconds) == words


# --- networks ---


def asked_from(address: str, forwarded: str | None = None) -> HttpRequest:
    more = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    return RequestFactory().get("/", REMOTE_ADDR=address, **more)


@pytest.mark.parametrize(
    ("proxies", "address", "forwarded", "network"),
    [
        (0, "203.0.113.7", None, "203.0.113.7"),
        (0, "203.0.113.7", "198.51.100.1", "203.0.113.7"),
        (0, "2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::/64"),
        (0, "::ffff:203.0.113.7", None, "203.0.113.7"),
        (0, "fe80::1%eth0", None, "fe80::/64"),
        (0, "", None, "unknown"),
        (1, "127.0.0.1", "198.51.100.1", "198.51.100.1"),
        (1, "127.0.0.1", "1.1.1.1, 2.2.2.2, 198.51.100.1", "198.51.100.1"),
        (1, "127.0.0.1", "198.51.100.1:5678", "198.51.100.1"),
        (1, "127.0.0.1", "[2001:db8:1:2::9]:5678", "2001:db8:1:2::/64"),
        (1, "127.0.0.1", None, "127.0.0.1"),
        (1, "127.0.0.1", "nonsense", "127.0.0.1"),
        (1, "", "nonsense", "unknown"),
        (2, "127.0.0.1", "1.1.1.1, 198.51.100.1, 10.0.0.1", "198.51.100.1"),
        (2, "127.0.0.1", "198.51.100.1", "127.0.0.1"),
    ],
)
def test_a_network_is_what_the_trusted_proxies_say(
    settings: Any, proxies: int, address: str, forwarded: str | None, network: str
) -> None:
    settings.PROXIES = proxies
    assert network_of(asked_from(address, forwarded)) == network
