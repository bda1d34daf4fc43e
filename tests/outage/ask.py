"""python -m tests.outage.ask 100: makes the tables, and sends as many events."""

from __future__ import annotations

import os
import sys

import django
from django.core.management import call_command

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.outage.settings"
    django.setup()

    from jobs.api import Event, send

    call_command("migrate", verbosity=0)
    send([Event(name="test/ask", data={"n": n}) for n in range(int(sys.argv[1]))])
