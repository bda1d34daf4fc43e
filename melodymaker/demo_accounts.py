"""The two accounts of `make run`, whose passwords stand here for every reader."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import check_password
from django.db import DatabaseError, InterfaceError

NAMES = ("demo", "admin")


def password_of(name: str) -> str:
    return f"{name}-password"


def with_known_passwords(database: str = "default") -> list[str]:
    """The names of those that can be signed in to with the known password; empty where the database
    cannot tell. Each one that exists costs one hash."""
    found = get_user_model().objects.using(database).filter(username__in=NAMES, is_active=True)
    try:
        accounts = list(found.order_by("username").values_list("username", "password"))
    except (DatabaseError, InterfaceError):
        return []
    return [name for name, stored in accounts if check_password(password_of(name), stored)]


def problem(name: str) -> str:
    return (
        f"The account “{name}” has the password that `make run` gave it, and strangers "
        "know that one. "
        f"Set another one (`manage.py changepassword {name}`), or close the account."
    )
