from __future__ import annotations

from typing import Any

import django_q
from django.core.checks import CheckMessage, Warning

from jobs.errors import JobsError

TESTED = (1, 11)
IN_WORDS = ".".join(map(str, TESTED))


def installed() -> tuple[int, ...]:
    return tuple(int(number) for number in django_q.VERSION[:2])


def refusal(what: str) -> JobsError:
    return JobsError(
        f"This cluster does not start: {what}, and the engine is tested with django-q2 {IN_WORDS}. "
        f"Install that."
    )


def name() -> str:
    return "django-q2 " + ".".join(map(str, installed()))


def check(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A warning (`jobs.W022`) for an untested version."""
    if installed() == TESTED:
        return []
    what = f"{name()} is not tested with the engine, which is tested with {IN_WORDS}."
    return [Warning(what, hint=f"Install django-q2 {IN_WORDS}.", id="jobs.W022")]
