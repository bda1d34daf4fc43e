"""The application that gunicorn serves. It refuses to start on a faulty environment."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "melodymaker.settings")

from django.conf import settings
from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

if settings.ENV_PROBLEMS:
    sys.exit("The site cannot start:\n" + "\n".join(f"  {line}" for line in settings.ENV_PROBLEMS))
