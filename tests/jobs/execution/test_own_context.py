"""What code sets for the rest of its context, the next run does not find."""

from __future__ import annotations

import contextvars
import decimal
from collections.abc import Callable

import pytest
from django.core.cache import caches
from django.urls import get_urlconf, set_urlconf
from django.utils import timezone, translation

from jobs.api import Context, Event, TriggerEvent, send
from jobs.testing import drain, ran
from tests.support.functions import registered, the_run

pytestmark = pytest.mark.django_db

TENANT = contextvars.ContextVar("tenant", default="nobody")


def round_roughly() -> None:
    decimal.getcontext().prec = 3


SETS: dict[str, Callable[[], object]] = {
    "a language": lambda: translation.activate("de"),
    "a time zone": lambda: timezone.activate("Asia/Tokyo"),
    "another set of addresses": lambda: set_urlconf("nowhere"),
    "a context variable": lambda: TENANT.set("a tenant"),
    "the precision of decimals": round_roughly,
}


def look() -> list[object]:
    return [
        translation.get_language(),
        timezone.get_current_timezone_name(),
        get_urlconf(),
        TENANT.get(),
        decimal.getcontext().prec,
    ]


@pytest.mark.parametrize("where", ["in a step", "outside", "and fails", "and waits"])
@pytest.mark.parametrize("sets", SETS.values(), ids=SETS)
def test_what_code_sets_for_its_context_is_not_the_next_runs(sets, where):
    def setting(ctx: Context) -> None:
        if where == "in a step":
            ctx.step.run("sets", lambda: sets() and None)
            return
        sets()
        assert where != "and fails"
        if where == "and waits":
            ctx.step.sleep("nap", 60)

    before = look()
    trigger = TriggerEvent(event="test/set")
    with (
        registered(setting, fn_id="setting", trigger=trigger, retries=0),
        registered(lambda ctx: look(), fn_id="looking"),
    ):
        send([Event(name="test/set"), Event(name="test/go")])
        drain(limit=20)
        assert the_run("looking").output == before == look()


def test_a_function_finds_what_it_has_set_itself_until_it_waits():
    def handler(ctx: Context) -> list[object]:
        found = [look()]
        for sets in SETS.values():
            sets()
        found.append(look())
        return found

    before, after = ran(handler).output
    assert before == look()
    assert after == ["de", "Asia/Tokyo", "nowhere", "a tenant", 3]


def test_a_cache_and_its_connections_are_the_next_runs_too(settings):
    backend = "django.core.cache.backends.locmem.LocMemCache"
    settings.CACHES = {"default": {"BACKEND": backend}, "unusable": {"BACKEND": "not.installed"}}
    used: list[object] = []
    with registered(lambda ctx: used.append(caches["default"])):
        send([Event(name="test/go"), Event(name="test/go")])
        drain()
    one, other = used
    assert one is other
    assert the_run().status == "completed"
