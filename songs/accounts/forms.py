"""The forms to sign in and to sign up."""

from __future__ import annotations

import secrets
from typing import Any

from allauth.account.forms import AddEmailForm, LoginForm, ResetPasswordForm
from allauth.account.forms import SignupForm as AllauthSignUpForm
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.mfa.utils import is_mfa_enabled
from django import forms
from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest

from songs import cache
from songs.accounts import addresses, attempts, names
from songs.limits.network import network_of
from songs.models import User

CODE_TRIES = 10  # wrong codes from one network, in attempts.WINDOW


class SignInForm(LoginForm):
    """A name or an e-mail address, and the password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        login = self.fields["login"]
        login.label = "Name or e-mail"
        addresses.limit(login)
        login.widget.attrs["autocomplete"] = "username webauthn"
        self.fields["password"].widget.attrs["maxlength"] = 4096

    def clean_login(self) -> str:
        """The account's name in its usual letters, if no account has the name as it was typed."""
        typed: str = super().clean_login()
        return typed if attempts.accounts_named(typed) else names.folded(typed)


class AddressForm(AddEmailForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = "New e-mail"
        addresses.limit(self.fields["email"])


class LostPasswordForm(ResetPasswordForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = "E-mail"
        addresses.limit(self.fields["email"])

    def clean_email(self) -> str:
        """Send no link to an account with a second factor by an address that is not confirmed. A
        stranger may have made the account with a listener's address. That listener would take it
        over, and the stranger's passkey would go on opening it. Sign-up leads to an account that is
        the listener's alone."""
        email: str = super().clean_email()
        self.users: list[User] = [
            user for user in self.users if not _may_be_a_strangers(user, email)
        ]
        return email


def _may_be_a_strangers(user: User, email: str) -> bool:
    """Whether the address tells nothing of the one that has the second factor. Accounts of staff
    are the operators' work."""
    if user.is_staff or not is_mfa_enabled(user):
        return False
    return EmailAddress.objects.filter(user=user, email__iexact=email, verified=False).exists()


class SignUpForm(AllauthSignUpForm):
    """A new account; with the site's code where SIGN_UP is “code”."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "Name"
        self.fields["username"].help_text = "Letters, digits and . + - _"
        self.fields["email"].label = "E-mail"
        addresses.limit(self.fields["email"])
        if settings.SIGN_UP == "code":
            self.fields["code"] = CodeField()

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean()
        if "code" in cleaned:
            self._check_code(cleaned["code"])
        return cleaned

    def _check_code(self, given: str) -> None:
        """Count the try, compare in constant time, and take a right one back."""
        key = f"attempts:code:{network_of(context.request)}"
        count = cache.count(key, attempts.WINDOW)
        if count.number > CODE_TRIES:
            wait = attempts.in_words(count.ends_in)
            self.add_error("code", f"Too many wrong codes. Try again in {wait}.")
        elif secrets.compare_digest(given.encode(), settings.SIGN_UP_SECRET.encode()):
            cache.take_back(key)
        else:
            self.add_error("code", "This is not the code. Ask the operators of this site for it.")

    def try_save(self, request: HttpRequest) -> Any:
        """Make the account and its address in one transaction. A name that another request has
        taken in between is an error of the form."""
        try:
            with transaction.atomic():
                return super().try_save(request)
        except IntegrityError:
            self.add_error(
                "username", "Another account has just taken this name. Choose another name."
            )
            raise


class CodeField(forms.CharField):
    """The code that the operators give to those that may sign up."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            label="Code",
            max_length=200,
            help_text="The operators of this site give it to you.",
            widget=forms.TextInput({"autocomplete": "off"}),
            **kwargs,
        )
