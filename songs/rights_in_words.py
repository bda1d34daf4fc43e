"""A change of an account's rights, for the audit log: which of them were given and taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

FLAGS = {
    "is_active": "Active",
    "is_staff": "Staff status",
    "is_superuser": "Superuser status",
}
SETS = {"groups": "Groups", "user_permissions": "Permissions"}


def sentence(form: Any) -> str:
    """“Changed email. Staff status: no. Permissions: + jobs.cancel_run.”; empty for a form that
    changed no right."""
    changed = list(form.changed_data)
    rights = list(_rights(form, changed))
    if not rights:
        return ""
    others = [name for name in changed if name not in FLAGS and name not in SETS]
    said = f"Changed {', '.join(others)}. " if others else ""
    return said + " ".join(f"{right}." for right in rights)


def _rights(form: Any, changed: list[str]) -> Iterator[str]:
    for name, label in FLAGS.items():
        if name in changed:
            yield f"{label}: {'yes' if form.cleaned_data[name] else 'no'}"
    for name, label in SETS.items():
        if name in changed:
            yield f"{label}: {_difference(form.initial.get(name) or (), form.cleaned_data[name])}"


def _difference(before: Iterable[Any], after: Iterable[Any]) -> str:
    """“+ Viewers, − Support”."""
    old, new = set(before), set(after)
    given = sorted(f"+ {_name(one)}" for one in new - old)
    taken = sorted(f"− {_name(one)}" for one in old - new)
    return ", ".join(given + taken)


def _name(right: Any) -> str:
    """“jobs.cancel_run” of a permission, a group's name."""
    if hasattr(right, "codename"):
        return f"{right.content_type.app_label}.{right.codename}"
    return str(right)
