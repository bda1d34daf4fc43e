"""All that leans on private parts of django-allauth: how long its limits last, and who is half
signed in.

With a release that has moved them, the limits still refuse, and their pages tell no time of their
own.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest

try:
    from allauth.core.internal import ratelimit
except ImportError:
    ratelimit = None

ACCOUNT, MFA = "allauth.account", "allauth.mfa"


def wait_for(
    request: HttpRequest, action: str, key: str | None = None, *, app: str = ACCOUNT
) -> timedelta | None:
    """How long allauth refuses an action; None if it would let it through now, or if that is not
    known."""
    try:
        rates = ratelimit.get_rates(app=app, action=action)
        waits = [_left(request, app, action, rate, key) for rate in rates]
    except (AttributeError, TypeError):  # another release
        return None
    return max((wait for wait in waits if wait), default=None)


def half_signed_in(request: HttpRequest) -> Any:
    """The account that has given its password and not yet its second factor; None if that is not
    known."""
    stage = getattr(request, "_login_stage", None)
    return getattr(getattr(stage, "login", None), "user", None)


def _left(
    request: HttpRequest, app: str, action: str, rate: Any, key: str | None
) -> timedelta | None:
    is_of_none = {"user": request.user.is_anonymous, "key": key is None}
    if is_of_none.get(rate.per):
        return None
    known = ratelimit.get_cache_key(request, app=app, action=action, rate=rate, key=key)
    now = time.time()
    recent = [moment for moment in cache.get(known, []) if moment > now - rate.duration]
    if len(recent) < rate.amount:
        return None
    return timedelta(seconds=sorted(recent)[-rate.amount] + rate.duration - now)
