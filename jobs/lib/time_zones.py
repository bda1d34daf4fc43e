"""Time zones by name: the system's, else those of the package tzdata."""

from __future__ import annotations

import difflib
import zoneinfo
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.checks import CheckMessage, Error


class Unknown(LookupError):
    """No zone has this name."""


class Missing(LookupError):
    """There are no zones."""

    def __init__(self) -> None:
        places = ", ".join(zoneinfo.TZPATH) or "nowhere, since PYTHONTZPATH is empty"
        super().__init__(
            "this Python has no time zone database: neither the system's (it was looked for in: "
            f"{places}) nor the package “tzdata”. Install it with pip install tzdata"
        )


def zone(name: str) -> tzinfo:
    """Raises Unknown or Missing, with a sentence."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except PermissionError as error:
        raise Unknown(f"the time zone “{name}” cannot be read: {error}") from error
    except (LookupError, ValueError, OSError) as error:  # OSError: a folder, too long a name
        raise _absence(name) from error


def _absence(name: str) -> Missing | Unknown:
    known = zoneinfo.available_timezones()
    if not known:
        return Missing()
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean “{close[0]}”?" if close else ", such as “Europe/Paris”."
    return Unknown(
        f"no time zone is called “{name}”. Allowed are the names of the IANA database{hint} If "
        "the name is right, a newer release of the package “tzdata” may know it."
    )


def check(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Whether there are time zones (`jobs.E002`), and the site's own (`jobs.E003`)."""
    if not zoneinfo.available_timezones():
        sentence = str(Missing())
        return [Error(f"{sentence[0].upper()}{sentence[1:]}.", id="jobs.E002")]
    try:
        zone(settings.TIME_ZONE)
    except Unknown as error:
        return [Error(f"TIME_ZONE={settings.TIME_ZONE!r}: {error}", id="jobs.E003")]
    return []
