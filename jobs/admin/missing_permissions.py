"""The permission that a refused request would have needed, in words.

A project's ModelAdmin may have pages with permissions of their own; then it says so:

    needs = {"refund": ["songs.grant_credits"], …}  # by what its address's name ends with
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.http import HttpRequest

from jobs.control.permission_names import (
    CANCEL_RUN,
    DEAL_WITH_RUN,
    EDIT_RUN,
    PAUSE_FUNCTION,
    RERUN_RUN,
    SEND_EVENT,
    VIEW_RUN,
    WRITE_NOTE,
)

VIEWED = ("change", "changelist", "history")  # pages that a view permission opens
OWN = {  # pages of the panel with permissions of their own
    "jobs_run_failures": VIEW_RUN,
    "jobs_run_result": VIEW_RUN,
    "jobs_run_deal": DEAL_WITH_RUN,
    "jobs_run_deal_kind": DEAL_WITH_RUN,
    "jobs_run_rerun": RERUN_RUN,
    "jobs_run_edit": EDIT_RUN,
    "jobs_run_cancel": CANCEL_RUN,
    "jobs_registeredfunction_state": PAUSE_FUNCTION,
    "jobs_registeredfunction_replay": RERUN_RUN,
    "hand_over": VIEW_RUN,
    "hand_over_text": VIEW_RUN,
    "hand_over_note": WRITE_NOTE,
    "jobs_registeredfunction_invoke": SEND_EVENT,
    "jobs_event_send": SEND_EVENT,
    "jobs_event_again": SEND_EVENT,
}


def sentence(request: HttpRequest) -> str:
    wanted = permission_for(request)
    name = name_of(wanted) if wanted and not request.user.has_perm(wanted) else ""
    if not name:
        return "Your account may not do this to this object. A superuser can."
    return f"You need the permission “{name}”. Ask a superuser for it."


def permission_for(request: HttpRequest) -> str:
    """`app.codename`, by the address's name; empty if that does not tell."""
    match = request.resolver_match
    page = (match.url_name or "") if match else ""
    if page in OWN:
        return OWN[page]
    for model in apps.get_models():
        opts = model._meta
        prefix = f"{opts.app_label}_{opts.model_name}_"
        if page.startswith(prefix):
            act = page.removeprefix(prefix)
            if own := _own(model, act):
                return next((name for name in own if not request.user.has_perm(name)), "")
            is_seen = act in VIEWED and request.method == "GET"
            act = "view" if is_seen else "change" if act in VIEWED else act
            if act == "add" and request.user.has_perm(f"{opts.app_label}.add_{opts.model_name}"):
                act = "change"  # Django's form for accounts needs both
            return f"{opts.app_label}.{act}_{opts.model_name}" if act.isalpha() else ""
    return ""


def _own(model: Any, act: str) -> list[str]:
    if not admin.site.is_registered(model):
        return []
    return list(getattr(admin.site.get_model_admin(model), "needs", {}).get(act, []))


def name_of(permission: str) -> str:
    """“Can view run”, as in an account's form; empty if no account can be given it."""
    app_label, _, codename = permission.partition(".")
    known = Permission.objects.filter(content_type__app_label=app_label, codename=codename)
    name = known.values_list("name", flat=True).first()
    return str(name or "")
