"""A second Django project, outside the repository, with the settings that jobs/README.md names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.conf import settings

from tests.docs.pages import blocks

PAPER = Path(settings.BASE_DIR) / "jobs" / "README.md"
MANAGE = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
PLAIN = {
    "SECRET_KEY": "x" * 60,
    "DEBUG": True,
    "DATABASES": {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "none"}},
    "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
    "ROOT_URLCONF": "urls",
    "MIDDLEWARE": [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    "TEMPLATES": [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
}


def named_in_the_paper() -> dict[str, Any]:
    (text,) = [text for text in blocks(PAPER, "python") if "INSTALLED_APPS" in text]
    named: dict[str, Any] = {}
    exec(text, named)
    return {name: value for name, value in named.items() if name.isupper()}


def manage(folder: Path, *arguments: str, **changed: Any) -> subprocess.CompletedProcess[str]:
    """`manage.py` in that project, with these settings changed."""
    given = PLAIN | named_in_the_paper() | changed
    lines = [f"{name} = {value!r}" for name, value in given.items()]
    (folder / "settings.py").write_text("\n".join(lines))
    (folder / "urls.py").write_text("urlpatterns = []")
    (folder / "manage.py").write_text(MANAGE)
    (folder / "shop").mkdir(exist_ok=True)
    (folder / "shop" / "__init__.py").write_text("")
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=folder,
        env={**inherited, "PYTHONPATH": str(settings.BASE_DIR)},
        capture_output=True,
        text=True,
    )
