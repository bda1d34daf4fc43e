"""`manage.py database start|stop|status|forget`: control the checkout's own PostgreSQL."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from melodymaker import embedded


class Command(BaseCommand):
    help = "Start, stop, show or delete this checkout's own PostgreSQL."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("verb", choices=["start", "stop", "status", "forget"])

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        if not settings.EMBEDDED_DATABASE:
            self.stderr.write("Note: the site itself uses the database that DATABASE_URL names.")
        try:
            self.stdout.write(getattr(self, verb)())
        except embedded.DatabaseUnavailable as problem:
            raise CommandError(str(problem)) from None

    def start(self) -> str:
        embedded.start(settings.BASE_DIR)
        return embedded.status(settings.BASE_DIR)

    def stop(self) -> str:
        return "Stopped." if embedded.stop(settings.BASE_DIR) else "It was not running."

    def status(self) -> str:
        return embedded.status(settings.BASE_DIR)

    def forget(self) -> str:
        if embedded.forget(settings.BASE_DIR):
            return "The database and its data are deleted."
        return "There was no database to delete."
