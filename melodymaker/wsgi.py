"""The application that gunicorn serves. It refuses to start on a faulty environment, and on
accounts with passwords that strangers know."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "melodymaker.settings")

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.urls import get_resolver

application = get_wsgi_application()

from melodymaker.screening import Request  # noqa: E402 - it has models behind it

application.request_class = Request
get_resolver().url_patterns  # noqa: B018 - imports all pages now, not with the first request


def problems() -> list[str]:
    if settings.ENV_PROBLEMS or settings.DEBUG:
        return list(settings.ENV_PROBLEMS)
    from melodymaker import demo_accounts

    names = demo_accounts.with_known_passwords()
    connections.close_all()  # the server may fork
    return [demo_accounts.problem(name) for name in names]


if found := problems():
    sys.exit("The site cannot start:\n" + "\n".join(f"  {line}" for line in found))
