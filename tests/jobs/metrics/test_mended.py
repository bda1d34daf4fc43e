"""Mended is not failed: what a rerun or an operator has mended is no open failure."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from jobs.api import InvalidTransition, NotAllowed, asked_by, deal_with, rerun
from jobs.metrics.failures import failures, open_runs_of, runs_of
from jobs.metrics.outcomes import Outcomes, outcomes
from jobs.metrics.rollups import roll_up
from jobs.models import Run
from jobs.testing import drain, travel
from tests.support.ended import ended, minutes
from tests.support.functions import ran, registered, the_run

pytestmark = pytest.mark.django_db
KIND = "sum · ZeroDivisionError division by zero"


def breaks(ctx: Any) -> None:
    ctx.step.run("sum", lambda: 1 / 0)


def works(ctx: Any) -> str:
    return ctx.step.run("sum", lambda: "done")


def failed() -> Run:
    return ran(breaks, retries=0)


def rerun_with(handler: Any, run: Run, **how: Any) -> Run:
    """The run that went on; then the clusters have counted it."""
    with registered(handler, retries=0):
        again = rerun(run.id, **how)
        drain()
    travel(minutes(1))
    roll_up()
    return Run.objects.get(id=again)


def account(*codenames: str) -> Any:
    user = get_user_model().objects.create(username="rita", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


def open_ids() -> list[Any]:
    return [run.id for run in Run.objects.all().open_failures()]


def test_a_failure_is_open_until_a_rerun_of_it_completes():
    run = failed()
    assert open_ids() == [run.id]
    again = rerun_with(works, run, from_start=True)
    run.refresh_from_db()
    assert (run.status, run.mended_by) == ("failed", again.id)
    assert open_ids() == []
    assert failures().runs == 0


def test_a_rerun_that_fails_mends_nothing():
    run = failed()
    again = rerun_with(breaks, run, from_start=True)
    assert set(open_ids()) == {run.id, again.id}


def test_a_rerun_of_a_rerun_mends_both():
    run = failed()
    again = rerun_with(breaks, run, from_start=True)
    rerun_with(works, again, from_start=True)
    assert open_ids() == []


def test_a_retry_that_completes_leaves_no_failure_and_is_counted_with_its_kind():
    run = failed()
    other = failed()
    assert rerun_with(works, run).status == "completed"
    (group,) = failures().groups
    assert (group.kind, group.runs, group.mended, group.under_way) == (KIND, 1, 1, 0)
    assert [r.id for r in open_runs_of(KIND)] == [other.id]
    assert {r.id for r in runs_of(KIND)} == {run.id, other.id}


def test_what_became_of_a_bulk_act_is_counted():
    first, second, third = failed(), failed(), failed()
    rerun_with(works, first)
    rerun_with(works, second, from_start=True)
    rerun_with(breaks, third, from_start=True)
    again = rerun_with(breaks, failed())
    with registered(works):
        rerun(again.id)
    ids = list(Run.objects.filter(rerun_of=None).values_list("id", flat=True))
    assert outcomes(ids) == Outcomes(completed=2, under_way=1, failed=1)
    assert not outcomes(ids).is_over


def test_what_is_dealt_with_is_no_open_failure_and_keeps_the_sentence():
    run = failed()
    done = deal_with("  The listener was told.  ", run_ids=[run.id])
    run.refresh_from_db()
    assert (done.done, run.status, run.dealt_with) == (1, "failed", "The listener was told.")
    assert open_ids() == []
    assert deal_with("Again.", run_ids=[str(run.id)]).done == 0
    run.refresh_from_db()
    assert run.dealt_with == "The listener was told."


def test_all_of_a_kind_are_dealt_with_at_once_and_no_other():
    failed(), failed()
    other = ended(status="failed", failure_kind="another")
    assert deal_with("The server was down.", kind=KIND).done == 2
    assert open_ids() == [other.id]


def test_a_failure_that_is_retried_and_fails_again_is_open_again():
    run = failed()
    deal_with("It will not come again.", run_ids=[run.id])
    rerun_with(breaks, run)
    run.refresh_from_db()
    assert (open_ids(), run.dealt_with, run.mended_at) == ([run.id], "", None)


def test_what_is_no_failure_is_passed_by():
    run = ran(works)
    assert deal_with("So be it.", run_ids=[run.id, "no id", ""]).done == 0
    run.refresh_from_db()
    assert (run.mended_at, run.dealt_with) == (None, "")


def test_one_id_in_place_of_a_list_of_ids_is_refused():
    run = failed()
    for one in (run.id, str(run.id)):
        with pytest.raises(InvalidTransition, match=f"a list of ids of runs, not '{run.id}'"):
            deal_with("So be it.", run_ids=one)  # type: ignore[arg-type]
    assert deal_with("So be it.", run_ids=[run.id]).done == 1


def test_without_runs_and_kind_or_with_both_it_is_refused():
    run = failed()
    for which in ({}, {"run_ids": [run.id], "kind": KIND}):
        with pytest.raises(InvalidTransition, match="Give either run_ids"):
            deal_with("So be it.", **which)
    assert open_ids() == [run.id]
    assert deal_with("So be it.", run_ids=[]).done == 0


@pytest.mark.parametrize("sentence", ["", "   ", "a" * 501, "a\0b", 7])
def test_a_sentence_that_is_none_is_refused_in_a_sentence(sentence: Any):
    failed()
    with pytest.raises(InvalidTransition, match="sentence"):
        deal_with(sentence, kind=KIND)
    assert len(open_ids()) == 1


def test_an_account_without_the_permission_deals_with_nothing():
    run = failed()
    with asked_by(account("view_run", "rerun_run")), pytest.raises(NotAllowed):
        deal_with("Done.", run_ids=[run.id])
    assert open_ids() == [run.id]


def test_each_run_is_asked_for_by_itself():
    run = failed()
    with asked_by(account("deal_with_run")):  # and may not see it
        dealt = deal_with("Done.", run_ids=[run.id])
    assert (dealt.done, dealt.refused) == (0, 1)
    assert "rita" in dealt.reason
    assert open_ids() == [run.id]
    assert not LogEntry.objects.exists()


def test_a_bulk_act_leaves_one_line():
    runs = [failed() for _ in range(3)]
    rita = account("view_run", "deal_with_run")
    with asked_by(rita):
        deal_with("The server was down.", kind=KIND)
    line = LogEntry.objects.get()
    assert line.user == rita
    assert line.change_message == f"Dealt with 3 failed runs: {KIND}: The server was down."
    assert {run.dealt_by for run in Run.objects.filter(id__in=[r.id for r in runs])} == {
        str(rita.pk)
    }


def test_an_act_on_one_run_stands_in_its_history():
    run = failed()
    with asked_by(account("view_run", "deal_with_run")):
        deal_with("The listener was told.", run_ids=[run.id])
    line = LogEntry.objects.get()
    assert (line.object_id, line.change_message) == (
        str(run.id),
        "Dealt with: The listener was told.",
    )
    assert the_run().id == run.id
