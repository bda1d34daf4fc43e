"""The e-mail address of an account that an operator sets in the panel."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from django.db import transaction

from songs.models import User


@transaction.atomic
def replace(user: User, address: str) -> None:
    """Make this the account's one address, not confirmed; an empty one takes it away."""
    EmailAddress.objects.filter(user=user).delete()
    if address:
        EmailAddress.objects.create(user=user, email=address.lower(), primary=True)
