"""The permission that a refused request would have needed, in words."""

from __future__ import annotations

from django.apps import apps
from django.contrib.auth.models import Permission
from django.http import HttpRequest

VIEWED = ("change", "changelist", "history")  # pages that a view permission opens
OWN = {  # pages of the panel with permissions of their own
    "jobs_run_failures": "jobs.view_run",
    "jobs_run_result": "jobs.view_run",
    "jobs_run_deal": "jobs.deal_with_run",
    "jobs_run_deal_kind": "jobs.deal_with_run",
    "jobs_run_rerun": "jobs.rerun_run",
    "jobs_run_edit": "jobs.edit_run",
    "jobs_run_cancel": "jobs.cancel_run",
    "jobs_registeredfunction_state": "jobs.pause_registeredfunction",
    "jobs_registeredfunction_replay": "jobs.rerun_run",
    "hand_over": "jobs.view_run",
    "hand_over_text": "jobs.view_run",
    "hand_over_note": "jobs.add_handovernote",
    "jobs_registeredfunction_invoke": "jobs.send_event",
    "jobs_event_send": "jobs.send_event",
    "jobs_event_again": "jobs.send_event",
}


def sentence(request: HttpRequest) -> str:
    wanted = permission_for(request)
    if not wanted or request.user.has_perm(wanted):
        return "Your account may not do this to this object. A superuser can."
    return f"You need the permission “{name_of(wanted)}”. Ask a superuser for it."


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
            is_seen = act in VIEWED and request.method == "GET"
            act = "view" if is_seen else "change" if act in VIEWED else act
            return f"{opts.app_label}.{act}_{opts.model_name}" if act.isalpha() else ""
    return ""


def name_of(permission: str) -> str:
    """“Can view run”, as in an account's form."""
    app_label, _, codename = permission.partition(".")
    known = Permission.objects.filter(content_type__app_label=app_label, codename=codename)
    name = known.values_list("name", flat=True).first()
    return str(name or permission)
