"""The forms of passkeys, with what a browser says about one read in a field that can refuse it.

The libraries below take what a browser would say for granted; a stranger may send anything.
"""

from __future__ import annotations

import struct
from typing import Any

from allauth.mfa.webauthn import forms as allauth_forms
from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput
from fido2.webauthn import AuthenticationResponse, RegistrationResponse

from songs.forms import LineField

MAX_LENGTH = 20_000  # characters
MAX_NAME = 100  # characters
UNREADABLE = (
    *(ArithmeticError, AttributeError, LookupError, RecursionError),
    *(TypeError, ValueError, struct.error),
)


class PasskeyField(forms.JSONField):
    """What the browser says, as one of fido2's responses would read it."""

    def __init__(self, response: type[AuthenticationResponse | RegistrationResponse]) -> None:
        self.response = response
        super().__init__(widget=forms.HiddenInput)

    def clean(self, value: Any) -> Any:
        if isinstance(value, str) and len(value) > MAX_LENGTH:
            raise ValidationError("That is too long for a passkey.")
        try:
            said = super().clean(value)
            self.response.from_dict(said)
        except UNREADABLE as problem:
            raise ValidationError("The passkey could not be read. Try again.") from problem
        return said

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Nothing: what was refused is not shown again."""
        return InvalidJSONInput("")


class NameField(LineField):
    """What the listener calls a passkey."""

    def __init__(self, *, required: bool) -> None:
        super().__init__(
            max_length=MAX_NAME,
            required=required,
            error_messages={
                "required": "A passkey needs a name, by which you know it again.",
                "max_length": (
                    f"That name has %(show_value)d characters, and {MAX_NAME} are allowed. "
                    "Shorten it."
                ),
            },
        )
        self.widget.attrs.pop("maxlength", None)  # a browser would cut what is pasted


class AddPasskeyForm(allauth_forms.AddWebAuthnForm):
    name = NameField(required=False)
    credential = PasskeyField(RegistrationResponse)


class SignInByPasskeyForm(allauth_forms.LoginWebAuthnForm):
    credential = PasskeyField(AuthenticationResponse)


class SecondFactorByPasskeyForm(allauth_forms.AuthenticateWebAuthnForm):
    credential = PasskeyField(AuthenticationResponse)


class AgainByPasskeyForm(allauth_forms.ReauthenticateWebAuthnForm):
    credential = PasskeyField(AuthenticationResponse)


class RenamePasskeyForm(allauth_forms.EditWebAuthnForm):
    name = NameField(required=True)
