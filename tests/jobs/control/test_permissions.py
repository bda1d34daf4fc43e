"""`user.has_perm(permission, run)`: what cancels asks for `cancel_run`, by whatever way it comes,
and asks again when it is done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Permission
from django.test import Client
from django.urls import reverse

from jobs import api
from jobs.api import Cancel, Context, Event, NotAllowed, TriggerEvent, asked_by, send
from jobs.control import bulk_batch
from jobs.lib import settings_check
from jobs.models import RegisteredFunction, Run, RunStatus
from jobs.testing import drain
from tests.jobs.admin.panel import page_of, said
from tests.support import rows
from tests.support.functions import go, registered, the_run

pytestmark = pytest.mark.django_db
LIST = reverse("admin:jobs_run_changelist")
STOP = "test/stop"


def account(name: str, *codenames: str) -> Any:
    user = get_user_model().objects.create(username=name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_run", *codenames]))
    return user


def take_away(user: Any, codename: str) -> None:
    user.user_permissions.remove(Permission.objects.get(codename=codename))


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def naps(ctx: Context) -> None:
    ctx.step.sleep("nap", 3600)


@pytest.fixture
def victim() -> Iterator[Run]:
    """Another person's run, which sleeps; “test/stop” cancels it."""
    with registered(naps, cancel_on=[Cancel(event=STOP)]):
        run = go()
        drain()
        yield run


@pytest.fixture
def rita() -> Any:
    return account("rita", "rerun_run", "edit_run", "view_payload")


@pytest.fixture
def carl() -> Any:
    return account("carl", "rerun_run", "edit_run", "cancel_run", "view_payload")


def lives(run: Run) -> bool:
    run.refresh_from_db()
    return run.status == RunStatus.WAITING


def over(run: Run, status: str) -> Run:
    """The run, ended in this way before it did anything."""
    Run.objects.filter(pk=run.pk).update(status=status, due_at=None, ended_at=rows.now())
    run.refresh_from_db()
    return run


def bulk_cancel(status: str) -> Run:
    return over(Run.objects.get(pk=api.bulk("cancel", fn_id="test-function")), status)


def canceller(status: str) -> Run:
    send(Event(name=STOP))
    return over(the_run("jobs-cancel-on"), status)


# --- the backend ---


def test_a_permission_for_an_object_is_the_permission_and_what_the_act_asks_for_besides(
    rita: Any, carl: Any, victim: Run
) -> None:
    cancels, retries = (
        bulk_cancel("cancelled"),
        Run.objects.get(pk=api.bulk("retry", everything=True)),
    )
    for permission in ("jobs.rerun_run", "jobs.edit_run"):
        assert [rita.has_perm(permission, r) for r in (victim, retries)] == [True, True]
        assert [rita.has_perm(permission, r) for r in (cancels, canceller("failed"))] == [False] * 2
        assert carl.has_perm(permission, cancels)
    assert not rita.has_perm("jobs.cancel_run", victim)
    assert carl.has_perm("jobs.cancel_run", victim)


def test_an_account_that_may_not_see_a_run_may_do_nothing_to_it(carl: Any, victim: Run) -> None:
    take_away(carl, "view_run")
    for act in ("rerun_run", "edit_run", "cancel_run"):
        assert not get_user_model().objects.get(pk=carl.pk).has_perm(f"jobs.{act}", victim)


def test_strangers_and_closed_accounts_may_do_nothing_and_superusers_everything(
    carl: Any, victim: Run
) -> None:
    root = get_user_model().objects.create(username="root", is_superuser=True)
    assert root.has_perm("jobs.cancel_run", victim)
    for user in (carl, root):
        user.is_active = False
        assert not user.has_perm("jobs.cancel_run", victim)
    assert not AnonymousUser().has_perm("jobs.cancel_run", victim)


def test_a_bulk_action_of_an_unknown_kind_counts_as_one_that_cancels(
    rita: Any, victim: Run
) -> None:
    run = bulk_cancel("failed")
    run.event.data = {"action": "explode"}
    assert not rita.has_perm("jobs.rerun_run", run)


def test_a_project_without_the_backend_is_warned(settings) -> None:
    assert settings_check.check(None) == []
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    assert [warning.id for warning in settings_check.check(None)] == ["jobs.W003"]


