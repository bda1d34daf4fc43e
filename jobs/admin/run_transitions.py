"""A button's acts on one run."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from jobs import api
from jobs.admin.form_acts import FormAct, act_on
from jobs.control.form_submissions import Outcome
from jobs.errors import JobsError
from jobs.models import Run
from jobs.runs import invocation_tree


def retry(run_id: str) -> str:
    return api.rerun(run_id)


def restart(run_id: str) -> str:
    return api.rerun(run_id, from_start=True)


RESTART = FormAct(act=restart, done="Rerun from the start.", action="jobs.rerun")


def cancel(run_id: str) -> str:
    if not api.cancel(run_id):
        raise JobsError("The run had already ended.")
    return run_id


ALONG = "Cancelled, with the runs that it had invoked."


def cancel_tree(model_admin: Any, request: HttpRequest, run: Run) -> Outcome:
    """Cancel a run with its history line, then those below, a transaction each."""
    below = invocation_tree.unfinished_below(run.pk, 1)

    def end(run_id: str) -> str:
        if not api.cancel(run_id) and not below:
            raise JobsError("The run had already ended.")
        return run_id

    form_act = FormAct(act=end, done=ALONG, action="jobs.cancel", asked="invoked", is_guarded=True)
    outcome = act_on(model_admin, request, run, form_act)
    if not outcome.is_repeat:
        with api.asked_by(request.user):
            api.cancel(run.pk, invoked=True)
    return outcome
