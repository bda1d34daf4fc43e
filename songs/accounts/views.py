"""The site's views of accounts, beside those of django-allauth."""

from __future__ import annotations

from typing import Any, cast

from allauth.account import app_settings
from allauth.account.models import EmailAddress
from allauth.account.views import (
    ConfirmEmailView,
    EmailView,
    LoginView,
    PasswordResetView,
    SignupView,
)
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.sessions.models import Session
from django.core import signing
from django.core.paginator import Paginator
from django.db import IntegrityError
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from songs import credits, limits
from songs.accounts import refusals
from songs.accounts.allauth_internals import wait_for
from songs.accounts.refusals import KeepsWhatWasTyped
from songs.models import User

ENTRIES_A_PAGE = 50
SENT_A_MOMENT_AGO = (
    "A mail went to this address a moment ago. Look for it, or send another one in {}."
)


class SignIn(KeepsWhatWasTyped, LoginView):
    pass


class SignUp(KeepsWhatWasTyped, SignupView):
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

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {"starting_credits": settings.STARTING_CREDITS, **super().get_context_data(**kwargs)}


class Address(KeepsWhatWasTyped, EmailView):
    """An address gets one mail in three minutes. A change that would send none is refused: the link
    of the mail before it would no longer be good."""

    def form_valid(self, form: Any) -> HttpResponse:
        if refusal := self.refusal(form.cleaned_data["email"]):
            form.add_error("email", refusal)
            return cast(HttpResponse, self.form_invalid(form))
        return cast(HttpResponse, super().form_valid(form))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """“Send the mail again” is answered with the time to wait, if it comes too soon."""
        refusal = self.refusal_to_send(request)
        if not refusal:
            return cast(HttpResponse, super().post(request, *args, **kwargs))
        form = self.get_form_class()(user=request.user)
        page = self.render_to_response(self.get_context_data(form=form, refusal=refusal.message))
        page.status_code = 429
        page["Retry-After"] = refusals.retry_after(refusal.wait)
        return cast(HttpResponse, page)

    def refusal_to_send(self, request: HttpRequest) -> refusals.TooOften | None:
        if "action_send" not in request.POST or "action_add" in request.POST:
            return None
        email = request.POST.get("email", "").lower()
        is_own = EmailAddress.objects.filter(user=cast(User, request.user), email=email).exists()
        return self.refusal(email) if is_own else None

    def refusal(self, email: str) -> refusals.TooOften | None:
        wait = wait_for(self.request, "confirm_email", email.lower())
        return refusals.TooOften(SENT_A_MOMENT_AGO, wait) if wait else None


class ConfirmAddress(ConfirmEmailView):
    """A link that has done what it is for says so, however often it is opened."""

    def post(self, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return cast(HttpResponse, super().post(*args, **kwargs))
        except Http404:
            if not self.confirmed():
                raise
        self.object = None
        return cast(HttpResponse, self.render_to_response(self.get_context_data()))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        return context if self.object else {**context, "confirmed": self.confirmed()}

    def confirmed(self) -> EmailAddress | None:
        """The address of the link, if it is confirmed. The link is signed, and may be old."""
        try:
            pk = signing.loads(self.kwargs["key"], salt=app_settings.SALT)
        except signing.BadSignature:
            return None
        return cast(
            "EmailAddress | None", EmailAddress.objects.filter(pk=pk, verified=True).first()
        )


class LostPassword(KeepsWhatWasTyped, PasswordResetView):
    pass


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
