"""Law 11: secrets never reach a row, by whatever way they come."""

from __future__ import annotations

import contextlib
import json
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection

from jobs.api import Context, Event, InvalidEvent, NonRetriableError, Secret, cancel, rerun, send
from jobs.lib.json_values import to_json
from jobs.lib.secrets import mask
from jobs.testing import drain, travel
from tests.support.functions import go, ran, registered, the_run

CANARY = 'canary-"ö"/needle'


@pytest.fixture(autouse=True)
def canary(settings):
    settings.MODAL_KEY = CANARY


def everything_in_the_database() -> str:
    with connection.cursor() as cursor:
        rows = []
        for model in apps.get_app_config("jobs").get_models():
            cursor.execute(f'SELECT t::text FROM "{model._meta.db_table}" t')
            rows += [row[0] for row in cursor.fetchall()]
    return "\n".join(rows)


def assert_no_canary() -> None:
    """Neither whole, nor as JSON or a row's text escapes it, nor what is left of a cut one."""
    dump = everything_in_the_database()
    assert dump
    assert "canary" not in dump
    assert "needle" not in dump


def leaks(ctx: Context) -> dict[str, str]:
    print("printed", CANARY)
    ctx.logger.warning("logged %s", CANARY)
    ctx.step.run("returns", lambda: {"key": CANARY, CANARY: [CANARY]})
    ctx.step.run("prints", print, CANARY)
    ctx.step.send_event("sends", Event(name="other", data={CANARY: CANARY}))
    ctx.step.run("raises", raises)
    return {"key": CANARY}


def raises() -> None:
    try:
        raise KeyError(CANARY)
    except KeyError as error:
        raise ValueError(f"bad key {CANARY}") from error


@pytest.mark.django_db
def test_a_secret_that_a_function_returns_prints_logs_sends_or_raises_is_masked():
    with registered(leaks, retries=1, on_failure=leaks, on_retry=leaks):
        run = go({"key": CANARY, CANARY: 1})
        drain()
        travel(timedelta(seconds=2))
        drain()
        rerun(run.id)
        drain()
        travel(timedelta(seconds=2))
        drain()
        rerun(run.id, data={"again": CANARY})
        drain()
    assert_no_canary()
    assert "[MODAL_KEY]" in everything_in_the_database()


@pytest.mark.django_db
def test_a_secret_as_a_functions_output_is_masked():
    assert ran(lambda ctx: {"key": CANARY}).output == {"key": "[MODAL_KEY]"}


@pytest.mark.django_db
def test_a_step_gives_out_what_it_remembers_masked_from_the_first_time_on():
    seen = []

    def handler(ctx: Context) -> None:
        seen.append(ctx.step.run("one", lambda: CANARY))
        ctx.step.sleep("nap", 1)

    with registered(handler):
        go()
        drain()
        travel(timedelta(seconds=1))
        drain()
    assert seen == ["[MODAL_KEY]"] * 2


@pytest.mark.django_db
@pytest.mark.parametrize("shift", [0, 10])
def test_no_part_of_a_secret_is_left_where_a_text_is_cut(shift):
    text = "x" * shift + CANARY * 4_000

    def long() -> None:
        print(text)
        raise NonRetriableError(text)

    ran(lambda ctx: ctx.step.run("one", long))
    assert_no_canary()


@pytest.mark.django_db
def test_a_secret_in_an_event_name_or_id_is_refused_or_masked():
    for event in (Event(name=CANARY), Event(name="e", id=CANARY)):
        with contextlib.suppress(InvalidEvent):
            send(event)
    if everything_in_the_database():
        assert_no_canary()


@pytest.mark.django_db
def test_a_secret_in_a_step_id_is_masked_or_refused():
    ran(lambda ctx: ctx.step.run(f"call {CANARY}", str))
    assert_no_canary()


@pytest.mark.django_db
def test_a_header_that_is_a_secret_is_kept_by_reference(settings):
    settings.JOBS = {**settings.JOBS, "ALLOWED_HOSTS": ["127.0.0.1:9"]}

    def handler(ctx: Context) -> None:
        headers = {"Modal-Key": Secret("MODAL_KEY"), "Plain-Key": CANARY}
        ctx.step.fetch("one", "http://127.0.0.1:9/", headers=headers)

    with registered(handler):
        run = go()
        drain()
        cancel(run.id)
    assert the_run().fetches.get().headers["Modal-Key"] == {"$secret": "MODAL_KEY"}
    assert_no_canary()


def test_a_secret_that_is_the_beginning_of_another_hides_neither(settings):
    settings.MODAL_KEY, settings.MODAL_SECRET = "abcdefgh", "abcdefgh-and-more"

    assert mask("abcdefgh-and-more abcdefgh") == "[MODAL_SECRET] [MODAL_KEY]"


def test_a_secret_of_digits_does_not_break_the_numbers_that_hold_it(settings):
    settings.MODAL_KEY = "12345678"

    kept = to_json({"count": 91234567890, "text": "12345678"}, "it")
    assert kept["text"] == "[MODAL_KEY]"
    assert "12345678" not in json.dumps(kept)


def test_a_secret_is_masked_as_repr_writes_it_too(settings):
    secret = "quote'and\"quote"
    settings.MODAL_KEY = secret

    assert mask(str(KeyError(secret))) == "'[MODAL_KEY]'"


def test_a_short_or_empty_setting_masks_nothing(settings):
    settings.MODAL_KEY, settings.MODAL_SECRET = "", "abc"

    assert mask("abc and more") == "abc and more"
