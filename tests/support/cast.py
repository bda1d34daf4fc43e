"""The people of every test, and what each may do.

Alice    a listener with three credits: makes songs, and is whom most tests look at
Bob      another listener with credits: may do all that Alice may, but with his own songs only
Penny    a listener without a credit: may look, may not order
Olga     an operator: sees and changes everything (a superuser)
Vera     staff who may look at listeners and songs, and change nothing
Gustav   staff who may look at listeners and grant them credits, and nothing else
a stranger is `client` without a sign-in
"""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.models import Permission

from songs import credits
from songs.models import Song, SongStatus, User
from songs.titles import title_from

PASSWORD = "a-long-enough-password"


def listener(name: str, *, credits_: int = 3) -> User:
    user = User.objects.create_user(name, f"{name}@example.com", PASSWORD)
    if credits_:
        credits.grant(user, credits_, why="for the test")
    user.refresh_from_db()
    return user


def alice() -> User:
    return listener("alice")


def bob() -> User:
    return listener("bob")


def penny() -> User:
    return listener("penny", credits_=0)


def olga() -> User:
    return User.objects.create_superuser("olga", "olga@example.com", PASSWORD)


def vera() -> User:
    return staff("vera", "view_user", "view_song", "view_creditentry")


def gustav() -> User:
    return staff("gustav", "view_user", "grant_credits")


def staff(name: str, *permissions: str) -> User:
    user = User.objects.create_user(name, f"{name}@example.com", PASSWORD, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def a_song(owner: User, description: str = "a waltz for two cats", **changes: Any) -> Song:
    """A song as it stands in the table, without the engine; processed unless told otherwise."""
    status = changes.pop("status", SongStatus.PROCESSED)
    made = status == SongStatus.PROCESSED
    facts = {
        "title": title_from(description),
        "full_described_song": description,
        "seed": 7,
        "status": status,
        "s3_key": f"{uuid.uuid4()}.mp3" if made else "",
        "thumbnail_s3_key": f"{uuid.uuid4()}.png" if made else "",
    }
    return Song.objects.create(owner=owner, **{**facts, **changes})


def wishes(**changes: Any) -> dict[str, Any]:
    """The form as a browser sends it."""
    form = {
        "full_described_song": "a waltz for two cats",
        "guidance_scale": "15",
        "audio_duration": "60",
        "form_token": str(uuid.uuid4()),
    }
    return {name: value for name, value in {**form, **changes}.items() if value is not None}
