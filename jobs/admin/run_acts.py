"""Acts on one run: retry, rerun and cancel."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from django.http import HttpRequest

from jobs import api
from jobs.admin.form_acts import FormAct, act_on
from jobs.control.form_submissions import Outcome
from jobs.errors import JobsError
from jobs.models import Run
from jobs.runs import invocation_tree


def _retry(run_id: str) -> str:
    return api.rerun(run_id)


def _restart(run_id: str) -> str:
    return api.rerun(run_id, from_start=True)


def _cancel(run_id: str) -> str:
    if not api.cancel(run_id):
        raise JobsError("The run had already ended.")
    return run_id


RETRY = FormAct(
    act=_retry, done="Retried from the failed step.", action="jobs.retry", is_guarded=True
)
RESTART = FormAct(act=_restart, done="Rerun from the start.", action="jobs.rerun")
CANCEL = FormAct(act=_cancel, done="Cancelled.", action="jobs.cancel", is_guarded=True)


def rerun_from(step: str) -> FormAct:
    again = partial(api.rerun, from_step=step)
    return FormAct(act=again, done=f"Rerun from step “{step}”.", action="jobs.rerun", asked=step)


CANCELLED_TREE = "Cancelled, with the runs that it had invoked."


def cancel_tree(model_admin: Any, request: HttpRequest, run: Run) -> Outcome:
    """Cancel a run with its history line, then those below, a transaction each."""
    below = invocation_tree.unfinished_below(run.pk, 1)

    def end(run_id: str) -> str:
        if not api.cancel(run_id) and not below:
            raise JobsError("The run had already ended.")
        return run_id

    form_act = replace(CANCEL, act=end, done=CANCELLED_TREE, asked="invoked")
    outcome = act_on(model_admin, request, run, form_act)
    if not outcome.is_repeat:
        with api.asked_by(request.user):
            api.cancel(run.pk, invoked=True)
    return outcome
