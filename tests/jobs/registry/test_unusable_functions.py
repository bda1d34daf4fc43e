"""One bad registration stops no other function: it is set aside alone, visibly."""

from __future__ import annotations

import sys
from datetime import timedelta

import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.urls import reverse
from django.utils.html import strip_tags

from jobs.api import Event, TriggerEvent, create_function, send
from jobs.maintenance import cron
from jobs.models import CronSchedule, Reason, RegisteredFunction, Run
from jobs.registry import catalog, discovery, unusable
from jobs.registry import rows as registry_rows
from jobs.testing import drain, travel
from tests.jobs.admin.panel import page_of
from tests.support.functions import registered, the_run

pytestmark = pytest.mark.django_db

MODULE = """
from jobs.api import Concurrency, TriggerEvent, create_function

@create_function(fn_id="before", trigger=TriggerEvent(event="test/go"))
def before(ctx):
    return "fine"

@create_function(fn_id="bad", trigger=TriggerEvent(event="test/go"), {options})
def bad(ctx):
    return "never"

@create_function(fn_id="after", trigger=TriggerEvent(event="test/go"))
def after(ctx):
    return "fine"
"""
BAD = {
    "a long name": 'name="x" * 201',
    "retries beyond all": "retries=1000",
    "a hook of the wrong shape": "on_failure=lambda: None",
    "an option that is misspelt": "retry=3",
}


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(discovery, "broken", {})
    for name in ("_refused", "_unwritten"):
        monkeypatch.setattr(unusable, name, {})
    monkeypatch.setattr(unusable, "refused", [])
    yield
    for fn_id in ("before", "bad", "after"):
        catalog.unregister(fn_id)


@pytest.fixture
def start(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """Imports an app's functions.py as Django does when it starts."""
    monkeypatch.syspath_prepend(tmp_path)

    def importing(source: str) -> None:
        (tmp_path / "unfit_functions.py").write_text(source)
        sys.modules.pop("unfit_functions", None)
        with monkeypatch.context() as patch:
            patch.setattr(apps, "ready", False)
            discovery._import("unfit_functions")

    return importing


@pytest.mark.parametrize("options", BAD.values(), ids=BAD)
def test_the_other_functions_of_its_module_run_and_its_own_runs_wait_with_the_sentence(
    start, options, admin_client
):
    start(MODULE.replace("{options}", options))
    registry_rows.sync()
    send(Event(name="test/go"))
    drain()

    assert [the_run(fn_id).output for fn_id in ("before", "after")] == ["fine", "fine"]
    run = the_run("bad")
    assert (run.status, run.reason) == ("queued", Reason.FUNCTION)
    assert "Function “bad" in run.error["message"]
    assert admin_client.get(page_of(run)).status_code == 200
    page = admin_client.get(reverse("admin:jobs_registeredfunction_change", args=["bad"]))
    assert "Function “bad" in strip_tags(page.content.decode())


def test_its_runs_go_on_when_a_deployment_has_mended_it(start):
    start(MODULE.replace("{options}", "retries=1000"))
    send(Event(name="test/go"))
    drain()
    catalog.unregister("bad")

    with registered(lambda ctx: "mended", fn_id="bad"):
        registry_rows.sync()
        travel(timedelta(seconds=31))
        drain()

    assert the_run("bad").output == "mended"
    assert "unfit" not in RegisteredFunction.objects.get(fn_id="bad").config


def test_of_two_functions_with_one_id_the_first_stays_and_both_places_are_told(start):
    start(MODULE.replace('fn_id="bad"', 'fn_id="before"').replace("{options}", ""))
    send(Event(name="test/go"))
    drain()

    assert Run.objects.filter(status="completed").count() == 2
    (warning,) = discovery.functions(None)
    assert "start no run of it" in warning.hint
    assert "unfit_functions.before, unfit_functions.py:4" in warning.msg
    assert "unfit_functions.bad, unfit_functions.py:8" in warning.msg


@pytest.mark.parametrize("fn_id", ["''", "7", "'a\\0b'", "None"])
def test_one_that_cannot_even_have_runs_is_told_of_all_the_same(start, fn_id):
    start(MODULE.replace('fn_id="bad"', f"fn_id={fn_id}").replace("{options}", ""))
    registry_rows.sync()
    send(Event(name="test/go"))
    drain()

    assert Run.objects.filter(status="completed").count() == 2
    (warning,) = discovery.functions(None)
    assert "its id must be 1 to 200 characters" in warning.msg
    assert "its id must be" in discovery.why_unknown("elsewhere")


def test_a_trigger_that_cannot_be_read_starts_no_runs_and_the_hint_says_so(start):
    wrong = 'trigger=TriggerEvent(event="test/go", if_exp="evnt.data.n > 1")'
    start(MODULE.replace('trigger=TriggerEvent(event="test/go"), {options}', wrong))
    send(Event(name="test/go"))
    drain()

    assert not Run.objects.filter(fn_id="bad").exists()
    (warning,) = discovery.functions(None)
    assert warning.hint == "Until this is mended, its events and ticks start no run of it."


def test_a_command_goes_on_with_a_warning_and_a_deployments_check_fails(start):
    assert discovery.deployment(None) == []
    start(MODULE.replace("{options}", "retries=1000"))

    (warning,) = [message for message in run_checks() if message.id == "jobs.W002"]
    assert "retries=1000" in warning.msg
    assert warning.hint.startswith("Its runs are made, and wait until this is mended")
    call_command("check", "--tag", "compatibility")
    (error,) = discovery.deployment(None)
    assert (error.id, error.is_serious()) == ("jobs.E004", True)
    with pytest.raises(CommandError, match=r"jobs.E004.*1 function or module of functions"):
        call_command("check", "--deploy", stdout=None, stderr=None)


def test_a_module_that_cannot_be_imported_fails_a_deployments_check_too(start):
    start("import nothing_of_this_name")
    (error,) = discovery.deployment(None)
    assert error.id == "jobs.E004"


def test_a_cron_trigger_of_its_own_waits_and_gives_one_late_tick(start):
    line = 'trigger=TriggerCron(cron="* * * * *"), retries=1000'
    source = MODULE.replace('trigger=TriggerEvent(event="test/go"), {options}', line)
    start(source.replace("Concurrency,", "TriggerCron,"))
    cron.sync()
    CronSchedule.objects.update_or_create(
        fn_id="bad", cron="* * * * *", defaults={"next_at": "2020-01-01T00:00Z"}
    )
    drain()
    assert not Run.objects.filter(fn_id="bad").exists()


# --- a row that the database does not take --------------------------------------------------------


@pytest.fixture
def refusing_bad():
    """The database refuses the row of the function “bad”."""
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE jobs_registeredfunction ADD CONSTRAINT no_bad CHECK (name <> 'Bad')"
        )


