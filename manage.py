#!/usr/bin/env python
"""Django's command line; it wakes the checkout's own PostgreSQL when no DATABASE_URL is set."""

from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "melodymaker.settings")
    from django.conf import settings
    from django.core.management import execute_from_command_line

    from melodymaker import embedded

    if settings.EMBEDDED_DATABASE and embedded.wanted(sys.argv):
        try:
            embedded.start(settings.BASE_DIR)
        except embedded.DatabaseUnavailable as problem:
            sys.exit(str(problem))
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
