"""An account's rights on one object of the engine: `user.has_perm(RERUN_RUN, run)`.

Every act of the panel and batch of a bulk action checks them. Django's backend answers for models
only; this one also asks for what the object needs besides. Superusers may do everything.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.db.models import Model

from jobs.control.bulk import FUNCTION as BULK
from jobs.control.permission_names import (
    CANCEL_RUN,
    DEAL_WITH_RUN,
    EDIT_RUN,
    PAUSE_FUNCTION,
    RERUN_RUN,
    SEND_EVENT,
    VIEW_EVENT,
    VIEW_FUNCTION,
    VIEW_PAYLOAD,
    VIEW_RUN,
)
from jobs.events.fan_out import CANCELLER
from jobs.models import Event, RegisteredFunction, Run

HARMLESS = ("retry", "rerun")  # these cancel nothing


class EngineBackend(BaseBackend):
    """For AUTHENTICATION_BACKENDS, after Django's ModelBackend."""

    def has_perm(self, user_obj: Any, perm: str, obj: Model | None = None) -> bool:
        if obj is None or obj._meta.app_label != "jobs":
            return False
        return all(user_obj.has_perm(asked) for asked in (perm, *besides(perm, obj)))


def besides(perm: str, obj: Model) -> list[str]:
    if isinstance(obj, Run) and perm in (RERUN_RUN, EDIT_RUN):
        seen = [VIEW_RUN, VIEW_PAYLOAD] if perm == EDIT_RUN else [VIEW_RUN]
        return [*seen, CANCEL_RUN] if cancels(obj) else seen
    if isinstance(obj, Run) and perm in (CANCEL_RUN, DEAL_WITH_RUN):
        return [VIEW_RUN]
    if isinstance(obj, RegisteredFunction) and perm == RERUN_RUN:  # replays its skipped runs
        more = [CANCEL_RUN] if obj.fn_id == CANCELLER else []
        return [VIEW_FUNCTION, VIEW_RUN, *more]
    if isinstance(obj, RegisteredFunction) and perm == PAUSE_FUNCTION:
        return [VIEW_FUNCTION]
    if isinstance(obj, RegisteredFunction) and perm == SEND_EVENT:  # starts a run of it
        return [VIEW_FUNCTION, VIEW_RUN]
    if isinstance(obj, Event) and perm == SEND_EVENT:  # sends it again
        return [VIEW_EVENT]
    return []


def cancels(run: Run) -> bool:
    if run.fn_id == BULK:
        return run.event.data.get("action") not in HARMLESS
    return run.fn_id == CANCELLER
