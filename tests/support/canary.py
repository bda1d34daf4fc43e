"""Where a secret could have come to: every row, every page, and the search for a piece of it.

CANARY is written so that no encoding in use leaves it as it is, and PIECES are parts of it that
nothing else in a row or a page has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from allauth.mfa.models import Authenticator
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.http import HttpResponseBase
from django.test import Client
from django.urls import URLResolver, get_resolver, reverse

from jobs.models import Event, Run, Step
from songs.models import Song

CANARY = "wQ8k+7q/Zx3Kp=Jv9wTr5Lm"
PIECE = 5  # characters
PIECES = {CANARY[at : at + PIECE].lower() for at in range(len(CANARY) - PIECE + 1)}
# Addresses that only take a POST, or lead to another page of the site.
NOT_PAGES = {
    *("admin:jobs_run_rerun", "admin:jobs_run_cancel"),
    *("admin:jobs_registeredfunction_state", "admin:jobs_registeredfunction_replay"),
    *("admin:logout", "admin:view_on_site", "admin:jsi18n", "admin:autocomplete"),
    *("song-rename", "song-again", "song-delete", "song-withdraw", "public-like", "public-play"),
}
# Links of mails: what they are filled with.
LINKS = {
    "account_confirm_email": {"key": "MQ:1x:forged"},
    "account_reset_password_from_key": {"uidb36": "1", "key": "set-password"},
}


# A session's key, or a form's token: random, and in so many pages that it would have a piece once.
RANDOM = re.compile(r"\b(?:[A-Za-z0-9]{32}|[A-Za-z0-9]{64})\b")


def pieces_in(text: str) -> list[str]:
    lower = text.lower()
    return sorted(piece for piece in PIECES if piece in lower)


def rows() -> Iterator[tuple[str, str]]:
    """Every row of every table, with the table's name; all columns as one text."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            yield from ((table, row) for (row,) in cursor.fetchall())


def tables_of_models() -> set[str]:
    return {m._meta.db_table for m in apps.get_models(include_auto_created=True) if m._meta.managed}


def pages() -> Iterator[tuple[str, str]]:
    """Every page that can be asked for, for every row that there is: (name, address)."""
    for name, wanted in _named(get_resolver()):
        if name not in NOT_PAGES:
            for kwargs in _rows_for(name, wanted):
                yield name, reverse(name, kwargs=kwargs)


def _named(
    resolver: URLResolver, space: str = "", above: frozenset[str] = frozenset()
) -> Iterator[tuple[str, frozenset[str]]]:
    """Each named address, and what it is to be filled with, the parts before an `include` too."""
    for entry in resolver.url_patterns:
        wanted = above | entry.pattern.converters.keys() | entry.pattern.regex.groupindex.keys()
        if isinstance(entry, URLResolver):
            yield from _named(entry, f"{entry.namespace}:" if entry.namespace else space, wanted)
        elif entry.name:
            yield space + entry.name, wanted


def _rows_for(name: str, wanted: frozenset[str]) -> list[dict[str, Any]]:
    """What fills the address, one for each row that it may be about."""
    if not wanted:
        return [{}]
    if name in LINKS:
        return [LINKS[name]]
    if name.startswith("mfa_"):
        return [{"pk": pk} for pk in Authenticator.objects.values_list("pk", flat=True)]
    if wanted == {"pk"}:
        return [{"pk": pk} for pk in Song.objects.values_list("pk", flat=True)]
    if wanted == {"run_id"}:
        return [{"run_id": pk} for pk in Run.objects.values_list("pk", flat=True)]
    if wanted == {"run_id", "step_id"}:
        done = Step.objects.filter(status="completed").values_list("run_id", "pk")
        return [{"run_id": run_id, "step_id": pk} for run_id, pk in done]
    if wanted == {"event_id"}:
        return [{"event_id": pk} for pk in Event.objects.values_list("pk", flat=True)]
    if wanted == {"section"}:  # of the sitemap
        return [{"section": name} for name in ("songs", "lists")]
    if wanted == {"app_label"}:
        return [{"app_label": label} for label in ("auth", "jobs", "songs")]
    if wanted == {"object_id"}:
        return [{"object_id": pk} for pk in _model_of(name).objects.values_list("pk", flat=True)]
    if wanted == {"id"}:  # a user's password
        return [{"id": 1}]
    raise AssertionError(f"The test does not know how to visit {name} ({wanted}).")


def _model_of(name: str) -> Any:
    """“admin:jobs_run_change” is about runs."""
    for model in admin.site._registry:
        if name.startswith(f"admin:{model._meta.app_label}_{model._meta.model_name}_"):
            return model
    raise AssertionError(f"The test does not know what {name} is about.")


def shown(client: Client, address: str) -> tuple[int, str]:
    """The status, and all that the browser gets."""
    answer: HttpResponseBase = client.get(address)
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    said = f"{answer.headers}\n{body.decode('utf-8', 'replace')}"
    return answer.status_code, RANDOM.sub("…", said)
