"""System checks: one error, in a sentence, for each faulty variable of the environment."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register()
def environment(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """One error for each variable that is missing or malformed (`melodymaker.E001`)."""
    hint = "Set it in the environment or in .env; .env.example lists every variable."
    return [Error(problem, hint=hint, id="melodymaker.E001") for problem in settings.ENV_PROBLEMS]