# --- the ways by which a rerun cancels ---


def press(client: Client, run: Run, **data: str) -> Any:
    return client.post(reverse("admin:jobs_run_rerun", args=[run.pk]), data)


@pytest.mark.parametrize("made", [bulk_cancel, canceller])
@pytest.mark.parametrize("start", ["failed-step", "start", "step"])
def test_to_rerun_what_cancels_is_to_cancel(
    rita: Any, carl: Any, victim: Run, made: Any, start: str
) -> None:
    run = made("cancelled")
    form = {"from": start, "step": "batch"}

    assert press(signed_in(rita), run, **form).status_code == 403
    page = signed_in(rita).get(page_of(run)).content.decode()
    drain()
    assert lives(victim)
    assert "Retry from the failed step" not in page
    assert "Rerun from the start" not in page

    assert press(signed_in(carl), run, **form).status_code == 302


@pytest.mark.parametrize("made", [bulk_cancel, canceller])
def test_what_cancels_is_left_out_of_a_selection(rita: Any, victim: Run, made: Any) -> None:
    run, plain = made("failed"), rows.failed_run()
    form = {"action": "retry_selected", "_selected_action": [str(run.pk), str(plain.pk)]}
    client = signed_in(rita)

    page = client.post(LIST, form).content.decode()
    assert "1 of the selected runs cancels others" in page
    assert "Retry 1 run<" in page
    response = client.post(LIST, form | {"post": "yes"})

    assert "1 run done" in said(response)
    assert "may not do that to run" in said(response)
    run.refresh_from_db()
    plain.refresh_from_db()
    assert (run.status, plain.status) == ("failed", "queued")
    drain()
    assert lives(victim)


def test_a_selection_of_nothing_but_what_cancels_is_refused_in_words(
    rita: Any, victim: Run
) -> None:
    run = bulk_cancel("failed")
    form = {"action": "retry_selected", "_selected_action": [str(run.pk)]}
    assert "Your account may retry none of the selected runs" in said(
        signed_in(rita).post(LIST, form)
    )


def test_the_engine_retries_for_an_account_what_it_may_retry(rita: Any, victim: Run) -> None:
    run, plain = bulk_cancel("failed"), rows.failed_run()
    with asked_by(rita):
        own = api.bulk("retry", status="failed")
    drain()
    run.refresh_from_db()
    plain.refresh_from_db()
    output = Run.objects.get(pk=own).output
    assert (run.status, plain.status != "failed") == ("failed", True)
    assert (output["done"], output["refused"]) == (1, 1)
    assert f"The account “rita” may not do that to run {run.pk} of “jobs-bulk”" in output["reason"]
    assert lives(victim)


def test_to_edit_the_event_of_what_cancels_is_to_cancel(rita: Any, carl: Any, victim: Run) -> None:
    run = canceller("completed")
    address = reverse("admin:jobs_run_edit", args=[run.pk])
    client = signed_in(rita)
    assert client.get(address).status_code == 403
    assert client.post(address, {"event_data": '{"all": true}'}).status_code == 403
    assert address not in client.get(page_of(run)).content.decode()
    drain()
    assert lives(victim)

    signed_in(carl).post(address, {"event_data": '{"all": true}'})
    drain()
    assert not lives(victim)


@pytest.mark.parametrize("made", [bulk_cancel, canceller])
def test_to_replay_what_cancels_is_to_cancel(victim: Run, made: Any) -> None:
    run = made("skipped")
    RegisteredFunction.objects.get_or_create(fn_id=run.fn_id, defaults={"name": run.fn_id})
    address = reverse("admin:jobs_registeredfunction_replay", args=[run.fn_id])
    player = account("player", "rerun_run", "view_registeredfunction")

    signed_in(player).post(address)
    drain()

    assert lives(victim)
    both = account("both", "rerun_run", "view_registeredfunction", "cancel_run")
    signed_in(both).post(address)
    drain()
    assert not lives(victim)


