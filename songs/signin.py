"""The sign-in forms of site and admin, with a pause after too many wrong passwords."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm
from django.db.models import QuerySet
from django.utils import timezone

from jobs.api import excerpt
from songs.models import SignInFailure

ALLOWED_FAILURES = 10
PAUSE = timedelta(minutes=15)
PAUSED = (
    f"Too many wrong passwords: {ALLOWED_FAILURES} within {PAUSE.seconds // 60} minutes. "
    "Wait a while, then try again."
)


class SignInForm(AuthenticationForm):
    def clean(self) -> dict[str, Any]:
        """Check the password, unless this name has failed too often from this address."""
        failures = self.recent_failures()
        if failures.count() >= ALLOWED_FAILURES:
            raise forms.ValidationError(PAUSED, code="paused")
        try:
            cleaned = super().clean()
        except forms.ValidationError:
            self.remember_failure()
            raise
        failures.delete()
        return cleaned

    def recent_failures(self) -> QuerySet[SignInFailure]:
        since = timezone.now() - PAUSE
        return SignInFailure.objects.filter(**self.who(), at__gt=since)

    def remember_failure(self) -> None:
        SignInFailure.objects.filter(at__lt=timezone.now() - PAUSE).delete()
        SignInFailure.objects.create(**self.who())

    def who(self) -> dict[str, str]:
        address = self.request.META.get("REMOTE_ADDR", "") if self.request else ""
        username = str(self.cleaned_data.get("username", "")).casefold()
        return {"username": excerpt(username, 150), "address": excerpt(address, 64)}


class AdminSignInForm(SignInForm, AdminAuthenticationForm):
    """The admin's form: staff only, with the pause."""
