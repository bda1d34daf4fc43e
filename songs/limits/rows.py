"""A row for each rule, so that operators find it in the panel."""

from __future__ import annotations

from typing import Any

from django.apps import apps as current

from songs.limits.rules import RULES


def make_rows(using: str = "default", apps: Any = current, **of_signal: Any) -> None:
    """Receive `post_migrate`. Rows that exist are left as they are."""
    try:
        limits = apps.get_model("songs", "Limit").objects.using(using)
    except LookupError:  # migrated back to before the tables
        return
    limits.bulk_create([limits.model(name=name) for name in RULES], ignore_conflicts=True)
