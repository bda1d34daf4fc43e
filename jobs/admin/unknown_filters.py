"""A list's address with a parameter that the list does not know, or whose value it cannot read, as
of an old bookmark. Django drops all filters then, without a word.
"""

from __future__ import annotations

from copy import copy
from typing import Any

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG, PAGE_VAR
from django.http import HttpRequest, HttpResponseRedirect, QueryDict

from jobs.lib.excerpts import excerpt

MAX_TRIED = 20  # parameters; each costs a list's queries


def answer(model_admin: Any, request: HttpRequest, response: Any) -> Any:
    """Instead of Django's redirection one that keeps the known filters, and says which was not."""
    given = request.GET
    if not _dropped_all(response) or ERROR_FLAG in given:
        return response
    names = list(given)
    unknown = [name for name in names[:MAX_TRIED] if not _is_known(model_admin, request, name)]
    left_out = {*unknown, *names[MAX_TRIED:]} or {PAGE_VAR}.intersection(given)
    if not left_out:
        return response  # together they make no sense
    kept = given.copy()
    for name in left_out:
        del kept[name]
    for name in unknown:
        words = f"This list does not know the filter “{excerpt(f'{name}={given[name]}', 80)}”: "
        model_admin.message_user(request, words + "it is left out.", messages.WARNING)
    return HttpResponseRedirect(f"{request.path}?{kept.urlencode()}" if kept else request.path)


def _dropped_all(response: Any) -> bool:
    return isinstance(response, HttpResponseRedirect) and response.url.endswith(f"?{ERROR_FLAG}=1")


def _is_known(model_admin: Any, request: HttpRequest, name: str) -> bool:
    alone: Any = copy(request)
    alone.GET = QueryDict(mutable=True)
    alone.GET.setlist(name, request.GET.getlist(name))
    try:
        model_admin.get_changelist_instance(alone)
    except IncorrectLookupParameters:
        return name == PAGE_VAR
    return True