def test_a_function_that_cancels_does_so_with_the_right_of_the_account_that_reruns_it(
    rita: Any, carl: Any, victim: Run
) -> None:
    def stops(ctx: Context) -> None:
        ctx.step.run("stop", api.cancel, ctx.event.data["run"])

    with registered(stops, fn_id="stops", trigger=TriggerEvent(event="test/own"), retries=0):
        send(Event(name="test/own", data={"run": "none"}))
        drain()
        edit = {"event_data": f'{{"run": "{victim.pk}"}}'}
        address = reverse("admin:jobs_run_edit", args=[the_run("stops").pk])
        signed_in(rita).post(address, edit)
        drain()
        error = the_run("stops").error
        assert "“rita” lacks the permission “jobs.cancel_run”" in error["message"]
        assert lives(victim)
        signed_in(carl).post(address, edit)
        drain()
    assert not lives(victim)


@pytest.mark.parametrize("how", ["bulk", "invoke", "event"])
def test_so_does_one_that_leaves_the_cancelling_to_the_engine(
    rita: Any, victim: Run, how: str
) -> None:
    def stops(ctx: Context) -> None:
        wanted = {"fn_id": "test-function", "status": ""}
        asked = {"action": "cancel", "filter": wanted, "why": ""}
        if not ctx.event.data:
            raise ValueError("not the first time")
        if how == "bulk":
            ctx.step.run("stop", api.bulk, "cancel", fn_id="test-function")
        elif how == "invoke":
            ctx.step.invoke("stop", function="jobs-bulk", data=asked)
        else:
            ctx.step.send_event("stop", Event(name=STOP))

    with registered(stops, fn_id="stops", trigger=TriggerEvent(event="test/own"), retries=0):
        send(Event(name="test/own"))
        drain()
        address = reverse("admin:jobs_run_edit", args=[the_run("stops").pk])
        signed_in(rita).post(address, {"event_data": '{"now": 1}'})
        drain()
        assert lives(victim)
        send(Event(name="test/own", data={"now": 1}))  # the function's own way
        drain()
    assert not lives(victim)


@pytest.mark.parametrize("rule", ["a hook", "a cancel_on"])
def test_so_do_its_failure_hook_and_the_rules_that_its_failure_meets(
    rita: Any, carl: Any, rule: str
) -> None:
    def fails(ctx: Context) -> None:
        raise ValueError("always")

    def stops(ctx: Context) -> None:
        ctx.step.run("stop", api.cancel, ctx.event.data["event"]["data"]["run"])

    rules = [Cancel(event="jobs/function.failed")] if rule == "a cancel_on" else []
    hook = stops if rule == "a hook" else None
    own = TriggerEvent(event="test/own")
    with (
        registered(naps, cancel_on=rules),
        registered(fails, fn_id="fails", trigger=own, retries=0, on_failure=hook),
    ):
        send(Event(name="test/own", data={"run": "none"}))
        drain()
        victim = go()
        drain()
        address = reverse("admin:jobs_run_edit", args=[the_run("fails").pk])
        edit = {"event_data": f'{{"run": "{victim.pk}"}}'}
        signed_in(rita).post(address, edit)
        drain()
        assert lives(victim)
        signed_in(carl).post(address, edit)
        drain()
        assert not lives(victim)


def test_a_retry_that_a_cancel_on_rule_waits_for_cancels_nothing(rita: Any, victim: Run) -> None:
    other = registered(
        naps,
        fn_id="other",
        trigger=TriggerEvent(event="test/other"),
        cancel_on=[Cancel(event="jobs/function.retried")],
    )
    with other:
        send(Event(name="test/other"))
        drain()
        press(signed_in(rita), over(victim, "failed"), **{"from": "failed-step"})
        drain()
        assert lives(the_run("other"))


# --- asked again when it is done ---


