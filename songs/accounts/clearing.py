"""What an engine function clears away once an hour: what has expired."""

from __future__ import annotations

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from songs.models import CacheEntry

BATCH = 1_000  # rows in one transaction


def clear_sessions() -> int:
    """Delete some sessions that have expired; how many."""
    expired = Session.objects.filter(expire_date__lt=Now()).order_by("expire_date")
    keys = list(expired.values_list("pk", flat=True)[:BATCH])
    UserSession.objects.filter(session_key__in=keys).delete()
    return int(Session.objects.filter(pk__in=keys).delete()[0])


def clear_lists_of_sessions() -> int:
    """Delete some entries of listeners' lists whose session is gone, as after signing out."""
    there = Session.objects.filter(pk=OuterRef("session_key"))
    gone = UserSession.objects.filter(~Exists(there)).values_list("pk", flat=True)[:BATCH]
    return int(UserSession.objects.filter(pk__in=list(gone)).delete()[0])


def clear_cache() -> int:
    """Delete some counts and times of requests that have expired; how many."""
    expired = CacheEntry.objects.filter(expires_at__lt=Now()).order_by("expires_at")
    keys = list(expired.values_list("pk", flat=True)[:BATCH])
    again = CacheEntry.objects.filter(pk__in=keys, expires_at__lt=Now())  # one may be new by now
    return int(again.delete()[0])
