from __future__ import annotations

import django_q

from jobs.errors import JobsError
from jobs.lib.version_range import VersionRange, in_words


def installed() -> tuple[int, ...]:
    return tuple(int(number) for number in django_q.VERSION[:2])


TESTED = VersionRange(
    "django-q2",
    lambda: in_words(installed()),
    first=(1, 11),
    behind=(1, 12),
    id="jobs.W022",
    otherwise=(
        "With another major version, or a sentinel without what the engine uses, no cluster starts."
    ),
)
IN_WORDS = in_words(TESTED.first)


def refusal(what: str) -> JobsError:
    return JobsError(
        f"This cluster does not start: {what}, and the engine is tested with django-q2 {IN_WORDS}. "
        f"Install that."
    )


def name() -> str:
    return f"django-q2 {in_words(installed())}"
