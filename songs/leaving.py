"""Leaving: an account is closed, with all that the site has of its listener.

`close_account` is the one way, for the listener's own page and for the operator's deletion. It is
one transaction; what takes long, or needs the store, is left to functions of the engine that this
transaction has started (see remains.py).

1. Runs of songs in the making are cancelled. Lock order: the listener's row, songs, the engine.
2. The ledger stays, without account and words (credits.close).
3. Lines of the history stay, without the listener's name (history.py).
4. Rows that refer to the account go with it, of other apps too.
5. An account that the history or the ledger names as an actor, or that has rights, is kept with its
   name, closed and without anything else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import CASCADE, Model, QuerySet

from jobs.api import (
    Context,
    Event,
    InvalidTransition,
    TriggerEvent,
    cancel,
    create_function,
    send,
    unfinished_runs,
)
from songs import closing, credits, downloads, history, permissions, remains
from songs.generation import EVENT
from songs.models import Song, User
from songs.sharing import likes

ACCOUNT_CLOSED = "songs/account.closed"
WHY = "The listener has left."


class LastSuperuser(ValueError):
    """The account cannot be closed. The message is for its owner and for operators."""

    def __init__(self, user: User) -> None:
        super().__init__(
            f"{user.get_username()} is the only superuser of this site. Make another superuser "
            "first: without one, no account could give rights."
        )


@dataclass(frozen=True)
class Belongings:
    """What an account has, for the page that asks before it is closed."""

    songs: int
    in_the_making: int
    credits: int
    is_kept: bool  # the row, with the name

    @classmethod
    def of(cls, user: User) -> Belongings:
        balance = credits.balance(user)
        songs = Song.objects.owned_by(user).count()
        return cls(songs, balance.spoken_for, balance.credits, is_kept(user))


def is_kept(user: User) -> bool:
    """Whether the account's row and name stay: those of staff and of actors."""
    return closing.has_acted(user) or not permissions.is_listener(user)


@transaction.atomic
def close_account(user: User, *, by: User | None = None) -> Belongings:
    """Close the account for good; returns what it had. `by` is the operator, if one does it.

    Raises User.DoesNotExist if it is gone, and LastSuperuser. Files and words follow soon after the
    commit, whatever dies.
    """
    if user.is_superuser:  # of two that close at the same moment, one is the last
        list(superusers().select_for_update().order_by("pk"))
    account = User.objects.select_for_update().get(pk=user.pk)
    refuse_last_superuser(account)
    had = Belongings.of(account)
    songs = list(Song.objects.select_for_update().owned_by(account).order_by("pk"))
    cancel_runs(song.event_id for song in songs if song.event_id)
    history.forget_account(account)
    credits.close(account, by=by, is_kept=had.is_kept)
    remains.leave(songs)
    downloads.remove(account.downloads.all())
    Song.objects.filter(pk__in=[song.pk for song in songs]).delete()
    if had.is_kept:
        likes.take_back_all(account)
        strip(account)
    else:
        account.delete()
    send(Event(name=ACCOUNT_CLOSED, data={"account": user.pk}))
    return had


def superusers() -> QuerySet[User]:
    return User.objects.filter(is_superuser=True, is_active=True)


def refuse_last_superuser(user: User) -> None:
    found = set(superusers().values_list("pk", flat=True))
    if found == {user.pk}:
        raise LastSuperuser(user)


def cancel_runs(events: Iterable[UUID], fn_id: str = EVENT) -> None:
    for run_id in unfinished_runs(list(events), fn_id=fn_id):
        with contextlib.suppress(InvalidTransition):  # it has ended at this moment
            cancel(run_id, why=WHY, invoked=True)


def strip(account: User) -> None:
    """Leave of an account that is kept its name alone."""
    for model, field in those_that_refer():
        model._base_manager.filter(**{field: account}).delete()
    account.groups.clear()
    account.user_permissions.clear()
    account.email = account.first_name = account.last_name = ""
    account.is_active = account.is_staff = account.is_superuser = False
    account.set_unusable_password()
    account.save()


def those_that_refer() -> Iterator[tuple[type[Model], str]]:
    """The tables whose rows belong to an account; the lines of the history belong to the site."""
    for relation in User._meta.related_objects:
        model: Any = relation.related_model
        if relation.on_delete is CASCADE and model is not LogEntry:
            yield model, relation.field.name


@create_function(
    fn_id="end-sessions",
    name="End the sessions of a closed account",
    trigger=TriggerEvent(event=ACCOUNT_CLOSED),
)
def end_sessions(ctx: Context) -> Any:
    """A session is open to no account that is closed; its row may hold what was typed."""
    return ctx.step.run("end", delete_sessions, ctx.event.data["account"], atomic=False)


def delete_sessions(account: int) -> int:
    """Read all sessions, a page at a time; returns how many were the account's."""
    ended, after = 0, ""
    while page := list(Session.objects.filter(pk__gt=after).order_by("pk")[:500]):
        own = [s.pk for s in page if s.get_decoded().get("_auth_user_id") == str(account)]
        ended += Session.objects.filter(pk__in=own).delete()[0]
        after = page[-1].pk
    return ended
