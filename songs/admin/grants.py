"""Grant credits to a listener or take them back, with a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from jobs.api import FORM_TOKEN, StaleForm, once
from songs import credits, permissions
from songs.forms import GrantForm
from songs.models import User


def grant_view(model_admin: Any) -> Callable[..., HttpResponse]:
    """GET shows the form; POST writes the ledger, the history and a message."""

    def view(request: HttpRequest, object_id: str) -> HttpResponse:
        if not request.user.has_perm(permissions.GRANT):
            raise PermissionDenied
        user = model_admin.get_object(request, unquote(object_id))
        if user is None:
            raise Http404(f"There is no user {object_id}.")
        if not request.user.has_perm(permissions.GRANT, user):
            raise PermissionDenied
        form = GrantForm(request.POST if request.method == "POST" else None)
        if form.is_valid() and granted(model_admin, request, user, form):
            return HttpResponseRedirect(page_after(model_admin, request, user))
        return page(model_admin, request, user, form)

    return require_http_methods(["GET", "POST"])(view)


def page(model_admin: Any, request: HttpRequest, user: User, form: GrantForm) -> HttpResponse:
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"Grant credits to {user}",
        "opts": model_admin.opts,
        "media": model_admin.media,
        "original": user,
        "balance": credits.balance(user),
        "back": page_after(model_admin, request, user),
        "form": form,
    }
    status = 422 if form.is_bound else 200
    return TemplateResponse(request, "admin/songs/user/grant_credits.html", context, status=status)


def granted(model_admin: Any, request: HttpRequest, user: User, form: GrantForm) -> bool:
    """Grant once, however often the form is sent. A refusal becomes an error of the form."""
    amount, why = form.cleaned_data["amount"], form.cleaned_data["why"]
    by, once_more = cast(User, request.user), form.cleaned_data["once_more"]

    def act() -> int:
        if not once_more:
            credits.refuse_repeat(user, amount, why=why, by=by)
        entry = credits.grant(user, amount, why=why, by=by)
        model_admin.log_change(request, user, f"Granted {credits.in_words(amount)}: {why}")
        return entry.pk

    asked = {"to": user.pk, "amount": amount, "why": why, "once_more": once_more}
    token = request.POST.get(FORM_TOKEN)
    try:
        done = once(act, token=token, action="songs.grant", account=by.pk, asked=asked)
    except StaleForm as error:
        form.add_error(None, str(error))
        return False
    except credits.GrantedBefore as problem:
        form.ask_back(str(problem))
        return False
    except ValueError as problem:
        form.add_error("amount", str(problem))
        return False
    message_granted(model_admin, request, user, amount, is_repeat=done.is_repeat)
    return True


def message_granted(
    model_admin: Any, request: HttpRequest, user: User, amount: int, *, is_repeat: bool
) -> None:
    user.refresh_from_db(fields=["credits"])
    text = f"{credits.in_words(amount)} for {user}: the balance is {user.credits:,} now."
    if is_repeat:
        text = f"This form was sent before. Nothing was granted twice. {text}"
    model_admin.message_user(request, text, messages.INFO if is_repeat else messages.SUCCESS)


def page_after(model_admin: Any, request: HttpRequest, user: User) -> str:
    """The listener's page, if this account may open it, else the start."""
    if model_admin.has_view_permission(request, user):
        return reverse("admin:songs_user_change", args=[user.pk])
    return reverse("admin:index")
