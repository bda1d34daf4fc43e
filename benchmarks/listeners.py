"""Listeners of the site itself, signed in, from a process of its own: a question a line, in JSON.

    {"listeners": 100, "songs": 200, "seconds": 30}   →   {"sessions": ["…", …]}

`songs` are ordered by listeners apart, one each, and take the endpoint `seconds`.
"""

from __future__ import annotations

import json
import sys
import uuid
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402

from songs.generation import order_one  # noqa: E402
from songs.models import User  # noqa: E402

CREDITS = 1_000_000
BACKEND = settings.AUTHENTICATION_BACKENDS[0]


def main() -> None:
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        for user in new_users(asked["songs"]):
            order(user, f"a waltz in {asked['seconds']} seconds")
        sessions = [session(user) for user in new_users(asked["listeners"])]
        print(json.dumps({"sessions": sessions}), flush=True)


def new_users(count: int) -> list[User]:
    names = [f"listener-{uuid.uuid4().hex}" for _ in range(count)]
    return User.objects.bulk_create(User(username=n, password="!", credits=CREDITS) for n in names)


def order(user: User, words: str) -> None:
    order_one(
        user,
        full_described_song=words,
        guidance_scale=15.0,
        audio_duration=60.0,
        instrumental=True,
        form_token=uuid.uuid4(),
    )


def session(user: User) -> str:
    """What a sign-in would leave, without the price of hashing a password."""
    store: Any = SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = BACKEND
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.create()
    return str(store.session_key)


if __name__ == "__main__":
    main()
