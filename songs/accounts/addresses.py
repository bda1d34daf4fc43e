"""The e-mail address of an account: how long it may be, and the one that an operator sets."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.db import transaction

from songs.models import User

MAX_LENGTH = 254  # characters: the columns' length


def fits(address: str) -> None:
    """A validator. An address is kept in small letters, which can be more than the capitals."""
    length = max(len(address), len(address.lower()))
    if length > MAX_LENGTH:
        raise ValidationError(
            f"That is {length:,} characters, and an e-mail address has at most {MAX_LENGTH}. Check "
            "it, or use a shorter one.",
            code="max_length",
        )


def limit(field: Any) -> None:
    """Let the form's field refuse what is too long. The browser is told no limit: it would cut what
    is pasted, and the mail would go to another address."""
    others = [v for v in field.validators if not isinstance(v, MaxLengthValidator)]
    field.validators = [*others, fits]
    field.max_length = MAX_LENGTH
    field.widget.attrs.pop("maxlength", None)


@transaction.atomic
def replace(user: User, address: str) -> None:
    """Make this the account's one address, not confirmed; an empty one takes it away."""
    EmailAddress.objects.filter(user=user).delete()
    if address:
        EmailAddress.objects.create(user=user, email=address.lower(), primary=True)
