"""The site's views of accounts, beside those of django-allauth."""

from __future__ import annotations

import math
from typing import Any, cast

from allauth.account.models import EmailAddress
from allauth.account.views import LoginView, SignupView
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.sessions.models import Session
from django.core.paginator import Paginator
from django.db import IntegrityError
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from songs import credits, limits
from songs.accounts.adapter import TooManyAttempts
from songs.models import User

ENTRIES_A_PAGE = 50


class SignIn(LoginView):
    def form_invalid(self, form: Any) -> HttpResponse:
        """422, or 429 with the time to wait where the sign-in pauses."""
        response: HttpResponse = super().form_invalid(form)
        response.status_code = 422
        for error in form.errors.as_data().get("__all__", []):
            if isinstance(error, TooManyAttempts):
                response.status_code = 429
                response["Retry-After"] = str(math.ceil(error.wait.total_seconds()))
        return response


class SignUp(SignupView):
    def form_valid(self, form: Any) -> HttpResponse:
        """The new account, or 429 with the time to wait beyond a limit."""
        try:
            with limits.taking("sign-ups", self.request) as permit:
                permit.require()
                return cast(HttpResponse, super().form_valid(form))
        except IntegrityError:
            return self.form_invalid(form)  # which has the sentence
        except limits.TooMany as reached:
            form.add_error(None, str(reached))
            response = self.form_invalid(form)
            response.status_code = 429
            return limits.come_again(response, reached)

    def form_invalid(self, form: Any) -> HttpResponse:
        response: HttpResponse = super().form_invalid(form)
        response.status_code = 422
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {"starting_credits": settings.STARTING_CREDITS, **super().get_context_data(**kwargs)}


@login_required
@require_safe
def account(request: HttpRequest) -> HttpResponse:
    """The account at a glance, with a link to each page that changes it."""
    user = cast(User, request.user)
    factors = Authenticator.objects.filter(user=user).exclude(type="recovery_codes")
    context = {
        "balance": credits.balance(user),
        "address": EmailAddress.objects.filter(user=user).order_by("-verified", "-primary").first(),
        "factors": factors.count(),
        "sessions": UserSession.objects.filter(user=user, session_key__in=live_sessions()).count(),
    }
    return render(request, "account/overview.html", context)


def live_sessions() -> QuerySet[Session, str]:
    return Session.objects.filter(expire_date__gt=Now()).values_list("pk", flat=True)


@login_required
@require_safe
def ledger(request: HttpRequest) -> HttpResponse:
    """The listener's ledger, the newest entry first."""
    user = cast(User, request.user)
    entries = user.credit_entries.select_related("song")
    page = Paginator(entries, ENTRIES_A_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "balance": credits.balance(user)}
    return render(request, "account/ledger.html", context)