def two_naps(monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    monkeypatch.setattr(bulk_batch, "BATCH", 1)
    send([Event(name="test/go") for _ in range(2)])
    drain()
    return list(Run.objects.filter(fn_id="test-function").order_by("id"))


@pytest.mark.parametrize(
    ("lose", "reason"),
    [
        (lambda user: take_away(user, "cancel_run"), "lacks the permission “jobs.cancel_run”"),
        (lambda user: type(user).objects.update(is_active=False), "“carl”, which asked for this, "),
        (lambda user: user.delete(), ", which asked for this, is gone."),
    ],
    ids=["permission taken away", "closed", "gone"],
)
def test_what_an_account_may_no_longer_do_is_refused_and_counted_from_the_next_batch_on(
    carl: Any, victim: Run, monkeypatch: pytest.MonkeyPatch, lose: Any, reason: str
) -> None:
    runs = two_naps(monkeypatch)
    real = bulk_batch._cancel_together

    def act_and_lose(*args: Any) -> set[Any]:
        done = real(*args)
        lose(carl)
        return done

    monkeypatch.setattr(bulk_batch, "_cancel_together", act_and_lose)
    with asked_by(carl):
        own = api.bulk("cancel", fn_id="test-function")
    drain()

    output = Run.objects.get(pk=own).output
    assert (output["done"], output["refused"]) == (1, 2)
    assert reason in output["reason"]
    assert [lives(run) for run in runs] == [True, True, False]  # the latest is done first
    assert reason in the_page_of(own)


def the_page_of(run_id: str) -> str:
    root = get_user_model().objects.create(username="root", is_superuser=True, is_staff=True)
    return signed_in(root).get(page_of(Run.objects.get(pk=run_id))).content.decode()


def test_so_is_what_another_run_does_for_the_first(
    carl: Any, victim: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_batch, "MAX_BATCHES", 1)
    runs = two_naps(monkeypatch)
    with asked_by(carl):
        own = api.bulk("cancel", fn_id="test-function")
    real = bulk_batch._cancel_together

    def act_and_lose(*args: Any) -> set[Any]:
        take_away(carl, "cancel_run")
        return real(*args)

    monkeypatch.setattr(bulk_batch, "_cancel_together", act_and_lose)
    drain()
    output = Run.objects.get(pk=own).output
    assert (output["done"], output["refused"]) == (1, 2)
    assert "lacks the permission" in output["reason"]
    assert [lives(run) for run in runs] == [True, True, False]  # the latest is done first


def test_a_bulk_action_that_is_rerun_is_the_act_of_the_account_that_reruns_it(
    rita: Any, carl: Any, victim: Run
) -> None:
    cancels = bulk_cancel("failed")
    with asked_by(carl):
        retries = over(Run.objects.get(pk=api.bulk("retry", fn_id="jobs-bulk")), "failed")
    assert retries.asked_by == str(carl.pk)

    press(signed_in(rita), retries, **{"from": "failed-step"})
    retries.refresh_from_db()
    assert retries.asked_by == str(rita.pk)
    drain()

    cancels.refresh_from_db()
    assert cancels.status == "failed"
    assert lives(victim)


def test_an_act_that_an_account_may_not_do_is_refused_at_the_door(rita: Any, victim: Run) -> None:
    cancels = bulk_cancel("failed")
    with asked_by(rita):
        for act in (lambda: api.bulk("cancel", everything=True), lambda: api.cancel(victim.pk)):
            with pytest.raises(NotAllowed, match="“rita” lacks the permission “jobs"):
                act()
        with pytest.raises(NotAllowed, match="it asks for more than “jobs"):
            api.rerun(cancels.pk)
    assert lives(victim)
    assert not Run.objects.filter(fn_id="jobs-bulk", asked_by=str(rita.pk)).exists()


def test_code_that_asks_for_no_person_may_do_everything(victim: Run) -> None:
    own = api.bulk("cancel", fn_id="test-function")
    drain()
    assert Run.objects.get(pk=own).asked_by == ""
    assert Run.objects.get(pk=own).output == {"done": 1, "refused": 0}
    assert not lives(victim)


def test_a_run_that_a_person_asked_for_says_so_on_its_page(carl: Any, victim: Run) -> None:
    run = bulk_cancel("failed")
    press(signed_in(carl), run, **{"from": "failed-step"})
    assert "Asked for by</dt><dd>carl" in signed_in(carl).get(page_of(run)).content.decode()


@pytest.mark.parametrize("given", ["rita", 7, None])
def test_what_is_no_account_can_ask_for_nothing(given: Any) -> None:
    with pytest.raises(NotAllowed, match=f"takes an account, such as request.user, not {given!r}"):
        asked_by(given)
