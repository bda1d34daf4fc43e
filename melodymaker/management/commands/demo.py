"""`manage.py demo`: two accounts with known passwords, and three songs, for development only."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from melodymaker.demo_accounts import NAMES, password_of
from songs import credits
from songs.models import EntryKind
from songs.sharing.demo import order_songs

DEMO_CREDITS = 100


class Command(BaseCommand):
    help = "Make the demo listener (demo) and operator (admin), and order three songs, once."

    def handle(self, *args: Any, verbosity: int, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "The demo accounts have known passwords; they are made only with DEBUG=1."
            )
        made = [name for name in NAMES if self.make(name)]
        order_songs()
        if verbosity:
            self.stdout.write(
                f"Made: {', '.join(made)}." if made else "Both accounts exist already."
            )

    @transaction.atomic
    def make(self, name: str) -> bool:
        """Make the account with its credits. An account that exists is left as it is."""
        people = get_user_model().objects
        if people.filter(username=name).exists():
            return False
        make = people.create_superuser if name == "admin" else people.create_user
        address = f"{name}@example.org"
        user = make(name, email=address, password=password_of(name))
        EmailAddress.objects.create(user=user, email=address, primary=True, verified=True)
        credits.grant(user, DEMO_CREDITS, why="Credits to play with", kind=EntryKind.WELCOME)
        return True
