"""What django-allauth asks the site: limits, mail, names, and what a confirmed address brings."""

from __future__ import annotations

import logging
import smtplib
from datetime import timedelta
from typing import Any, cast

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core import context as current
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse

from songs.accounts import attempts, known_devices, names, refusals, welcome
from songs.accounts.allauth_internals import half_signed_in, wait_for
from songs.credits import in_words
from songs.limits.network import address_of
from songs.models import User

logger = logging.getLogger(__name__)
MISMATCH = "That name and password do not belong together. Note that capitals count in a password."


WRONG_PASSWORDS = "Too many wrong passwords. Try again in {}, or set a new password."
WRONG_CODES = "Too many wrong codes. Try again in {}. If they were not yours, set a new password."


class AccountAdapter(DefaultAccountAdapter):
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": MISMATCH,
        "email_password_mismatch": MISMATCH,
        "username_taken": "Another account has this name. Choose another name.",
        "incorrect_password": "This is not your password.",
        "enter_current_password": "This is not your password.",
        "incorrect_code": "This code is not right, or was used before.",
    }

    def validation_error(self, code: str, *args: Any) -> ValidationError:
        """The limit of codes of the second factor says how long it lasts."""
        if code not in ("too_many_login_attempts", "rate_limited"):
            return cast(ValidationError, super().validation_error(code, *args))
        request: Any = current.request
        is_signed_in = request.user.is_authenticated
        user = request.user if is_signed_in else half_signed_in(request)
        wait = user and wait_for(request, "login_failed", f"mfa-auth-user-{user.pk}")
        return refusals.TooOften(WRONG_CODES, wait or timedelta(seconds=1))

    def is_ajax(self, request: HttpRequest) -> bool:
        """The pages of accounts are pages, whatever a program asks for. As JSON they would hold the
        password that was typed, and a refusal would have neither its status nor the time to wait.
        The script of the passkeys alone asks for JSON."""
        match = request.resolver_match
        is_for_the_script = match is not None and match.url_name == "mfa_login_webauthn"
        return is_for_the_script and bool(super().is_ajax(request))

    # --- signing in ---

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count the attempt, and raise TooOften where it is one too many. This stands in
        place of allauth's own limit, by which any stranger can keep an account out."""
        name = credentials.get("username") or credentials.get("email") or ""
        self._attempt = attempts.begin(request, name)
        wait = self._attempt.wait
        if wait is not None:
            raise refusals.TooOften(WRONG_PASSWORDS, wait)

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        user = super().authenticate(request, **credentials)
        if user is not None:
            self._attempt.take_back()
        return user

    def post_login(self, request: HttpRequest, user: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = super().post_login(request, user, **kwargs)
        known_devices.remember(request, response, user)
        return response

    def get_client_ip(self, request: HttpRequest) -> str:
        return address_of(request)

    # --- signing up ---

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.SIGN_UP != "closed"

    def clean_username(self, username: str, shallow: bool = False) -> str:
        """The name as it is kept (see names.py)."""
        return str(super().clean_username(names.clean(username), shallow))

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Confirm the address and grant the welcome credits, in one transaction. Of two accounts
        that confirm the same address at once, the second is told that it is taken."""
        user = email_address.user
        try:
            with transaction.atomic():
                if not super().confirm_email(request, email_address):
                    return False
                entry = welcome.welcome(user, email_address.email)
        except IntegrityError:
            messages.error(request, "Another account has just confirmed this address.")
            return False
        if entry:
            messages.success(request, f"{in_words(entry.amount)}: welcome to MelodyMaker.")
        elif settings.STARTING_CREDITS and not welcome.had_welcome(user):
            messages.info(request, "This address has had its welcome credits before.")
        return True

    # --- mail ---

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a mail within the request: it may hold a secret, which no row of the engine should
        keep. A server of mail that is away fails no request; the page says so."""
        try:
            super().send_mail(template_prefix, email, context)
        except (OSError, smtplib.SMTPException) as problem:
            logger.error("A mail could not be sent (%s): %s", template_prefix, problem)
            if self.request is not None:
                messages.error(
                    self.request, "The mail could not be sent just now. Try again later."
                )

    def set_password(self, user: User, password: str) -> None:
        """Save the password alone: `save()` of a stale account must not write other columns."""
        user.set_password(password)
        user.save(update_fields=["password"])
