"""`manage.py down`: stop what `manage.py up` runs in this checkout, then its database."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from melodymaker import embedded
from melodymaker.supervisor import Claim


class Command(BaseCommand):
    help = "Stop what `manage.py up` started in this checkout, and its database."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        ran = Claim(settings.BASE_DIR).withdraw()
        try:
            served = embedded.stop(settings.BASE_DIR)
        except embedded.DatabaseUnavailable as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write("Stopped." if ran or served else "Nothing runs in this checkout.")