@pytest.mark.usefixtures("refusing_bad")
def test_a_function_that_cannot_be_written_is_set_aside_alone():
    trigger = TriggerEvent(event="test/go")
    create_function(fn_id="before", trigger=trigger)(lambda ctx: "fine")
    create_function(fn_id="bad", name="Bad", trigger=trigger)(lambda ctx: "never")
    registry_rows.sync()
    send(Event(name="test/go"))
    drain()

    assert the_run("before").output == "fine"
    run = the_run("bad")
    assert (run.status, run.reason) == ("queued", Reason.FUNCTION)
    assert "“bad”" in run.error["message"]
    assert "no_bad" in run.error["message"]
    assert "no_bad" in RegisteredFunction.objects.get(fn_id="bad").config["unfit"]


@pytest.mark.usefixtures("refusing_bad")
def test_the_next_sync_asks_again():
    create_function(fn_id="bad", name="Bad")(lambda ctx: "fine")
    registry_rows.sync()
    assert "bad" not in catalog.ids()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE jobs_registeredfunction DROP CONSTRAINT no_bad")

    registry_rows.sync()

    assert "bad" in catalog.ids()
    assert RegisteredFunction.objects.get(fn_id="bad").name == "Bad"


def test_an_outage_is_no_functions_fault(monkeypatch: pytest.MonkeyPatch):
    def away(rows):
        raise OperationalError("the server closed the connection unexpectedly")

    monkeypatch.setattr(registry_rows, "_write", away)
    with pytest.raises(OperationalError):
        registry_rows.sync()
    assert unusable.sentences() == []


def test_once_django_has_started_the_author_gets_the_error():
    with pytest.raises(Exception, match="retries=1000"):
        create_function(fn_id="bad", retries=1000)(lambda ctx: None)
    assert unusable.sentences() == []
