"""The second factor: its secrets are encrypted, and the panel opens to staff with one alone."""

from __future__ import annotations

import base64
import logging
import secrets
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.encoding import force_bytes

logger = logging.getLogger(__name__)
SET_ONE_UP = (
    "The panel opens to accounts with a second factor. Set one up: an app that shows codes, or a "
    "passkey."
)
HELP = "add the old key to SECRET_KEY_FALLBACKS, or see manage.py remove_second_factor."
FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
ALWAYS_OPEN = ("login", "logout", "jsi18n")  # of the panel


class SecondFactorAdapter(DefaultMFAAdapter):
    """Encrypts with a key made of SECRET_KEY; SECRET_KEY_FALLBACKS decrypt what is older."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": "This code is not right, or was used before.",
    }

    def generate_authenticator_name(self, user: Any, type: Any) -> str:
        """“Passkey”, “Passkey 2”, …: what the form proposes."""
        number = Authenticator.objects.filter(user=user, type=type).count() + 1
        return "Passkey" if number == 1 else f"Passkey {number}"

    def encrypt(self, text: str) -> str:
        return ciphers().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """What SECRET_KEY cannot decrypt becomes a new secret: no code is right."""
        try:
            return ciphers().decrypt(encrypted_text.encode()).decode()
        except InvalidToken:
            logger.error("A second factor is of another SECRET_KEY, and accepts no code: %s", HELP)
            return base64.b32encode(secrets.token_bytes(20)).decode()


def ciphers() -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_derived(key)) for key in keys])


def _derived(key: str | bytes) -> bytes:
    digest = sha256(b"songs.accounts.second_factor:" + force_bytes(key)).digest()
    return base64.urlsafe_b64encode(digest)


def asks_staff(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Middleware: lead staff without a second factor from the panel to the page for one."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    def process_view(request: HttpRequest, view: Any, args: Any, kwargs: Any) -> Any:
        if not must_set_one_up(request):
            return None
        where = reverse("mfa_index")
        if "HX-Request" in request.headers:  # a fragment must not show that page
            return HttpResponse(status=204, headers={"HX-Redirect": where})
        messages.warning(request, SET_ONE_UP)
        return redirect(where)

    middleware.process_view = process_view  # type: ignore[attr-defined]
    return middleware


def must_set_one_up(request: HttpRequest) -> bool:
    match = request.resolver_match
    in_panel = match is not None and match.app_name == "admin" and match.url_name not in ALWAYS_OPEN
    return bool(
        settings.STAFF_SECOND_FACTOR
        and in_panel
        and request.user.is_staff
        and not is_mfa_enabled(request.user, FACTORS)
    )
