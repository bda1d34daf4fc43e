"""Hand-over: a note for the next shift, failures, pauses and their reasons, unwell clusters, and
the acts of the last hours; also as text."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from jobs.admin.form_acts import SENT_BEFORE, act_once
from jobs.admin.hand_over_text import HandOver, PausedBy, day, in_text
from jobs.admin.logged_acts import acts_since
from jobs.admin.replay_parts import Moment
from jobs.control import hand_over
from jobs.control.permission_names import VIEW_CLUSTER, VIEW_FUNCTION, VIEW_RUN, WRITE_NOTE
from jobs.errors import JobsError
from jobs.metrics.clusters import clusters
from jobs.metrics.failures import failures
from jobs.metrics.paused import Paused, paused
from jobs.models import HandOverNote

TEMPLATE = "admin/jobs/hand_over.html"
HOURS = 8  # of a shift
MAX_GROUPS = 30


class NoteForm(forms.Form):
    """`over` is the newest note when the form was opened."""

    text = forms.CharField(
        label="For the next shift",
        required=False,
        strip=False,
        widget=forms.Textarea({"rows": 4, "maxlength": hand_over.MAX_TEXT}),
    )
    until = Moment()
    over = forms.IntegerField(required=False, widget=forms.HiddenInput)
    is_overtaken = False  # by a newer note, which its next page shows

    def look_at(self, newest: HandOverNote) -> None:
        """Sent once more, the form is written over the note that its page shows."""
        self.data = {name: self.data[name] for name in self.data} | {"over": newest.pk}


def page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    _require(request, VIEW_RUN)
    return _page(request, context, None)


def as_text(request: HttpRequest) -> HttpResponse:
    _require(request, VIEW_RUN)
    text = in_text(gathered(request, hand_over.past(1)))
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@require_POST
def write_note(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """POST `text`, `until` (in the site's zone) and `over`: a new note, once a form."""
    _require(request, WRITE_NOTE)
    _require(request, VIEW_RUN)
    form = NoteForm(request.POST)
    if form.is_valid():
        try:
            text, is_repeat = _write(request, form)
        except JobsError as error:
            form.add_error(None, str(error))
            form.is_overtaken = isinstance(error, hand_over.NewerNote)
        else:
            messages.add_message(
                request,
                messages.INFO if is_repeat else messages.SUCCESS,
                f"{SENT_BEFORE} {text}" if is_repeat else text,
            )
            return redirect("admin:hand_over")
    return _page(request, context, form, status=422)


def gathered(request: HttpRequest, past: list[HandOverNote]) -> HandOver:
    """What this account may see; `past` begins with the newest note. Thirteen queries."""
    may, newest = request.user.has_perm, past[0] if past else None
    now: datetime = getattr(newest, "now", None) or timezone.now()  # the database's with a note
    found = failures()
    stopped = paused() if may(VIEW_FUNCTION) else None
    return HandOver(
        at=now,
        note=hand_over.counting(newest, now),
        failures=found.groups[:MAX_GROUPS],
        failed=found.runs,
        paused=None if stopped is None else _with_names(stopped),
        clusters=clusters() if may(VIEW_CLUSTER) else None,
        acts=acts_since(may, now - timedelta(hours=HOURS)) if may("admin.view_logentry") else None,
        hours=HOURS,
    )


def _page(
    request: HttpRequest, context: dict[str, Any], form: NoteForm | None, status: int = 200
) -> HttpResponse:
    past = hand_over.past()
    found = gathered(request, past)
    form = form or NoteForm(initial=_initial(found, past))
    if form.is_overtaken and past:
        form.look_at(past[0])
    context |= {
        "title": "Hand-over",
        "form": form,
        "found": found,
        "text": in_text(found),
        "past": past,
        "is_told": found.clusters is not None,
        "may_write": request.user.has_perm(WRITE_NOTE),
        "zone": timezone.get_current_timezone_name(),
    }
    return TemplateResponse(request, TEMPLATE, context, status=status)


def _initial(found: HandOver, past: list[HandOverNote]) -> dict[str, Any]:
    """The note that counts, to change it; else an empty one that ends with the next shift."""
    whole = timezone.localtime().replace(second=0, microsecond=0)
    return {
        "text": found.note.text if found.note else "",
        "until": found.note.until if found.note else whole + timedelta(hours=HOURS),
        "over": past[0].pk if past else None,
    }


def _write(request: HttpRequest, form: NoteForm) -> tuple[str, bool]:
    given = form.cleaned_data
    text, until, over = given["text"], given["until"], given["over"]

    def act() -> int:
        made = hand_over.write(text, until, request.user, over)
        _log(made)
        return made.pk

    asked = {"text": text, "until": until, "over": over}
    with transaction.atomic():
        outcome = act_once(request, act, "jobs.hand_over", asked)
    done = "The note stands on Operations." if text.strip() else "The note has come to its end."
    return done, outcome.is_repeat


def _log(made: HandOverNote) -> None:
    LogEntry.objects.create(
        user_id=made.by,
        content_type=ContentType.objects.get_for_model(HandOverNote),
        object_id=None,
        object_repr=f"until {day(made.until)}",
        action_flag=ADDITION,
        change_message="Wrote the note for the next shift." if made.text else "Ended the note.",
    )


def _with_names(stopped: list[Paused]) -> list[PausedBy]:
    ids = [one.by for one in stopped if one.by.isdecimal()]
    users = get_user_model()._default_manager.in_bulk(ids) if ids else {}
    names = {str(pk): user.get_username() for pk, user in users.items()}
    return [PausedBy(one, names.get(one.by, one.by)) for one in stopped]


def _require(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied
