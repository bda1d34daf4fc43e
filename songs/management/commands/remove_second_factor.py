"""`manage.py remove_second_factor NAME`: for an account that lost its app, key and codes."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from django.core.management.base import BaseCommand, CommandError, CommandParser

from songs.models import User


class Command(BaseCommand):
    help = "Remove the second factor, passkeys and recovery codes of an account."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the account's name, as it is written")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        user = User.objects.filter(username=name).first()
        if user is None:
            raise CommandError(f"There is no account “{name}”. Capitals count in a name here.")
        removed, _ = Authenticator.objects.filter(user=user).delete()
        self.stdout.write(
            f"“{name}” has no second factor any longer: {removed} removed. The password alone "
            "signs in, until the account sets up another one."
            if removed
            else f"“{name}” has none. Nothing was removed."
        )
