"""The panel's ways in: staff sign in and change their password where listeners do."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect


def change_password(request: HttpRequest, extra_context: Any = None) -> HttpResponse:
    return redirect("account_change_password")


admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
admin.site.password_change = change_password  # type: ignore[method-assign, assignment]

# An account's page says what an operator needs of these. Their modules register them, in whichever
# order they are imported.
for app in ("account", "mfa", "usersessions"):
    import_module(f"allauth.{app}.admin")
admin.site.unregister([EmailAddress, Authenticator, UserSession])
