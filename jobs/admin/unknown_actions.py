"""An act on a list's rows that the account may not do, as from a page that was opened before the
permission was lost. Django shows the list then, without a word, or says that no act was chosen.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

REFUSAL = "Nothing was done. Your account may not do that, or this list does not know how."


def answer(model_admin: Any, request: HttpRequest) -> HttpResponse | None:
    """Back to the list with a sentence; None if the list can do what is asked, or nothing is."""
    asked = [name for name in request.POST.getlist("action") if name]
    if not asked or not model_admin.has_view_or_change_permission(request):
        return None
    if not model_admin.get_actions(request).keys().isdisjoint(asked):
        return None
    model_admin.message_user(request, REFUSAL, messages.ERROR)
    return HttpResponseRedirect(request.get_full_path())
